"""What can be counted in an answer without a reader, and which features fire near it."""
