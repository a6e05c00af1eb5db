"""What the page Gate is made of: the choice of a rule, and what came of it."""
