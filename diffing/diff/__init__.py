"""Two checkpoints compared: who shows what, how often, and how sure that is.

A study's encodings go in; one table of features, one of probes and what stands beside them come out, stored in the
study. What is handed on here only opens what is stored; `compute` makes it.
"""

from diffing.diff.stored import Diff, DiffSettings, folder_of, load

__all__ = ["Diff", "DiffSettings", "folder_of", "load"]
