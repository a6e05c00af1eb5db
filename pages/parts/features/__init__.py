"""What the page of features is made of: filters, bars by behaviour, a cloud and a table of one selection."""
