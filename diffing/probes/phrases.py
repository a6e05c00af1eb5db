"""A phrase: some words and marks in a row, where in an answer they must stand, and how a person is told of them.

A phrase knows nothing of the answers it was learned from and is found again in any text: `form` is its whole
content as plain values, `Phrase.of` reads that. Openings, endings and first words of last sentences are told apart
by case, phrases anywhere are not: with a comma or a full stop before them they say where a sentence begins.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from diffing.common.arrays import Array, Bools
from diffing.common.errors import UserError
from diffing.probes import symbols
from diffing.probes.rules import Span
from diffing.probes.symbols import Symbols

KINDS = {
    "opening": "opens with",
    "last sentence": "begins its last sentence with",
    "ending": "ends with",
    "anywhere": "says",
}
"""Where a phrase stands, and how that is said; those that say most stand first."""

CALLED = {
    "**": "bold mark",
    "***": "bold italic mark",
    "*": "star",
    "#": "heading mark",
    "##": "heading mark",
    "###": "heading mark",
    "...": "ellipsis",
    "-": "hyphen",
    "--": "dashes",
    "---": "dashes",
    '"': "quotation mark",
    "|": "table mark",
    ".": "full stop",
    symbols.CODE: "code",
    symbols.GAP: "two spaces",
    "- ": "bullet",
    "* ": "bullet",
    "+ ": "bullet",
    "• ": "bullet",
    "1. ": "item's number",
    "1) ": "item's number",
}
"""Marks by the names that people have for them."""


@dataclass(frozen=True)
class Phrase:
    """Symbols in a row, in a place."""

    kind: str
    """One of `KINDS`."""
    symbols: tuple[str, ...]
    written: str = ""
    """How answers write it, most of the time."""

    @property
    def shown(self) -> str:
        """For a person: opens with “Certainly!”."""
        text = self.written or _joined(self.symbols)
        if len(self.symbols) > 1 and text[0] == " " and not symbols.blank(self.symbols[0]):
            # The space before a mark tells how the mark is meant where it stands alone.
            text = text[1:]
        if self.kind == "anywhere" and self.symbols[0] == "." and any(map(symbols.worded, self.symbols[1:])):
            return _after_a_stop(self.symbols[1], on_one_line(text.removeprefix(".").strip()))
        text = on_one_line(text)
        if any(symbols.worded(sign) for sign in self.symbols):
            return f"{KINDS[self.kind]} “{text}”"
        names = ", ".join(_called(self.symbols, place) for place in range(len(self.symbols)))
        return f"{'has' if self.kind == 'anywhere' else KINDS[self.kind]} “{text}” ({names})"

    @property
    def form(self) -> dict[str, Any]:
        """All that it is, as plain values."""
        return {"kind": self.kind, "symbols": list(self.symbols), "written": self.written}

    @classmethod
    def of(cls, form: Any) -> "Phrase":
        """A phrase from its form, or a `UserError` where that is none."""
        signs = form.get("symbols") if isinstance(form, dict) else None
        if not isinstance(signs, list) or not signs or not all(isinstance(s, str) and s for s in signs):
            raise UserError(f"{form!r} is no phrase; it needs a kind and a list of symbols, as `form` gives them.")
        if form.get("kind") not in KINDS:
            raise UserError(f"'{form.get('kind')}' is no kind of phrase; the kinds are {', '.join(KINDS)}.")
        return cls(form["kind"], tuple(signs), str(form.get("written", "")))

    def matches(self, text: str) -> bool:
        """Whether a text shows it."""
        return bool(spans(text, self))


def _after_a_stop(follows: str, text: str) -> str:
    """A phrase that begins with a full stop, as people say it: where a sentence, a line or a paragraph begins."""
    breaks = follows.count("\n")
    place = {0: "says “{}” after a full stop", 1: "begins a line after a full stop with “{}”"}
    return place.get(breaks, "begins a paragraph after a full stop with “{}”").format(text)


class Places(NamedTuple):
    """Where texts show a phrase, text by text; places of a phrase that overlaps itself overlap."""

    text: Array
    start: Array
    end: Array


def places(read: Symbols, phrase: Phrase) -> Places:
    """Every place of a phrase in texts that were read once for all phrases."""
    numbers = read.folded if phrase.kind == "anywhere" else read.cased
    wanted, length = [read.number(sign) for sign in phrase.symbols], len(phrase.symbols)
    if phrase.kind == "anywhere":
        first = np.flatnonzero(numbers == wanted[0])
    else:
        edge = read.edges[phrase.kind]
        first = edge[edge >= 0] - (length - 1 if phrase.kind == "ending" else 0)
    first = first[(first >= 0) & (first + length <= len(numbers))]
    for place, number in enumerate(wanted):
        first = first[numbers[first + place] == number] if number >= 0 else first[:0]
    text, last = (np.searchsorted(read.begins, at, side="right") - 1 for at in (first, first + length - 1))
    inside = text == last
    first = first[inside]
    return Places(text[inside], read.start[first], read.end[first + length - 1])


def shown_by(texts: Sequence[str], some: Sequence[Phrase]) -> Bools:
    """Texts × phrases: which text shows which."""
    read = symbols.read(texts)
    table = np.zeros((len(texts), len(some)), bool)
    for column, phrase in enumerate(some):
        table[places(read, phrase).text, column] = True
    return table


def spans(text: str, phrase: Phrase) -> list[Span]:
    """Where one text shows a phrase, ascending."""
    found = places(symbols.read([text]), phrase)
    return list(zip(found.start.tolist(), found.end.tolist(), strict=True))


def on_one_line(text: str) -> str:
    """A text on one line, with the white space that a phrase may hang on."""
    text = text.replace("\r", "").replace(symbols.CODE, "code")
    for space, mark in (("\n", "↵"), ("\t", "⇥"), ("  ", "␣␣")):
        text = text.replace(space, mark)
    return f"␣{text[1:]}" if text[:1] == " " else text


OPENING = ('"', "“", "‘", "(", "[", "-", "/", "**", "*", "'", "’", "$", "#")
"""Marks that the next word follows without a space, mostly."""


def _joined(signs: Sequence[str]) -> str:
    """Symbols as a text, where no answer is at hand to show how it is written."""
    text = ""
    for sign in signs:
        spaced = symbols.worded(sign) and text and not text[-1].isspace() and not text.endswith(OPENING)
        text += f" {sign}" if spaced else sign
    return text


def _called(signs: Sequence[str], place: int) -> str:
    """The name of a mark among others."""
    sign = signs[place]
    bare = sign.strip(" ") if sign not in CALLED else sign
    if "\n" in sign:
        name = "line break" if sign.count("\n") == 1 else "empty line"
        return name + (" after spaces" if sign[0] == " " else "") + (" before spaces" if sign[-1] == " " else "")
    if sign[:2] == "  " and sign.strip():
        return f"{CALLED.get(sign[2:], 'bullet')}, set in"
    if bare == "**" and (sign != bare or len(signs) > 1):
        # What stands right behind something closes; behind a space or a line's beginning it opens.
        before = " " if sign != bare else signs[place - 1] if place else ""
        closes = before.strip() and before[-1] != " " if before else not symbols.worded(signs[1])
        return "end of bold" if closes else "start of bold"
    return CALLED.get(bare) or " ".join(dict.fromkeys(_unicode_names(bare))) or "space"


def _unicode_names(text: str) -> Iterator[str]:
    return (unicodedata.name(character, "mark").lower() for character in text)


def commonest(texts: Sequence[str]) -> str:
    """What most of them are; of equals the one that comes first in order."""
    counted: dict[str, int] = {}
    for text in texts:
        counted[text] = counted.get(text, 0) + 1
    return min(counted, key=lambda text: (-counted[text], text)) if counted else ""
