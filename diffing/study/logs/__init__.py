"""Other tools' logs, a module a format: each is recognised by what stands in it and read as rows of one kind."""
