"""The ground that habits are found on: tokens of paired answers, and what they make of each prompt.

Every difference is a rarefied one, so that length alone brings none. Knows no candidates and no habits.
"""

import numpy as np

from diffing.common import nulls, rarefied
from diffing.common.arrays import Array, Bools, Floats
from diffing.diff.measure import LEAST
from diffing.diff.pairing import Pairing
from diffing.reader.firing import Tokens

COINS = 16
"""Whole coins that a difference of 1 is rounded to for its p, as amounts are (`tally.SPREAD`)."""


class Ground:
    """Pairs of documents and their tokens: turns tokens into a difference for each prompt."""

    def __init__(self, pairs: Pairing, tokens: Tokens) -> None:
        """`pairs` numbers documents by their place among the tokens' ones."""
        documents = len(tokens.begins) - 1
        self.size = int(tokens.begins[-1])
        self.prompts = len(pairs.prompts)
        self.document = np.repeat(np.arange(documents), np.diff(tokens.begins))
        """Of each token."""
        self._begins = tokens.begins
        self._row = np.zeros(documents, np.int64)
        self._sign = np.zeros(documents)
        """0 for a document of no pair."""
        self._length = np.ones(documents, np.int64)
        self._cut = np.ones(documents, np.int64)
        weight = 1 / pairs.draws[pairs.row]
        shorter = np.minimum(pairs.tokens_a, pairs.tokens_b)
        for sign, number, length in ((-1, pairs.a, pairs.tokens_a), (1, pairs.b, pairs.tokens_b)):
            self._row[number], self._sign[number] = pairs.row, sign * weight
            self._length[number], self._cut[number] = length, shorter
        self.asked = self._sign[self.document] != 0
        """Of each token, whether its document is one of a pair."""
        self._chance = rarefied.Chance(int(self._length.max(initial=1)))

    def beside(self, tokens: Array, reach: int) -> Bools:
        """Which tokens are these, or stand so close to one of them in the same document."""
        found = np.zeros(self.size, dtype=bool)
        owner = self.document[tokens]
        for step in range(-reach, reach + 1):
            there = np.clip(tokens + step, 0, self.size - 1)
            # The first words of an answer are not beside the last ones of the answer before it.
            found[there[self.document[there] == owner]] = True
        return found

    def place(self, tokens: Array) -> float:
        """Where in an answer these stand in the middle: 0 at its first token, nearly 1 at its last."""
        owner = self.document[tokens]
        return float(np.median((tokens - self._begins[owner]) / np.diff(self._begins)[owner]))

    def difference(self, tokens: Array) -> Floats:
        """By prompt, B minus A: the chance that as many random tokens as the shorter answer has show it."""
        counts = np.bincount(self.document[tokens], minlength=len(self._row))
        shown = np.flatnonzero((counts > 0) & (self._sign != 0))
        chance = self._chance(counts[shown], self._length[shown], self._cut[shown])
        return np.bincount(self._row[shown], self._sign[shown] * chance, self.prompts).astype(np.float64)


def p_of(differences: Floats) -> Floats:
    """Exact two-sided sign-flip p of each column of prompts × candidates; 1 where too few prompts differ."""
    coins = np.rint(differences * COINS).astype(np.int64)
    sizes = np.arange(1, COINS + 1)
    counts = np.stack([np.sum(np.abs(coins) == size, axis=0) for size in sizes], axis=1)
    tested = np.flatnonzero(counts.sum(axis=1) >= LEAST)
    p = np.ones(differences.shape[1])
    if len(tested):
        p[tested] = nulls.coin_tail(sizes, counts[tested], coins.sum(axis=0)[tested])
    return p
