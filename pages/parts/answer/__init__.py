"""What the page Answer is made of, beside its sentence and its list: probes of one's own."""
