"""What the page Compare is made of: its three views, and what stands around two answers."""
