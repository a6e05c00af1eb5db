"""Parts of a method that is not registered yet: preferences read from activations by ridge probes."""
