"""What each pair of answers shows of every behaviour, a row a pair: examples and the prompts that changed most.

Promises the numbers of the behaviours' table, and that what is chosen as an example is of a discovery prompt. The
most changed is what differs most in words: it says nothing of better or worse.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from diffing.common.arrays import Array, Bools, Floats
from diffing.diff import plain
from diffing.diff.pairing import Pairing
from diffing.diff.plain import Marks

EFFORT = "effort"
"""Begins the columns that say what it takes to see a behaviour; diffs made before have none."""
ALIKE = 0.1
"""Leads of amounts and of places that a reader cannot tell apart: a tenth of the length."""
SIZED = 0.4
"""Logarithm within which amounts look alike: half as much again."""
CLEAR = 3
"""From so many times that one side shows a thing more than the other all pairs count as alike: more are no
clearer, and are found in the longest answers. Chosen by eye."""


class Row(NamedTuple):
    """A pair of answers."""

    prompt_id: str
    draw: int


def table(
    values: Floats, marks: Sequence[Marks | None], pairs: Pairing, draws: Array, texts: Sequence[str]
) -> pd.DataFrame:
    """The pairs with what both sides show; `pairs` number documents as `values`, `marks`, `draws` and `texts` do.

    Columns a1, b1, a2, … by behaviour; `changed` is the share of both answers' words that the other has not, and
    effort1, effort2, … what it takes to see each in the pair (`plain`).
    """
    prompts = pairs.prompts.iloc[pairs.row]
    columns: dict[str, Any] = {
        "prompt_id": prompts["id"].to_numpy(),
        "draw": draws[pairs.a],
        "split": prompts["split"].to_numpy(),
        "category": prompts["category"].to_numpy(),
        "changed": _changed(texts, pairs.a, pairs.b),
    }
    effort = plain.effort(plain.Texts(texts), marks, (pairs.a, pairs.b), np.array(columns["changed"]))
    for number in range(values.shape[1]):
        for side, documents in (("a", pairs.a), ("b", pairs.b)):
            columns[f"{side}{number + 1}"] = values[documents, number].astype(np.float32)
        columns[f"{EFFORT}{number + 1}"] = effort[:, number].astype(np.float32)
    return pd.DataFrame(columns)


def _changed(texts: Sequence[str], a: Array, b: Array) -> Floats:
    """Of each pair of texts the share of their words that the other has not, each as often as it stands there."""
    words = [text.split() for text in texts]
    lengths = np.array([len(each) for each in words], np.int64)
    # One number for each word and one row for each text: the pairs are then compared all at once.
    number, names = pd.factorize(np.array(list(chain.from_iterable(words)), object))
    text = np.repeat(np.arange(len(texts)), lengths)
    shape = (len(texts), max(len(names), 1))
    table = sparse.csr_array((np.ones(len(number), np.int32), (text, number)), shape=shape)
    shared = np.asarray(table[a].minimum(table[b]).sum(axis=1)).ravel()
    total = lengths[a] + lengths[b]
    return np.asarray(np.where(total > 0, 1 - 2 * shared / np.maximum(total, 1), 0.0))


def lead(rows: pd.DataFrame, number: int, kind: str) -> Floats:
    """By how much each pair's B shows a behaviour more than its A; 0 where neither does or one cannot say."""
    a, b = (rows[f"{side}{number}"].to_numpy(np.float64) for side in "ab")
    if kind == "amount":
        return np.asarray(np.log(np.maximum(b, 1) / np.maximum(a, 1)))
    return np.asarray(np.nan_to_num(b - a))


