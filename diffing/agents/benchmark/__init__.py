"""The benchmark of agents: which way of looking finds a known change, and which invents one where none is."""
