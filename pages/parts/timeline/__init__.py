"""What the page Timeline is made of: the choice of checkpoints, small charts, and the table."""
