"""Two sets of weights as one object: opened, checked, made stronger or weaker; and pairs with nothing to find."""
