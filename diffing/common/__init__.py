"""Ground: what every other room uses and what knows none of them.

Files written whole and locked, tables read, statistical tests, words for figures, the options of a step.
Knows neither studies nor models.
"""
