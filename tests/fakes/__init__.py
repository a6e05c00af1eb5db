"""Stand-ins that the tests share: a reader, a server, studies whose features are known."""
