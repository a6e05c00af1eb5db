"""A few lines of a text, cut so that what is marked in it is in view.

Promises that the pieces joined are a stretch of the text as it stands, that marks which overlap become one, and
that no word of usual length is cut in two. Knows no markup, and not what the marks mean.
"""

from collections.abc import Sequence
from typing import NamedTuple

from diffing.probes.rules import Span

BEFORE = 0.3
"""Of an excerpt, what stands before the first mark at most: a mark is understood by what leads to it."""


class Piece(NamedTuple):
    """A run of text."""

    text: str
    marked: bool


class Excerpt(NamedTuple):
    """A stretch of a text."""

    pieces: list[Piece]
    before: bool
    """Whether text is left out before it."""
    after: bool


def around(text: str, spans: Sequence[Span], length: int = 240) -> Excerpt:
    """The stretch of about so many characters that holds most marks; without marks the beginning."""
    marks = _merged(text, spans)
    begin, end = _window(text, marks, length)
    pieces, at = [], begin
    for start, stop in marks:
        start, stop = max(start, begin), min(stop, end)
        if start >= stop:
            continue
        if at < start:
            pieces.append(Piece(text[at:start], False))
        pieces.append(Piece(text[start:stop], True))
        at = stop
    if at < end:
        pieces.append(Piece(text[at:end], False))
    return Excerpt(pieces, begin > 0, end < len(text))


def _merged(text: str, spans: Sequence[Span]) -> list[Span]:
    """Ascending, inside the text, without overlaps; empty ones are none."""
    merged: list[Span] = []
    for start, end in sorted((max(start, 0), min(end, len(text))) for start, end in spans):
        if start >= end:
            continue
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _window(text: str, marks: Sequence[Span], length: int) -> Span:
    """Where the excerpt begins and ends."""
    if len(text) <= length or not marks:
        return 0, _word_end(text, length)
    room = int(length * (1 - BEFORE))
    # Of windows that begin at a mark the first that holds most of them.
    counts = [sum(start <= other[0] < start + room for other in marks) for start, _ in marks]
    first = marks[counts.index(max(counts))][0]
    begin = _word_begin(text, max(0, min(first - int(length * BEFORE), len(text) - length)))
    # A mark that would be cut at the front is left out.
    begin = next((end for start, end in marks if start < begin < end <= first), begin)
    return begin, _word_end(text, begin + length)


def _word_begin(text: str, at: int) -> int:
    """The first place from `at` on where a word begins; `at` itself inside what has no blank for long."""
    if at == 0 or text[at - 1].isspace():
        return at
    blank = next((place for place in range(at, min(at + 30, len(text))) if text[place].isspace()), None)
    return at if blank is None else blank + 1


def _word_end(text: str, at: int) -> int:
    """The last place up to `at` where a word ends."""
    if at >= len(text) or text[at].isspace():
        return min(at, len(text))
    blank = next((place for place in range(at, max(at - 30, 0), -1) if text[place - 1].isspace()), None)
    return at if blank is None else blank - 1
