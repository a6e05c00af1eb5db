"""A study on disk: its settings, its prompts and answers, and every way they come in."""
