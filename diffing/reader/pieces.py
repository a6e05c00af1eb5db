"""An answer's text in the smallest runs that can be shown, with what each of its tokens is worth.

Promises that the pieces joined are the answer again, and that a character and its marks stay in one piece. Does
not promise that a script's ligature stays whole.
"""

import unicodedata
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffing.common.arrays import Array


class Piece(NamedTuple):
    """A run of text that can be shown on its own, and the tokens [first, last) that it is made of."""

    text: str
    first: int
    last: int


def pieces(answer: str, spans: NDArray[np.int32]) -> list[Piece]:
    """The answer in order, in the smallest runs that can be shown: joined, they are the answer again.

    Tokens that share a character are one piece, and so are a character and the marks that belong to it.
    """
    cut: list[Piece] = []
    first, begin, end = 0, 0, 0
    for token, (start, stop) in enumerate(spans.tolist()):
        # A token without a character of its own (part of one, or nothing) goes with the piece before it.
        if start >= end and stop > start and end > begin and not _inside(answer, start):
            cut.append(Piece(answer[begin:start], first, token))
            first, begin = token, start
        end = max(end, stop)
    if len(spans):
        # Text that no token stands for, at the end or between tokens, belongs to the piece before it.
        cut.append(Piece(answer[begin:], first, len(spans)))
    return cut


JOINER = "\u200d"
"""Makes one sign of several, as a family of its members."""
SKIN_TONES = ("\U0001f3fb", "\U0001f3ff")
FLAG_LETTERS = ("\U0001f1e6", "\U0001f1ff")
"""First and last; two of these letters are one flag."""


def _inside(text: str, at: int) -> bool:
    """Whether a cut before this character would part what is seen as one."""
    if not 0 < at < len(text):
        return False
    here, there = text[at], text[at - 1]
    return (
        unicodedata.category(here).startswith("M")
        or JOINER in (here, there)
        or SKIN_TONES[0] <= here <= SKIN_TONES[1]
        or all(FLAG_LETTERS[0] <= letter <= FLAG_LETTERS[1] for letter in (here, there))
    )


class TokenTable(NamedTuple):
    """An answer's tokens and where they stand in its text."""

    ids: Array
    spans: Array
    """int32 [tokens, 2], in characters; tokens that share a character have overlapping spans."""
    text: str

    def cut(self) -> list[Piece]:
        """The whole text in order, in the smallest runs that can be shown, and which tokens each is made of."""
        return pieces(self.text, self.spans)

    def pieces(self, values: Array) -> list[tuple[str, float]]:
        """The whole text in pieces, each with the largest of its tokens' values."""
        cut = self.cut()
        return list(zip((piece.text for piece in cut), largest(cut, values).tolist(), strict=True))


def largest(cut: list[Piece], values: Array) -> Array:
    """On each piece the value of largest magnitude among its tokens'."""
    first = [piece.first for piece in cut]
    # Features of some SAEs go below zero; of equal sizes the positive one, as a record's peak has it.
    high, low = np.maximum.reduceat(values, first), np.minimum.reduceat(values, first)
    return np.where(high >= -low, high, low)
