"""Ground: what every room stands on and nothing above it is known to."""
