"""Answers read with a language model and a sparse autoencoder, and what was read, kept and opened.

A study's answers go in; an encoding of each comes out: which features fire, how strongly, and on which tokens.
"""
