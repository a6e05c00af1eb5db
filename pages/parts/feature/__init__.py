"""What the page of one feature is made of, from its place in the ranking down to what it is tied to."""
