"""What the page of prompts is made of: the table, its counts, and the three ways to add to it."""
