"""What was seen from inside: results held against their nulls, as clues and one sentence. Loads no model."""
