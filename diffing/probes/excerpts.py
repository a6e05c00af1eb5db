"""Excerpts of answers: the part that shows what a claim names, with the places that show it marked.

An answer is too long to be read beside its claim, and its beginning rarely holds what the claim is about. Promises
that a mark is in every excerpt of a text that has one, that the pieces joined are a part of the text as it stands,
and that no cut, of an excerpt or of a mark, goes through a character that a reader sees as one. Knows no markup.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import regex  # type: ignore[import-untyped]

from diffing.probes.rules import Span

LENGTH = 240
"""Characters of an excerpt: three or four lines, as much as is read of two answers side by side."""
SHARE = 3, 4
"""Of an excerpt, what its marks may take up: the rest is there to read them in."""
WORD = 24
"""Characters within which a cut looks for the end of a word; a text without spaces, as Chinese, is cut anywhere.
Nearly all words are shorter."""
# Two halves of one character are one, though Python may hold them apart.
SEEN = regex.compile(r"[\ud800-\udbff][\udc00-\udfff]|\X")


class Piece(NamedTuple):
    """A run of text, marked or not."""

    text: str
    marked: bool

    @property
    def flat(self) -> str:
        """On one line; white space that is marked is made visible."""
        if self.marked and not self.text.strip():
            return self.text.replace(" ", "·").replace("\n", "⏎")
        # One sign for several breaks: an excerpt tells where a line ends, and not how far apart the next is.
        return re.sub(r"[ \t]*(\r?\n[ \t]*)+", " ⏎ ", self.text)


class Excerpt(NamedTuple):
    """A part of a text."""

    pieces: list[Piece]
    before: bool
    """Whether text is left out before it."""
    after: bool
    """Whether text is left out behind it."""

    @property
    def plain(self) -> str:
        """As plain text on one line, marks between « and »."""
        parts = [f"«{piece.flat}»" if piece.marked else piece.flat for piece in self.pieces]
        return f"{'… ' if self.before else ''}{''.join(parts)}{' …' if self.after else ''}"


def around(text: str, spans: Sequence[Span], length: int = LENGTH) -> Excerpt:
    """The part of a text about the closest marks, of equally close ones the first; without marks its beginning."""
    borders = [0, *(match.end() for match in SEEN.finditer(text))]
    marks = _whole(spans, borders)
    begin, end = window(len(text), marks, length)
    held = [mark for mark in marks if mark[0] < end and mark[1] > begin]
    # What reaches over an end of the excerpt is cut with it.
    first = min((start for start, _ in held if start >= begin), default=len(text))
    last = max((stop if stop <= end else _next(start, borders) for start, stop in held), default=0)
    begin, end = _from(text, begin, first, borders), _to(text, begin, end, last, borders)
    pieces, at = [], begin
    for start, stop in held:
        start, stop = max(start, begin), min(stop, end)
        pieces += [Piece(text[at:start], False), Piece(text[start:stop], True)]
        at = max(at, stop)
    pieces.append(Piece(text[at:end], False))
    return Excerpt([piece for piece in pieces if piece.text], begin > 0, end < len(text))


def _whole(spans: Sequence[Span], borders: list[int]) -> list[Span]:
    """Spans in order, widened to whole characters, joined where they touch."""
    marks: list[Span] = []
    for start, stop in sorted(spans):
        start, stop = max(0, start), min(stop, borders[-1])
        if start >= stop:
            continue
        start = borders[bisect_right(borders, start) - 1]
        stop = borders[bisect_left(borders, stop)]
        if marks and start <= marks[-1][1]:
            marks[-1] = (marks[-1][0], max(marks[-1][1], stop))
        else:
            marks.append((start, stop))
    return marks


def window(whole: int, marks: Sequence[Span], length: int) -> Span:
    """Where an excerpt of this length holds the most marks, which are in order; its ends may cut words."""
    if whole <= length or not marks:
        return 0, min(whole, length)
    room = length * SHARE[0] // SHARE[1]
    starts, stops = [mark[0] for mark in marks], [mark[1] for mark in marks]
    most, first = 0, 0
    for place, start in enumerate(starts):
        inside = bisect_right(stops, start + room) - place
        if inside > most:
            most, first = inside, place
    # One that is longer than the room is shown from its beginning.
    extent = min(stops[first + max(most, 1) - 1] - starts[first], room)
    # A third of what is left stands before the marks, as what follows is what they lead to.
    begin = max(0, min(starts[first] - (length - extent) // 3, whole - length))
    return begin, begin + length


def _from(text: str, begin: int, first: int, borders: list[int]) -> int:
    """The first word's beginning, which lies before the first mark."""
    if begin == 0:
        return 0
    reach = min(begin + WORD, first)
    # Where the character before is a space the excerpt begins with a word as it is.
    for place in range(begin, reach + 1):
        if text[place - 1].isspace() and (place == first or not text[place].isspace()) and _at(place, borders):
            return place
    return borders[bisect_left(borders, begin)]


def _to(text: str, begin: int, end: int, last: int, borders: list[int]) -> int:
    """The last word's end, which lies behind the last mark."""
    if end >= len(text):
        return len(text)
    for place in range(end, max(end - WORD, last, begin + 1) - 1, -1):
        if text[place].isspace() and (place == last or not text[place - 1].isspace()) and _at(place, borders):
            return place
    at = borders[bisect_right(borders, end) - 1]
    # A single character may be longer than the excerpt.
    return at if at > begin else _next(begin, borders)


def _at(place: int, borders: list[int]) -> bool:
    return borders[bisect_left(borders, place)] == place


def _next(place: int, borders: list[int]) -> int:
    """The end of the character there."""
    return borders[bisect_right(borders, place)]
