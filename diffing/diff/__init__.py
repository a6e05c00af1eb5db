"""Two checkpoints compared: who shows what, how often, and how sure that is."""
