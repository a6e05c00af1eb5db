"""`python -m diffing …`: one command a step.

Words typed in a terminal go in; a step is run, and what it did comes out as lines, tables or JSON. Decides
nothing.
"""
