"""How a step's parts are dealt out, over processes of one machine or over many machines.

What travels is a part's key and where its work lies on a disk that all can read: never a tensor.
"""
