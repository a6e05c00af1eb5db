"""Where a feature shows: the pairs of answers of two checkpoints, with its strongest activation on each side.

Orders pairs so that examples for a difference and against it are equally easy to reach. Promises that held-out
prompts stay out unless asked for, and that a pair excluded from the diff is not shown as one of its examples.
"""

from typing import Literal, get_args

import numpy as np
import pandas as pd

from diffing.diff import pairing
from diffing.reader.encodings import Encodings
from diffing.study import prompts
from diffing.study.study import Study

Order = Literal["most different", "strongest", "against the difference", "random"]
ORDERS: tuple[Order, ...] = get_args(Order)


def pairs(
    study: Study, encodings: Encodings, feature: int, a: str, b: str, held_out: bool = False
) -> pd.DataFrame:
    """A row for each pair: prompt_id, split, category, draw, document_a, document_b, peak_a, peak_b."""
    found = pairing.pair(study, encodings.documents, a, b)
    peaks = encodings.peaks(feature)
    table = found.prompts.iloc[found.row][["id", "split", "category"]].rename(columns={"id": "prompt_id"})
    table = table.assign(
        draw=encodings.documents["draw"].to_numpy()[found.a],
        document_a=found.a,
        document_b=found.b,
        peak_a=peaks[found.a],
        peak_b=peaks[found.b],
    ).reset_index(drop=True)
    return table if held_out else table[prompts.discovery(table)].reset_index(drop=True)


def ordered(table: pd.DataFrame, order: Order, delta: float, seed: int) -> pd.DataFrame:
    """The pairs in an order; those in which neither side shows the feature come last, or not at all."""
    table = table.assign(
        difference=table["peak_b"] - table["peak_a"], peak=table[["peak_a", "peak_b"]].max(axis=1)
    )
    if order == "random":
        return table.sample(frac=1, random_state=seed).reset_index(drop=True)
    table = table[table["peak"] > 0]
    if order == "against the difference":
        # What disagrees with the sign of the difference, the clearest first.
        against = -np.sign(delta or 1.0) * table["difference"]
        clear = table[against > 0].assign(against=against)
        return clear.sort_values("against", ascending=False, kind="stable", ignore_index=True)
    by = table["difference"].abs() if order == "most different" else table["peak"]
    return table.loc[by.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)
