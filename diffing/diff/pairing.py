"""Which encoded answers of two checkpoints are compared with which, and why others are left out.

One pair is one (prompt, draw) with an answer on both sides. Promises that a pair is left out whole, with a
reason, and that a prompt whose pairs are all left out is no prompt of the diff. Reads tables; opens no encodings.
"""

import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from diffing.common.arrays import Array, Bools, Ints
from diffing.study import responses
from diffing.study.study import Study

FEW = 10
"""Prompts that a category needs to be compared with others: the mean of fewer says little. Chosen by eye."""
UNIT = 120
"""Largest whole number that stands for a difference of 1.

It fits a signed byte, and is divided by 1 to 6 and by 8: exact for any mixture of so many draws, and rounded for
others (`Pairing.units`).
"""
WHOLE = {
    "row": "row",
    "a": "doc_of_a",
    "b": "doc_of_b",
    "tokens_a": "tokens_of_a",
    "tokens_b": "tokens_of_b",
}
"""A pairing's numbers and the columns they come from; floats there, as pairs that are left out have gaps."""


@dataclass(frozen=True)
class Pairing:
    """Pairs of documents, ordered by prompt; prompts ordered by split and category."""

    prompts: pd.DataFrame
    """id, split, category, tags and group (the category, "" where it has few prompts) of what counts."""
    row: Ints
    """Which prompt each pair belongs to, ascending."""
    a: Ints
    """Document number of A's answer in each pair."""
    b: Ints
    tokens_a: Ints
    """Length of A's answer in each pair, in the reader's tokens."""
    tokens_b: Ints
    truncated: Bools
    """Pairs with an answer that was cut by its token limit."""
    identical: Bools
    """Pairs whose answers are the same text."""
    excluded: dict[str, int]
    """How many pairs were left out, by reason."""

    @cached_property
    def draws(self) -> Ints:
        """Pairs of each prompt."""
        return np.bincount(self.row, minlength=len(self.prompts)).astype(np.int64)

    @cached_property
    def cell(self) -> Ints:
        """The number of each prompt's (split, group), ascending: what is counted apart."""
        number = self.prompts.groupby(["split", "group"], sort=True).ngroup()
        return np.asarray(number, dtype=np.int64)

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Split, group and number of prompts of each cell."""
        return self.prompts.groupby(["split", "group"], sort=True).size().reset_index(name="prompts")

    @cached_property
    def slot(self) -> Ints:
        """The number of each pair within its prompt."""
        starts = np.concatenate([[0], np.cumsum(self.draws)[:-1]]).astype(np.int64)
        return np.arange(len(self.row), dtype=np.int64) - starts[self.row]

    @cached_property
    def documents(self) -> Ints:
        """The documents of both sides, ascending."""
        return np.unique(np.concatenate([self.a, self.b]))

    @cached_property
    def renumbered(self) -> "Pairing":
        """The pairs as scans and tokens know them: of these documents alone, numbered from 0."""
        a, b = (np.searchsorted(self.documents, side) for side in (self.a, self.b))
        return replace(self, a=a, b=b)

    @cached_property
    def unit(self) -> int:
        """The whole number that stands for a difference of 1, so that each prompt's difference is whole."""
        return min(UNIT, math.lcm(*np.unique(self.draws).tolist())) if len(self.draws) else 1

    @cached_property
    def sizes(self) -> Ints:
        """Every difference but 0 that a prompt can have, in units."""
        possible = {round(self.unit * k / r) for r in np.unique(self.draws).tolist() for k in range(1, r + 1)}
        # Without prompts there is still one size, so that tables of counts have a column.
        return np.array(sorted(possible or {1}), dtype=np.int64)

    def units(self, counts: Array, rows: Array | slice) -> Array:
        """Counts of draws (prompts down) as whole units; the rounding is the same on both sides."""
        draws = self.draws[rows]
        if len(draws) == 0 or np.all(draws == self.unit):
            return counts
        # float32: blocks are prompts × features, and six digits are enough to round to a whole number of 120.
        scaled = counts * (self.unit / draws.astype(np.float32))[:, None]
        return np.rint(scaled).astype(np.int16)

    def only(self, keep: Bools) -> "Pairing":
        """The same with some pairs only, and the prompts they leave."""
        rows, row = np.unique(self.row[keep], return_inverse=True)
        return Pairing(
            # Groups stay those of all prompts: the order in which prompts are counted hangs on them.
            prompts=self.prompts.iloc[rows].reset_index(drop=True),
            row=row.astype(np.int64),
            a=self.a[keep],
            b=self.b[keep],
            tokens_a=self.tokens_a[keep],
            tokens_b=self.tokens_b[keep],
            truncated=self.truncated[keep],
            identical=self.identical[keep],
            excluded=self.excluded,
        )


