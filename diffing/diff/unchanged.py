"""What did not change, and what cannot be told: of every probe that is not said to differ.

Promises that "no change" is said only where an interval lies inside its margin.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from diffing.common.words import share
from diffing.diff import measure
from diffing.diff.stored import Diff


class Still(NamedTuple):
    """Something that was looked for and is not said to have changed."""

    probe: str
    verdict: str
    """`no change`, `cannot tell` or `too rare to tell`."""
    figures: str
    """Both sides'; means of what is counted."""
    low: float
    """The 90 % interval's ends: within the margin of what did not change. Of amounts as shares of the mean."""
    high: float
    amount: bool
    prompts: float
    """About how many prompts it would take to tell; NaN where it is told, or where there is no interval."""

    def needed(self, asked: int) -> int | None:
        """The same to ten, for a reader; None where so many more are needed that nobody will ask them."""
        return measure.to_ask(self.prompts, asked)


def still(stored: Diff) -> list[Still]:
    """What did not change, and what cannot be told, in the probes' order."""
    found = []
    for row in stored.probes.to_dict("records"):
        if row["verdict"] == "differs":
            continue
        amount = row["judged_by"] == "amount"
        low, high, margin = _interval(row, amount)
        a, b = (row["mean_a"], row["mean_b"]) if amount else (row["frequency_a"], row["frequency_b"])
        figures = f"{a:,.1f} → {b:,.1f}" if amount else f"{share(a)} → {share(b)}"
        told = row["verdict"] == "no change"
        prompts = np.nan if told else row["n_prompts"] * measure.times(low, high, margin)
        found.append(Still(row["probe"], row["verdict"], figures, low, high, amount, float(prompts)))
    return found


def _interval(row: Mapping[str, Any], amount: bool) -> tuple[float, float, float]:
    """The 90 % interval, from the 95 % one that is stored, and the margin that it must lie within."""
    low, high = (row["change_low"], row["change_high"]) if amount else (row["ci_low"], row["ci_high"])
    middle, half = (low + high) / 2, (high - low) / 2 * NARROWER
    if amount:
        return middle - half, middle + half, measure.OF_AMOUNT
    base = (row["frequency_a"] + row["frequency_b"]) / 2
    return middle - half, middle + half, float(measure.margin(base))


NARROWER = 1.645 / 1.960
"""Of a 95 % interval's width, that of the 90 % one which a verdict was made from."""
