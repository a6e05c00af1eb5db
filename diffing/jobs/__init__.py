"""Where work runs: in this process, in one of its own, or on another machine."""
