"""Methods that look inside a pair, one file each, all of one shape."""
