"""Claims about what changed, what they rest on, and what a judge makes of them.

A diff goes in; claims come out, each with its evidence, what speaks against it, and how far it was verified.
"""
