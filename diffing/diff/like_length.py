"""Answers of several checkpoints at equal length: what as many words of each as the shortest has would show.

The same two questions as a diff asks of two (`measure.at_equal_length`): the chance that so many random words of
an answer show a thing, and the line through prompts' changes over how much longer answers became. Words and marks
of the text are counted, so nothing has to be encoded. Knows neither studies nor tests.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from diffing.common.arrays import Array, Floats, Ints
from diffing.common.rarefied import Chance
from diffing.diff import presence, steps
from diffing.diff.length import Adjusted, Fit
from diffing.probes.scan import BY_LENGTH, Scan
from diffing.reader.firing import Tokens

WORD = re.compile(r"\w+|[^\w\s]|\s{2,}|\n")
"""A word, a mark, a gap of several spaces, a line's end: what a reader's tokens mostly are."""


class Words(NamedTuple):
    """The words of texts, and how many of each text are drawn."""

    tokens: Tokens
    length: Ints
    """Words of each text."""
    cut: Ints
    """Of each text, the words that the shortest of its prompt and draw has."""

    @classmethod
    def of(cls, texts: Sequence[str], checkpoints: int) -> "Words":
        """Of texts that follow each other checkpoint by checkpoint."""
        spans = [[match.span() for match in WORD.finditer(text)] for text in texts]
        length = np.array([len(found) for found in spans], np.int64)
        begins = np.concatenate([[0], np.cumsum(length)])
        flat = np.array([span for found in spans for span in found], np.int64).reshape(-1, 2)
        cut = np.repeat(length.reshape(-1, checkpoints).min(axis=1), checkpoints)
        tokens = Tokens(np.arange(len(texts)), begins, flat, np.zeros(len(flat), np.int64))
        return cls(tokens, length, cut)

    def chances(self, scanned: Scan, by_length: Array = BY_LENGTH) -> Floats:
        """Texts × what was scanned: the chance that as many random words as are drawn show it."""
        flat = presence.as_features(scanned, self.tokens, by_length)
        text = np.repeat(np.arange(len(self.length)), np.diff(flat.indptr))
        found = np.zeros((len(self.length), len(by_length)))
        chance = Chance(int(self.length.max(initial=1)))
        found[text, flat.feature] = chance(flat.count, self.length[text], self.cut[text])
        return found


def line(values: Floats, lengths: Floats, weights: Floats) -> Adjusted:
    """Each item's change, by its weights of the checkpoints, where its prompts' answers stayed as long.

    `lengths` are the logarithms of the answers' words, prompts × checkpoints.
    """
    ends = Adjusted(*(np.full(values.shape[2], np.nan) for _ in Adjusted._fields))
    kinds, kind = np.unique(weights, axis=0, return_inverse=True)
    for number, row in enumerate(kinds):
        mine = np.flatnonzero(kind == number)
        fit = Fit.over(lengths @ row, len(mine))
        fit.add(slice(None), steps.contrast(values[:, :, mine], weights[mine]), 1)
        for whole, found in zip(ends, fit.result(), strict=True):
            whole[mine] = found
    return ends