class Pairs:
    """The pairs of discovery prompts, shorter answers first, ready to be asked for many behaviours."""

    def __init__(self, rows: pd.DataFrame) -> None:
        rows = rows[rows["split"] == "discovery"]
        # Of equals the shorter answers: there is less to read before the thing itself.
        order = np.lexsort((rows["draw"], rows["prompt_id"], rows["a1"] + rows["b1"]))
        self._rows = rows.iloc[order]
        self._pairs = [
            Row(str(prompt), int(draw))
            for prompt, draw in zip(self._rows["prompt_id"], self._rows["draw"], strict=True)
        ]

    def examples(self, behaviour: Mapping[str, Any], against: bool = False) -> list[Row]:
        """Those that show a behaviour's difference, or the contrary, each prompt once; the clearest first.

        Of an amount the first are those where it and its difference are about what they usually are; of equals
        those that take least to see.
        """
        kind, sign = str(behaviour["kind"]), 1 if behaviour["side"] == "b" else -1
        number = int(behaviour["behaviour"])
        leads = sign * lead(self._rows, number, kind) * (-1 if against else 1)
        wanted = leads > 0
        if behaviour.get("category"):
            wanted &= (self._rows["category"] == behaviour["category"]).to_numpy()
        if kind == "amount":
            away = self._unusual(number, leads, wanted) if wanted.any() else leads
        elif kind == "place":
            away = -(leads // ALIKE)
        else:
            less = np.minimum(*(self._rows[f"{side}{number}"].to_numpy() for side in "ab"))
            # Where the other side has none of it a reader sees it at once.
            away = np.minimum(less, CLEAR) * CLEAR - np.minimum(leads, CLEAR)
        chosen = np.flatnonzero(wanted)
        effort = self._rows.get(f"{EFFORT}{number}", pd.Series(0.0, self._rows.index)).to_numpy()
        order = np.lexsort((effort[chosen], away[chosen]))
        first: dict[str, Row] = {}
        for place in chosen[order].tolist():
            first.setdefault(self._pairs[place].prompt_id, self._pairs[place])
        return list(first.values())

    def _unusual(self, number: int, leads: Floats, wanted: Bools) -> Floats:
        """How far each pair's difference in an amount, and either side's amount, are from the ordinary."""
        amounts = [np.log(np.maximum(self._rows[f"{side}{number}"].to_numpy(np.float64), 1)) for side in "ab"]
        sizes = np.maximum(*(np.abs(amount - np.median(amount[wanted])) for amount in amounts))
        return np.asarray(np.abs(leads - np.median(leads[wanted])) // ALIKE + sizes // SIZED)


def most_changed(rows: pd.DataFrame, numbers: Sequence[int]) -> pd.DataFrame:
    """All pairs, those first that differ in most of these behaviours (`differ`), then in most words."""
    shows = [alone(rows, number) != 0 for number in numbers]
    rows = rows.loc[:, ~rows.columns.str.startswith(EFFORT)]
    rows = rows.assign(differ=np.sum(shows, axis=0) if shows else 0)
    order = np.lexsort((rows["draw"], rows["prompt_id"], -rows["changed"], -rows["differ"]))
    return rows.iloc[order].reset_index(drop=True)


def alone(rows: pd.DataFrame, number: int) -> Floats:
    """Of each pair 1 where B alone shows a behaviour, -1 where A alone does, else 0."""
    return np.asarray((rows[f"b{number}"] > 0).astype(float) - (rows[f"a{number}"] > 0).astype(float))


def by_category(rows: pd.DataFrame, behaviours: pd.DataFrame) -> pd.DataFrame:
    """Category × behaviour: the difference in shares of prompts, in a column for each; `prompts` says of how many.

    Of amounts the difference of logarithms, of places that of places. All prompts count.
    """
    out: dict[str, Any] = {}
    for row in behaviours.itertuples():
        number, kind = int(row.behaviour), str(row.kind)
        out[str(number)] = alone(rows, number) if kind in ("habit", "content") else lead(rows, number, kind)
    frame = pd.DataFrame(out, index=rows.index).assign(category=rows["category"], prompt_id=rows["prompt_id"])
    by_prompt = frame.groupby(["category", "prompt_id"], sort=True).mean()
    grouped = by_prompt.groupby("category", sort=True)
    return grouped.mean().assign(prompts=grouped.size()).reset_index()
