"""One comparison as a folder that can be handed over.

A study with its diff, labels and findings goes in; HTML, Markdown, a notebook, tables and charts come out.
"""
