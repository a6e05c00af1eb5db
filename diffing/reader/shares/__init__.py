"""Answers read by machines that share the work: each seals what it read, and one of them merges it all."""
