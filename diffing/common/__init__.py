"""Ground: what every room stands on and nothing above it is known to.

Paths and bytes go in; files written whole, tables read, numbers tested and words for people come out. Knows
neither studies nor models.
"""
