"""What `tools.make_logs` runs inside the tools whose logs are read: small evaluations, written here."""