def pair(study: Study, documents: pd.DataFrame, a: str, b: str) -> Pairing:
    """Pairs of a study's encoded answers."""
    return from_table(table(study, documents, a, b), study.prompts())


def table(study: Study, documents: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """Every pair that there could be, with document numbers, lengths, and the reason where it is left out."""
    pairs = study.pairs(a, b)
    documents = documents.assign(document=np.arange(len(documents)))
    for side, key in (("a", a), ("b", b)):
        rows = documents.loc[documents["checkpoint"] == key, ["prompt_id", "draw", "document", "tokens", "error"]]
        rows = rows.rename(columns={"error": "reader", "document": "doc"})
        rows = rows.set_index(["prompt_id", "draw"]).add_suffix(f"_of_{side}")
        pairs = pairs.join(rows, on=["prompt_id", "draw"])
    pairs["excluded"] = [
        reason or _unread(row_a, row_b)
        for reason, row_a, row_b in zip(
            pairs["excluded"],
            zip(pairs["doc_of_a"], pairs["tokens_of_a"], pairs["reader_of_a"], strict=True),
            zip(pairs["doc_of_b"], pairs["tokens_of_b"], pairs["reader_of_b"], strict=True),
            strict=True,
        )
    ]
    return pairs


def _grouped(prompts: pd.DataFrame) -> pd.DataFrame:
    """Prompts with their group, in the order that blocks are counted in."""
    size = prompts.groupby("category")["id"].transform("size")
    group = prompts["category"].where(size >= FEW, "")
    # By split and group, as blocks lie inside one cell of both; by id, so that the order is the same on every run.
    return prompts.assign(group=group).sort_values(["split", "group", "id"], kind="stable", ignore_index=True)


def _unread(*sides: tuple[float, float, Any]) -> str:
    """Why the reader has nothing on a pair that has an answer on both sides; empty where it has."""
    reasons = []
    for side, (document, tokens, error) in zip("AB", sides, strict=True):
        if math.isnan(document):
            reasons.append(f"{side} not encoded")
        elif error:
            reasons.append(f"{side} unreadable")
        elif not tokens:
            reasons.append(f"{side} has no tokens")
    return "; ".join(reasons)


def from_table(pairs: pd.DataFrame, prompts: pd.DataFrame) -> Pairing:
    """A pairing from rows of prompt, draw, document numbers, lengths and reasons for exclusion."""
    good = responses.kept(pairs)
    known = prompts[prompts["id"].isin(good["prompt_id"])][["id", "split", "category", "tags"]]
    known = _grouped(known)
    place = pd.Series(np.arange(len(known)), index=known["id"])
    good = good.assign(row=good["prompt_id"].map(place)).sort_values(["row", "draw"], kind="stable")
    whole = {name: good[column].to_numpy(dtype=np.int64) for name, column in WHOLE.items()}
    cut = (good["flag_a"] == "truncated") | (good["flag_b"] == "truncated")
    # Without texts no pair is known to be the same one twice.
    same = good["text_a"] == good["text_b"] if "text_a" in good else cut & False
    reasons = Counter(reason for reason in pairs["excluded"] if reason)
    marks = {"truncated": cut.to_numpy(dtype=bool), "identical": same.to_numpy(dtype=bool)}
    return Pairing(known, excluded=dict(sorted(reasons.items())), **marks, **whole)
