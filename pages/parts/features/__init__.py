"""What the page of features is made of: filters, two charts and a table of one selection."""
