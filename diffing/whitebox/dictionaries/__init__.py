"""Sparse dictionaries of a pair's activations: difference SAEs and crosscoders, trained, kept and read."""
