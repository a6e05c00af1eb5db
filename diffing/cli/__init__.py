"""`python -m diffing …`: one command a step."""
