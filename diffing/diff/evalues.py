"""Evidence that may be looked at as often as one likes: e-values of presence, and intervals that hold at any time.

A p-value is honest at one look. An e-value is what a fair bet against "the sides can be exchanged" has come to
after the prompts so far: its mean is at most 1 whenever one stops and however one chose when, so that 20 or more
comes up once in 20 such studies, looked at after each prompt (Ville 1939; Ramdas et al. 2023). Promises validity
for any number of looks and any number of draws, in whatever order prompts were chosen before their answers were
seen. Costs power: at a single look the exact test finds more.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import betaln, logsumexp

from diffing.common.arrays import Bools, Floats, Ints

LEVEL = 0.05
"""Share of false ones among what is called certain, as everywhere."""
LARGEST = 1e300
"""No e-value is infinite, so that it can be shown on a log scale."""
SIZES, WEIGHTS = np.polynomial.legendre.leggauss(128)
BETS, STAKES = (SIZES + 1) / 2, WEIGHTS / 2
"""Shares of the capital that are bet, between 0 and 1, and how much of it is put on each.

The points of Gauss and Legendre, so that they come to what a uniform stake on all of them would; any such list is
a fair bet, so nothing of the validity hangs on their number. 128 lie closer than the likely bets of 10,000
prompts.
"""
HALVINGS = 50
"""Of the range that holds an end of an interval: more than float64 can tell apart."""


def presence(more_a: Ints, more_b: Ints) -> Floats:
    """The e-value of each pair of numbers of prompts on which a side leads: 2^(a+b) a! b! / (a+b+1)!.

    The bet of Robbins (1970): on the sign of each prompt's difference, in all proportions alike.
    """
    a, b = np.asarray(more_a, dtype=np.float64), np.asarray(more_b, dtype=np.float64)
    value: Floats = np.exp(np.minimum((a + b) * np.log(2) + betaln(a + 1, b + 1), np.log(LARGEST)))
    return value


def certain(e_values: Floats, hypotheses: int, level: float = LEVEL) -> Bools:
    """Which are called by e-BH (Wang and Ramdas 2022): the false share is at most `level`, whatever hangs
    together.

    `hypotheses` is fixed before the first answer: those that were never seen count too.
    """
    descending = np.sort(e_values)[::-1]
    enough = descending * np.arange(1, len(descending) + 1) >= hypotheses / level
    called = int(np.flatnonzero(enough)[-1]) + 1 if enough.any() else 0
    bar = hypotheses / (level * called) if called else np.inf
    return np.asarray(e_values >= bar)


def columns(table: pd.DataFrame) -> dict[str, Any]:
    """`e_value` and `certain` of a diff's table; its rows are all hypotheses that there are."""
    e_values = presence(table["discordant_a"].to_numpy(), table["discordant_b"].to_numpy())
    return {"e_value": e_values, "certain": certain(e_values, len(table))}


def sequence(values: Floats, counts: Ints, low: float, high: float, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Interval of a mean between `low` and `high` that holds at every look at once, with chance 1 - `level`.

    Row f of `counts` says how many prompts had each of the `values`. It holds the means against which no bet has
    made 2/`level` of its stake; the bets are those of `presence`, which asks of the mean 0. By counts alone, so in
    whatever order the prompts came.
    """
    lower = bound(values, counts, low, level / 2)
    upper = -bound(-values, counts, -high, level / 2)
    return lower, upper


def bound(values: Floats, counts: Ints, low: float, level: float) -> Floats:
    """The lower end alone. A mean below it is one against which a bet on "more" has made 1/`level` of its
    stake."""
    number = np.asarray(counts, dtype=np.float64)
    rows = len(number)
    under, over = np.full(rows, low), np.full(rows, float(values.max(initial=low)))
    for _ in range(HALVINGS):
        middle = (under + over) / 2
        # The larger the mean, the less such a bet has made: halving finds the end. Where the range has shrunk to
        # nothing beside `low` nothing was ever seen above it.
        room = np.maximum(middle - low, 1e-12)
        gain = (values - middle[:, None]) / room[:, None]
        capital = np.empty((rows, len(BETS)))
        for place, bet in enumerate(BETS):
            # Never below what the worst value leaves, though rounding may say so.
            left = np.maximum(1 + bet * gain, 1 - bet)
            capital[:, place] = (number * np.log(left)).sum(axis=1)
        refused = logsumexp(capital, b=STAKES, axis=1) >= -np.log(level)
        under, over = np.where(refused, middle, under), np.where(refused, over, middle)
    # The outer end, so that rounding cuts nothing off.
    return under
