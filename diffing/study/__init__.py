"""A study on disk: its settings, its prompts and answers, and every way they come in.

Prompts, a model's replies or a file of answers go in; two tables that every later step reads come out.
"""
