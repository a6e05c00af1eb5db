"""In which order differences are shown: by how large each is at least.

The largest differences of many are those that chance made larger, and the most common features have room for the
largest of them. So what is shown first is not the largest difference but the one whose interval stays farthest
from 0: a rare thing that only one side does comes before a common one that both do. One order everywhere, here.
"""

import numpy as np
import pandas as pd
from scipy.special import ndtri

from diffing.common.arrays import Floats

WORDS = "ordered by the end of the 95 % interval that is nearer to 0"
"""The order, as tables, pages and reports name it."""


def at_least(table: pd.DataFrame, by: str = "delta") -> pd.Series:
    """The end of each difference's 95 % interval nearer to 0, with its sign; 0 where the interval holds 0.

    `by` names the difference: `delta`, one with a `p` of the same ending such as `delta_equal_length`, `rate` or
    `strength`.
    A difference without an interval of its own has the one that its p stands for: the difference ± 1.96 standard
    errors, where the difference itself is as many of them as a normal of that p would be.
    """
    if by == "delta" and {"ci_low", "ci_high"} <= {*table.columns}:
        least = _nearer(table["ci_low"], table["ci_high"])
        if "judged_by" in table:
            least = least.mask(table["judged_by"] == "amount", _of_amounts(table))
        return least
    return _difference(table, by) * np.maximum(1 - _spread(table, by), 0.0)


def interval(table: pd.DataFrame, by: str) -> tuple[pd.Series, pd.Series]:
    """Both ends of the interval that a difference's p stands for; without one where there is no difference."""
    delta, spread = _difference(table, by), pd.Series(_spread(table, by), index=table.index)
    half = (delta.abs() * spread).where(np.isfinite(spread))
    return delta - half, delta + half


def _difference(table: pd.DataFrame, by: str) -> pd.Series:
    if by in ("rate", "strength"):
        return table[f"{by}_b"] - table[f"{by}_a"]
    return table[by]


def _spread(table: pd.DataFrame, by: str) -> Floats:
    """Half of the interval that a difference's p stands for, as a share of the difference."""
    p = table[f"p_{by}" if by in ("rate", "strength") else by.replace("delta", "p")]
    # What was not tested is not sure of anything.
    errors = -ndtri(p.fillna(1.0).to_numpy(dtype=np.float64) / 2)
    spread: Floats = np.divide(ndtri(0.975), errors, out=np.full(len(errors), np.inf), where=errors > 0)
    return spread


def _of_amounts(table: pd.DataFrame) -> pd.Series:
    """The like of amounts: how much of the larger side's amount the smaller one lacks at least, from 0 to 1.

    Shares and amounts have no common measure; this one is alike up and down, and 1 where one side has nothing.
    """
    change = _nearer(table["change_low"], table["change_high"])
    return change.where(change < 0, change / (1 + change))


def _nearer(low: pd.Series, high: pd.Series) -> pd.Series:
    return low.clip(lower=0) + high.clip(upper=0)


def places(table: pd.DataFrame, by: str = "delta") -> "pd.Series[int]":
    """Each row's place in that order, from 0; what is as sure by the size of its difference, then as it stood."""
    size = _difference(table, by).abs()
    order = np.lexsort((-size.fillna(0.0).to_numpy(), -at_least(table, by).abs().fillna(0.0).to_numpy()))
    return pd.Series(np.argsort(order), index=table.index)


def ordered(table: pd.DataFrame, by: str = "delta") -> pd.DataFrame:
    """The rows in that order."""
    return table.iloc[np.argsort(places(table, by).to_numpy())]
