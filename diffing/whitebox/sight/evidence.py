"""What a result points at, held against what its nulls show.

A thing stands above the nulls when its figure exceeds the most that any null shows of the very same thing, by
clearly more than any null exceeds the other nulls: each null takes the pair's place once, the largest excess of
anything in it is the bar, and the bar has to be passed by a margin. So a thing that training as such brings about
is set aside, whatever its size, and so is an excess that nulls have among themselves. The pair enters by the low
end of its interval over documents, on discovery documents; held-out ones must exceed the nulls too. Two nulls at
least, or nothing is said: with n nulls that are alike, one more of their kind would pass the bar itself by chance
in one of n + 1 cases at most.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffing.common.arrays import Array, Floats

COLUMNS = ("kind", "key", "text", "figure", "low", "high", "held_out")
"""Of a method's figures, a row a thing. `kind` parts things of unlike figures (token, word, phrase, habit,
direction, place, weight; " less" behind it where the variant has less of it); `key` is the same in the pair and
its nulls, `text` is as people read it; `figure` with its 95 % interval over discovery documents, `held_out` the
same on held-out ones (NaN where there are none). What a null has no row of is 0 there, so a figure must be one of
which 0 says nothing."""
MARGIN = 1.2
"""Bars that an excess must be: of 24 turned changes of the bundled organisms, each held against both controls and
two other turns, eight methods passed 1.0 in three cells of 192 and this in none; the ninth, the lens, has wilder
nulls and a margin of its own (`docs/inside.md`)."""
LEAST = 2
"""Nulls that take turns in the pair's place."""


def less(kind: str) -> bool:
    """Whether things of a kind are those that the variant has less of; other words may follow, as in "direction
    less, nulls taken out"."""
    return " less" in kind


class Judged(NamedTuple):
    """A pair's figures beside its nulls'."""

    table: pd.DataFrame
    """The pair's figures, strongest first, with `null_low` and `null_high` (the nulls' range of the same thing),
    `excess` (low end above `null_high`), `bar` (a null's largest excess), `strength` (excess in bars), `above`."""
    nulls: tuple[str, ...]
    """Names of the nulls that it was held against."""

    @property
    def compared(self) -> bool:
        return len(self.nulls) >= LEAST

    @property
    def above(self) -> pd.DataFrame:
        return self.table[self.table["above"]]


def judged(pair: pd.DataFrame, nulls: Sequence[tuple[str, pd.DataFrame]], margin: float = MARGIN) -> Judged:
    """A method's figures for a pair beside those for each of its nulls; `same` proves nothing and is left out."""
    others = [(name, table) for name, table in nulls if name != "same"]
    table = pair.reset_index(drop=True).copy()
    for column in ("null_low", "null_high", "excess", "bar", "strength"):
        table[column] = np.nan
    table["above"] = False
    kinds = table["kind"].to_numpy()
    parts = []
    for kind in pd.unique(table["kind"]):
        of_it = [null[(null["kind"] == kind).to_numpy()].drop_duplicates("key") for _, null in others]
        parts.append(_beside(table[kinds == kind], of_it, margin) if others else table[kinds == kind])
    whole = pd.concat(parts) if parts else table
    order = whole.sort_values(["above", "strength", "low"], ascending=False, kind="stable")
    return Judged(order.reset_index(drop=True), tuple(name for name, _ in others))


def _beside(own: pd.DataFrame, nulls: Sequence[pd.DataFrame], margin: float) -> pd.DataFrame:
    """A pair's figures of one kind with what the nulls say of it filled in."""
    figures, places = _grid(own, nulls, "figure")
    seen = figures[:, places]
    told = {"null_low": seen.min(0), "null_high": seen.max(0), "excess": own["low"].to_numpy() - seen.max(0)}
    if len(nulls) < LEAST:
        return own.assign(**told)
    # What a null has no row of is nothing that it shows.
    shown = ~np.isnan(_grid(own, nulls, "figure", empty=np.nan)[0])
    rest = np.stack([np.delete(figures, n, axis=0).max(0) for n in range(len(nulls))])
    bar = float(np.max(figures - rest, where=shown, initial=0.0))
    excess = told["excess"]
    # Where the nulls show nothing at all, any excess is beyond measure.
    with np.errstate(divide="ignore", invalid="ignore"):
        strength = np.where(excess > 0, excess / bar, 0.0)
    held = own["held_out"].to_numpy(np.float64)
    theirs = np.nan_to_num(_grid(own, nulls, "held_out")[0][:, places]).max(0)
    above = (excess > margin * bar) & (excess > 0) & (np.isnan(held) | (held > theirs))
    return own.assign(**told, bar=bar, strength=strength, above=above)


def _grid(
    own: pd.DataFrame, nulls: Sequence[pd.DataFrame], column: str, empty: float = 0.0
) -> tuple[Floats, Array]:
    """Nulls × all things that any of them or the pair has, and the places of the pair's."""
    keys = pd.Index(pd.unique(pd.concat([own["key"], *(null["key"] for null in nulls)])))
    figures = np.full((len(nulls), len(keys)), empty)
    for row, null in zip(figures, nulls, strict=True):
        row[keys.get_indexer(null["key"])] = null[column]
    return figures, keys.get_indexer(own["key"])
