"""Claims about what changed, what they rest on, and what a judge makes of them."""
