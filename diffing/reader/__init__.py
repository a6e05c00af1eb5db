"""Answers read through a language model and a sparse autoencoder (SAE): both loaded and run, what they saw kept.

A study's answers go in; an encoding of each comes out: which features fire, how strongly, and on which
tokens.
"""
