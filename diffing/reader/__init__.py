"""Answers read with a language model and a sparse autoencoder, and what was read, kept and opened."""
