"""An answer as symbols: words, marks and the white space that matters, each with its place in the text.

One rule cuts every text into pieces that leave nothing out, and each piece stands for one symbol:

- a word, with its apostrophes and, in numbers, inner points and commas; a single space before it is no part of it;
- a mark: any other character, a run of the same one as one mark of at most three. A space before it is part of the
  symbol, so that an opening bracket or quotation mark is not a closing one;
- a line break or an empty line (however many), with whether spaces stand before it and whether they set the next
  line in; two and more spaces within a line;
- the marker of a list item: its bullet, or "1." or "1)" for any number, and whether it is set in;
- code, fenced or between backticks: one symbol, whatever stands in it.

`folded` is the same symbol in small letters and with a straight apostrophe. A sentence begins behind a full stop
and a space, so that an abbreviation is taken for the end of one. Knows no phrases.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from diffing.common.arrays import Array, Bools
from diffing.probes.rules import HIDDEN, Answer

GAP, CODE = "  ", HIDDEN
"""Two and more spaces within a line; code."""
CLOSERS = frozenset({'"', "”", "’", "'", ")", "]", "*", "**", "_"})
"""Marks that may stand between a sentence's full stop and the next one."""
MARKER = r"(?:[-*+•]|\d{1,3}[.)])[ \t]"

# Markers come before words, as a number is a word elsewhere. Every run is taken whole, so that time is in
# proportion to the text however it is written.
PIECE = re.compile(
    rf"^[ \t]*+{MARKER}[ \t]*+(?=\S)"
    r"|[ ]?[^\W_]++(?:['’][^\W_]++|[.,]\d++)*+"
    rf"|[ \t\r]*+\n(?:[ \t\r]*+\n)*+(?:[ \t]++(?!{MARKER}))?"
    rf"|[ ]?{HIDDEN}++"
    r"|[ ]?(?:\*++|-++|\.++|\#++|=++|~++|_++|!++|\?++|`++|[^\w\s])"
    r"|[ \t\r]++"
    r"|[\s\S]",
    re.MULTILINE,
)


def symbol(piece: str) -> str:
    """What a piece stands for."""
    bare = piece.strip(" \t\r\n")
    if not bare:
        breaks = min(piece.count("\n"), 2)
        return _edge(piece[0]) + "\n" * breaks + _edge(piece[-1]) if breaks else GAP if len(piece) > 1 else piece
    if piece[-1] in " \t":
        # A tab is taken for four spaces, as most editors do.
        depth = len(piece[: piece.index(bare)].expandtabs(4))
        return ("  " if depth >= 2 else "") + (f"1{bare[-1]} " if bare[0].isdigit() else f"{bare} ")
    if bare[0] == CODE:
        return CODE
    return bare if bare[0].isalnum() else piece[: len(piece) - len(bare)] + bare[:3]


def _edge(character: str) -> str:
    return " " if character in " \t" else ""


def folded(sign: str) -> str:
    """A symbol in small letters and with a straight apostrophe."""
    return sign.lower().replace("’", "'")


def blank(sign: str) -> bool:
    """Whether a symbol is nothing but white space."""
    return not sign.strip()


def worded(sign: str) -> bool:
    """Whether it is a word."""
    return sign[0].isalnum() and sign[-1] != " "


