"""What can be counted in an answer without a reader, and which features fire near it.

Texts go in; counts and spans of bold, lists, apologies and the like come out.
"""
