"""Language models: asked at an endpoint, or run on this machine.

A checkpoint and messages go in; replies come out, each stored before it is counted. For a model on this
machine, token ids go in and what a place inside it sees comes out.
"""
