"""What the page of findings is made of: its six views, one finding, and the ways to add to it."""
