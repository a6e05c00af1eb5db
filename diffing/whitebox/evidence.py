"""What a result points at, held against what its nulls show.

A thing stands above the nulls when its figure exceeds the most that any null shows of the very same thing, by more
than any null exceeds the other nulls: each null takes the pair's place once, and the largest excess of anything in
it is the bar. So a thing that training as such brings about is set aside, whatever its size, and so is an excess
that nulls have among themselves. The pair enters by the low end of its interval over documents, on discovery
documents; held-out ones must exceed the nulls too. Two nulls at least, or nothing is said: with n nulls that are
alike, one more of their kind would pass by chance in one of n + 1 cases at most.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffing.common.arrays import Floats

COLUMNS = ("kind", "key", "text", "figure", "low", "high", "held_out")
"""Of a method's figures, a row a thing. `kind` parts things of unlike figures (token, phrase, text, weight, or a
method's own word such as "token less"); `key` is the same in the pair and its nulls, `text` is as people read it;
`figure` with its 95 % interval over discovery documents, `held_out` the same on held-out ones (NaN where there are
none). What a null has no row of is 0 there, so a figure must be one of which 0 says nothing."""
LEAST = 2
"""Nulls that take turns in the pair's place."""


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


def judged(pair: pd.DataFrame, nulls: Sequence[tuple[str, pd.DataFrame]]) -> Judged:
    """A method's figures for a pair beside those for each of its nulls; `same` proves nothing and is left out."""
    others = [(name, table) for name, table in nulls if name != "same"]
    table = pair.reset_index(drop=True).copy()
    for column in ("null_low", "null_high", "excess", "bar", "strength"):
        table[column] = np.nan
    table["above"] = False
    for kind in table["kind"].unique():
        rows = table.index[table["kind"] == kind]
        _beside(table, rows, [null[null["kind"] == kind] for _, null in others])
    order = table.sort_values(["above", "strength", "low"], ascending=False, kind="stable")
    return Judged(order.reset_index(drop=True), tuple(name for name, _ in others))


def _beside(table: pd.DataFrame, rows: pd.Index, nulls: Sequence[pd.DataFrame]) -> None:
    """Fill in what the nulls say of one kind of things."""
    if not nulls:
        return
    keys = table.loc[rows, "key"]
    seen = np.stack([_of(null, "figure", keys) for null in nulls])
    table.loc[rows, "null_low"], table.loc[rows, "null_high"] = seen.min(0), seen.max(0)
    table.loc[rows, "excess"] = table.loc[rows, "low"] - seen.max(0)
    if len(nulls) < LEAST:
        return
    bar = max(_excess(nulls, n) for n in range(len(nulls)))
    table.loc[rows, "bar"] = bar
    excess = table.loc[rows, "excess"].to_numpy(np.float64)
    # Where the nulls show nothing at all, any excess is beyond measure.
    with np.errstate(divide="ignore", invalid="ignore"):
        table.loc[rows, "strength"] = np.where(excess > 0, excess / bar, 0.0)
    held = table.loc[rows, "held_out"].to_numpy(np.float64)
    confirmed = np.isnan(held) | (held > np.nan_to_num(np.stack([_of(n, "held_out", keys) for n in nulls])).max(0))
    table.loc[rows, "above"] = (excess > bar) & (excess > 0) & confirmed


def _excess(nulls: Sequence[pd.DataFrame], place: int) -> float:
    """How far the most telling thing of one null exceeds what the others show of it; at least 0."""
    own = nulls[place]
    if not len(own):
        return 0.0
    rest = np.stack([_of(null, "figure", own["key"]) for n, null in enumerate(nulls) if n != place])
    return max(0.0, float((own["figure"].to_numpy(np.float64) - rest.max(0)).max()))


def _of(null: pd.DataFrame, column: str, keys: "pd.Series[str]") -> Floats:
    """A null's figures of some things; 0 for what it has no row of."""
    own = null.drop_duplicates("key").set_index("key")[column]
    found: Floats = own.reindex(keys).fillna(0.0).to_numpy(np.float64)
    return found
