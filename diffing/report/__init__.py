"""One comparison as a folder that can be handed over."""
