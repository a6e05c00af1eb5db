"""What several methods point at, as one list and one sentence, by rules that anybody can follow.

Things that read alike are one clue, whichever methods point at them. Promises that a thing which the nulls show
as well says so where it is named, and that a sentence claims nothing of a method that was held against fewer
nulls than `evidence` asks for. A rule makes these words: no model wrote or read them.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from diffing.common import words
from diffing.whitebox.sight.evidence import LEAST, Judged, less

MOST = 50
"""Clues of the list: more than anybody reads, and a method's own table has them all."""
NAMED = 5
"""Things that the sentence names."""
LONGEST = 60
"""Characters of a thing in a sentence; texts are longer."""
NOTHING = "The weights differ, but in nothing that the nulls do not show."


class Figure(NamedTuple):
    """What one method says of a clue."""

    method: str
    kind: str
    figure: float
    low: float
    high: float
    null_low: float
    null_high: float
    """NaN both where there is no null."""
    strength: float
    """By how many bars it exceeds the nulls; infinite where nulls show nothing of the kind."""
    above: bool


class Clue(NamedTuple):
    """A thing that methods point at."""

    text: str
    less: bool
    """Whether the variant has less of it."""
    figures: tuple[Figure, ...]
    """Of each method that points at it, the strongest first."""
    nulls: int
    """Most nulls that one of these was held against."""

    @property
    def above(self) -> bool:
        return any(figure.above for figure in self.figures)

    @property
    def strength(self) -> float:
        return max((figure.strength for figure in self.figures if figure.above), default=0.0)

    @property
    def methods(self) -> tuple[str, ...]:
        """Those above whose nulls it stands, else all that point at it."""
        chosen = [figure for figure in self.figures if figure.above] or self.figures
        return tuple(dict.fromkeys(figure.method for figure in chosen))

    @property
    def in_nulls(self) -> bool:
        """Whether nulls show anything of it, by any of these methods."""
        chosen = [figure for figure in self.figures if figure.above] or self.figures
        return any(figure.null_high > 0 for figure in chosen)

    @property
    def said(self) -> str:
        """In a sentence: what it is, who points at it, and what the nulls show of it."""
        name = f"{quoted(self.text)}{', less of it' if self.less else ''} ({', '.join(self.methods)})"
        count = words.count(self.nulls, "null")
        if self.nulls < LEAST:
            return f"{name}: {'compared with one null only' if self.nulls else 'not compared with a null yet'}."
        if self.above:
            return f"{name}: {'more than in any of' if self.in_nulls else 'nothing of it in'} {count}."
        return f"{name}: the nulls show it too." if self.in_nulls else f"{name}: within what nulls differ by."


def quoted(text: str) -> str:
    """A thing as it is named in a sentence."""
    said = " ".join(text.split()) or repr(text)
    return f"“{said if len(said) <= LONGEST else said[: LONGEST - 1] + '…'}”"


class _Part(NamedTuple):
    """What one method says of one thing."""

    figure: Figure
    text: str
    nulls: int
    rank: int


def folded(methods: Mapping[str, Judged]) -> tuple[Clue, ...]:
    """What the methods point at, things that read alike as one, the strongest above its nulls first."""
    parts: dict[tuple[bool, str], list[_Part]] = {}
    for name, judged in methods.items():
        # Of each method as many as the list could hold.
        for rank, row in enumerate(judged.table.head(MOST).to_dict("records")):
            text = str(row["text"])
            # A word alone and in the midst of a sentence, where a token has a space before it.
            alike = " ".join(text.split()).casefold() or repr(text)
            part = _Part(_figure(name, row), text.strip() or text, len(judged.nulls), rank)
            parts.setdefault((less(part.figure.kind), alike), []).append(part)
    made = [(_clue(fewer, found), min(part.rank for part in found)) for (fewer, _), found in parts.items()]
    # Ties, as where nulls show nothing at all: what more methods point at, then what one has placed higher.
    made.sort(key=lambda each: (not each[0].above, -each[0].strength, -len(each[0].methods), each[1]))
    return tuple(clue for clue, _ in made[:MOST])


def _clue(fewer: bool, parts: list[_Part]) -> Clue:
    parts = sorted(parts, key=lambda part: (not part.figure.above, -_known(part.figure.strength), part.rank))
    return Clue(parts[0].text, fewer, tuple(part.figure for part in parts), max(part.nulls for part in parts))


def _figure(name: str, row: Mapping[Hashable, Any]) -> Figure:
    return Figure(
        method=name,
        kind=str(row["kind"]),
        figure=float(row["figure"]),
        low=float(row["low"]),
        high=float(row["high"]),
        null_low=float(row["null_low"]),
        null_high=float(row["null_high"]),
        strength=float(row["strength"]),
        above=bool(row["above"]),
    )


def _known(value: float) -> float:
    return 0.0 if np.isnan(value) else value


def sentence(methods: Mapping[str, Judged], clues: Sequence[Clue]) -> str:
    """One for all of it; `clues` are `folded`'s."""
    above = [clue for clue in clues if clue.above]
    if above:
        named = ", ".join(quoted(clue.text) + (" (less of it)" if clue.less else "") for clue in above[:NAMED])
        more = f" and {words.count(len(above) - NAMED, 'other thing')}" if len(above) > NAMED else ""
        by = ", ".join(dict.fromkeys(name for clue in above[:NAMED] for name in clue.methods))
        nulls = words.count(max(clue.nulls for clue in above), "null")
        shown = any(clue.in_nulls for clue in above[:NAMED])
        beside = f"nulls show less of it (up to {nulls})" if shown else f"nothing of it in {nulls}"
        return f"Stands out above all nulls: {named}{more} ({by}); {beside}."
    if not any(judged.compared for judged in methods.values()):
        first = f"; first comes {quoted(clues[0].text)} ({', '.join(clues[0].methods)})" if clues else ""
        return f"Not compared with nulls yet, so nothing can be said of it{first}."
    waiting = [name for name, judged in methods.items() if not judged.compared]
    return NOTHING + (f" Not compared with nulls yet: {', '.join(waiting)}." if waiting else "")


def table(clues: Sequence[Clue]) -> pd.DataFrame:
    """A row for each clue and each method that points at it."""
    rows = [
        {"text": clue.text, "less": clue.less, "clue_above": clue.above, **figure._asdict()}
        for clue in clues
        for figure in clue.figures
    ]
    return pd.DataFrame(rows)
