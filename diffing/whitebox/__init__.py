"""Two sets of weights compared from the inside."""