@dataclass(frozen=True)
class Symbols:
    """Several texts' symbols in one row."""

    names: list[str]
    """Every symbol once, in the order of the alphabet; the arrays hold places in it."""
    begins: Array
    """Where each text's symbols begin, and where the last one's end."""
    cased: Array
    folded: Array
    start: Array
    """First character of each, in its own text."""
    end: Array
    lengths: Array
    """Characters of each text."""

    def owners(self) -> Array:
        """The text that each symbol stands in."""
        return np.repeat(np.arange(len(self.begins) - 1, dtype=np.int32), np.diff(self.begins))

    def number(self, name: str) -> int:
        """A symbol's number; -1 where no text has it."""
        place = bisect_left(self.names, name)
        return place if place < len(self.names) and self.names[place] == name else -1

    @cached_property
    def edges(self) -> dict[str, Array]:
        """By text: where its `opening`, its `last sentence` and its `ending` stand; -1 where it has none.

        The ending is the last symbol's place, the others are a first one's. White space at both ends of a text is
        none of it, and a text of one sentence has no last one.
        """
        nothing = np.array([blank(name) for name in self.names], bool)[self.cased]
        word = np.array([worded(name) for name in self.names], bool)[self.cased]
        place = np.arange(len(self.cased))
        # A text of blanks alone has neither: the next text's first symbol lies behind its end.
        ahead = np.append(np.minimum.accumulate(np.where(nothing, len(place), place)[::-1])[::-1], len(place))
        opening = np.where(ahead[self.begins[:-1]] < self.begins[1:], ahead[self.begins[:-1]], -1)
        behind, said, begun = (
            np.append(np.maximum.accumulate(np.where(here, place, -1)), -1)
            for here in (~nothing, word, self._starts(nothing))
        )
        last = self.begins[1:] - 1
        ending = np.where(opening >= 0, behind[last], -1)
        # Marks behind the last word, a smile or a bracket, are no sentence.
        sentence = np.where(said[last] > opening, begun[said[last]], -1)
        sentence = np.where((opening >= 0) & (sentence > opening), sentence, -1)
        return {"opening": opening, "last sentence": sentence, "ending": ending}

    def _starts(self, nothing: Bools) -> Bools:
        """Which symbols begin a sentence or a line."""
        stop, closer, line, spaced = (
            np.array([test(name) for name in self.names], bool)[self.cased]
            for test in (
                lambda name: not name.strip(".!?…"),
                lambda name: name in CLOSERS,
                lambda name: "\n" in name,
                lambda name: name[0] == " ",
            )
        )
        firsts = self.begins[:-1][np.diff(self.begins) > 0]
        # No text goes on where the one before it ended.
        closer[firsts] = False
        spaced[1:] |= (self.start[1:] > self.end[:-1]) | nothing[:-1]
        for passed in (closer, closer, nothing):
            behind = np.append(False, stop[:-1]) & passed
            behind[firsts] = False
            stop = stop | behind
        before = np.append(False, line[:-1])[: len(line)]
        starts: Bools = ~nothing & (before | (np.append(False, stop[:-1])[: len(stop)] & spaced))
        starts[firsts] = True
        return starts


class _Numbers(dict[str, int]):
    """Numbers pieces as they come."""

    def __missing__(self, piece: str) -> int:
        self[piece] = len(self)
        return self[piece]


def read(texts: Sequence[str]) -> Symbols:
    """Cut texts into symbols."""
    pieces = _Numbers()
    numbers, widths, counts = [np.empty(0, np.int32)], [np.empty(0, np.int32)], [0]
    for text in texts:
        cut = PIECE.findall(Answer(text).prose)
        # Numbers at once, not the pieces: as strings they would take twenty times the text's own memory.
        numbers.append(np.fromiter(map(pieces.__getitem__, cut), np.int32, len(cut)))
        widths.append(np.fromiter(map(len, cut), np.int32, len(cut)))
        counts.append(len(cut))
    signs = [symbol(piece) for piece in pieces]
    # In the order of the alphabet, so that no text has a say in which of two others' symbols comes first.
    names = {name: number for number, name in enumerate(sorted({*signs, *map(folded, signs)}))}
    cased = np.array([names[sign] for sign in signs], np.int32)
    small = np.array([names[folded(sign)] for sign in signs], np.int32)
    # A word's symbol leaves the space before it out.
    spaced = np.array([p[0] == " " and p[1:] == s for p, s in zip(pieces, signs, strict=True)], np.int32)
    begins, number = np.cumsum(counts), np.concatenate(numbers)
    behind = np.concatenate([[0], np.cumsum(np.concatenate(widths))])
    offset = np.repeat(behind[begins[:-1]], counts[1:])
    return Symbols(
        names=list(names),
        begins=begins,
        cased=cased[number] if len(number) else number,
        folded=small[number] if len(number) else number,
        start=behind[:-1] - offset + (spaced[number] if len(number) else 0),
        end=behind[1:] - offset,
        lengths=np.array([len(text) for text in texts], np.int64),
    )
