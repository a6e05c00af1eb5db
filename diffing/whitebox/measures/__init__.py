"""What methods compute with, none of which knows a method: distributions, directions, samples, tokens in texts."""
