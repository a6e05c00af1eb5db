"""What texts that models wrote show: which surface probes and which words, as tables of yes and no.

Promises that a thing has one name in whatever texts, so that a pair and its nulls can be held against each other.
Only whether a text shows a thing is asked, not how often: texts are of one length, and one that goes round in
circles would outweigh all others. Probes that have an amount alone are left out for the same reason.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from diffing.common.arrays import Bools
from diffing.probes import symbols
from diffing.probes.probes import PROBES, probe_spans


class Shown(NamedTuple):
    """Texts by things."""

    habits: tuple[str, ...]
    """Surface probes."""
    words: tuple[str, ...]
    """Words in small letters, and marks."""
    has: Bools
    """[texts, habits and then words]."""


def read(texts: Sequence[str]) -> Shown:
    """What each text shows."""
    habits = tuple(name for name, probe in PROBES.items() if not probe.counted_only)
    probed = np.zeros((len(texts), len(habits)), bool)
    for row, text in enumerate(texts):
        spans = probe_spans(text)
        probed[row] = [bool(spans[name]) for name in habits]
    said = symbols.read(texts)
    known = np.array([not symbols.blank(name) for name in said.names], bool)
    has = np.zeros((len(texts), len(known)), bool)
    has[said.owners(), said.folded] = True
    used = known & has.any(0)
    words = tuple(name for name, kept in zip(said.names, used, strict=True) if kept)
    return Shown(habits, words, np.concatenate([probed, has[:, used]], axis=1))


def distinct(texts: Sequence[Sequence[int]], size: int = 3) -> float:
    """Of all runs of so many tokens, the share that are there once counted once: low where texts repeat."""
    runs = [tuple(ids[n : n + size]) for ids in texts for n in range(len(ids) - size + 1)]
    return len(set(runs)) / len(runs) if runs else 1.0
