"""What the page Live is made of: the form, the pair that is held open, both columns, what was written before."""
