"""What recurs in texts that a variant wrote, and how much likelier the variant finds it than the base does.

A phrase is one to six words and marks in a row, cut as answers are cut everywhere (`probes.symbols`), capitals
aside. Its figure is in nats a beginning: by how much the variant prefers the phrase's tokens where a text first
has it, never less than nothing, and nothing in a text without it; so it grows with how often a phrase is written
and with how unlike the base that is. A 95 % interval comes by drawing beginnings anew. Promises that a phrase
which says nothing beyond a longer one goes into that. Knows no models.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffing.common import resampling
from diffing.common.arrays import Bools, Floats
from diffing.probes import symbols
from diffing.probes.phrases import on_one_line

LONGEST = 6
LEAST = 3
"""Texts of one side that show a phrase, at least: what two hold in common is chance."""
FRESH = 0.5
"""Share of runs of three tokens that a text has once, at least: under that it turns in circles."""
SAME = 0.9
"""Share of a phrase's texts that must hold the longer one into which it goes."""
RESAMPLES = 1000
COLUMNS = ("phrase", "text", "words", "variant", "base", "figure", "low", "high", "held_out")
Key = tuple[str, ...]
Span = tuple[int, int]


class Text(NamedTuple):
    """A text, where in it the part begins that was written, and by what the variant prefers it."""

    text: str
    begin: int = 0
    gap: Floats = np.empty(0)
    """By character, how much likelier the variant finds it, in nats."""


def phrases(variant: Sequence[Text], base: Sequence[Text], held_out: Bools, shown: int, seed: int) -> pd.DataFrame:
    """What the variant's texts hold, a beginning each: `COLUMNS`, the most telling first.

    Shares and figure are of discovery beginnings; `held_out` is the figure on the others, NaN without any.
    """
    mine, theirs = _found(variant), _found(base)
    often = [key for key, places in mine.items() if sum(not held_out[n] for n in places) >= LEAST]
    often = _unfolded(often, mine)
    preferred = np.zeros((len(variant), len(often)))
    for row, key in enumerate(often):
        for n, (begin, end) in mine[key].items():
            preferred[n, row] = max(0.0, float(variant[n].gap[begin:end].sum()))
    figure = preferred[~held_out].mean(axis=0)
    best = np.argsort(-figure, kind="stable")[:shown]
    known, keys = int((~held_out).sum()), [often[n] for n in best]
    low, high = resampling.drawn(preferred[~held_out][:, best], np.ones(known), RESAMPLES, seed)

    def share(found: Mapping[Key, Mapping[int, Span]], key: Key) -> float:
        return sum(not held_out[n] for n in found.get(key, ())) / known

    return pd.DataFrame(
        {
            "phrase": ["\n".join(key) for key in keys],
            "text": [_written(mine[key], variant) for key in keys],
            "words": [len(key) for key in keys],
            "variant": [share(mine, key) for key in keys],
            "base": [share(theirs, key) for key in keys],
            "figure": figure[best],
            "low": low,
            "high": high,
            "held_out": preferred[held_out][:, best].mean(axis=0) if held_out.any() else np.nan,
        },
        columns=list(COLUMNS),
    )


def _found(texts: Sequence[Text]) -> dict[Key, dict[int, Span]]:
    """Every phrase of what was written: in which texts it stands, and where there first."""
    read = symbols.read([text.text for text in texts])
    found: dict[Key, dict[int, Span]] = {}
    for place, text in enumerate(texts):
        span = slice(read.begins[place], read.begins[place + 1])
        names = [read.names[n] for n in read.folded[span]]
        start, end = read.start[span], read.end[span]
        for first in np.flatnonzero(start >= text.begin).tolist():
            if symbols.blank(names[first]):
                continue
            for behind in range(first + 1, min(first + LONGEST, len(names)) + 1):
                if not symbols.blank(names[behind - 1]):
                    key = tuple(names[first:behind])
                    found.setdefault(key, {}).setdefault(place, (int(start[first]), int(end[behind - 1])))
    return found


def _unfolded(keys: Sequence[Key], found: Mapping[Key, Mapping[int, Span]]) -> list[Key]:
    """The phrases that say something of their own, whatever the longer ones say."""
    folded: set[Key] = set()
    for key in keys:
        for first in range(len(key)):
            for behind in range(first + 1, len(key) + 1):
                part = key[first:behind]
                if part != key and part in found and len(found[key]) >= SAME * len(found[part]):
                    folded.add(part)
    return [key for key in keys if key not in folded]


def _written(places: Mapping[int, Span], texts: Sequence[Text]) -> str:
    """As it stands in most of the texts."""
    seen = Counter(texts[place].text[begin:end] for place, (begin, end) in places.items())
    return on_one_line(seen.most_common(1)[0][0])
