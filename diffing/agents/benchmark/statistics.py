"""Arms held against each other: exact tests paired by organism, intervals of organisms drawn anew, a model.

The unit is the organism: runs of one organism share what makes it easy or hard, so ten runs of one pair are no ten
pieces of evidence. Promises exact two-sided p-values (every way to turn the organisms' differences round is
counted), and no p where no organism tells two arms apart. The ordered model says more and assumes more: it stands
beside the tests, not in their place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffing.common import nulls

LISTED = 14
"""Organisms up to which all ways to turn their differences round are listed: 16,000, which takes a moment."""
SCALE = 1000
"""Beyond, differences are counted in thousandths, and how often each sum comes about is computed."""
NEAR = 1e-9
"""Sums of fractions that are equal on paper differ by less."""
ENDLESS = 10.0
"""Log odds beyond which the model has run away: 22,000 to 1 cannot be learned from as many runs as there are."""
DRAWS = 4000
"""Bootstrap draws: the ends of an interval are then known to about a hundredth of its width."""
LEVEL = 0.95

Values = Mapping[str, Sequence[float]]
"""An organism's figures, a run each."""


class Compared(NamedTuple):
    """Two arms, paired by organism."""

    organisms: int
    delta: float
    """Mean over organisms of the second arm's mean less the first's."""
    low: float
    high: float
    p: float
    """NaN where no organism has a difference."""


def compared(one: Values, other: Values, seed: int = 0) -> Compared:
    """The second arm less the first, over the organisms that both have."""
    shared = sorted(set(one) & set(other))
    if not shared:
        return Compared(0, np.nan, np.nan, np.nan, np.nan)
    deltas = np.array([np.mean(other[name]) - np.mean(one[name]) for name in shared])
    low, high = interval(
        [np.asarray(one[name]) for name in shared], [np.asarray(other[name]) for name in shared], seed
    )
    return Compared(len(shared), float(deltas.mean()), low, high, flipped(deltas))


def flipped(deltas: Sequence[float] | np.ndarray) -> float:
    """Exact two-sided p of a sum of differences when each could as well have been the other way round."""
    told = np.asarray(deltas, dtype=float)
    told = told[np.abs(told) > NEAR]
    if 0 < len(told) <= LISTED:
        signs = 1 - 2 * ((np.arange(2 ** len(told))[:, None] >> np.arange(len(told))) & 1)
        return float((np.abs(signs @ told) >= abs(told.sum()) - NEAR).mean())
    whole = np.rint(told * SCALE).astype(np.int64)
    sizes, counts = np.unique(np.abs(whole[whole != 0]), return_counts=True)
    if not len(sizes):
        return float("nan")
    # Common parts out: the fewer steps, the smaller the sum that is counted through.
    step = int(np.gcd.reduce(sizes))
    tail = nulls.coin_tail(sizes // step, counts[None, :], np.array([abs(int(whole.sum())) // step]))
    return float(tail[0])


def interval(
    one: Sequence[np.ndarray],
    other: Sequence[np.ndarray],
    seed: int = 0,
    draws: int = DRAWS,
    ends: tuple[float, float] = (-1.0, 1.0),
) -> tuple[float, float]:
    """Of the mean difference of shares: organisms drawn anew, then the runs of each.

    Two organisms are added, one at each of `ends`: few that agree would else get an interval of no width.
    """
    random = np.random.default_rng([seed, len(one)])
    # Each organism's mean under fresh runs, a row a draw.
    drawn = np.column_stack(
        [_means(b, random, draws) - _means(a, random, draws) for a, b in zip(one, other, strict=True)]
    )
    drawn = np.column_stack([drawn, *(np.full(draws, end) for end in ends)])
    places = random.integers(drawn.shape[1], size=(draws, drawn.shape[1]))
    means = np.take_along_axis(drawn, places, axis=1).mean(axis=1)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _means(values: np.ndarray, random: np.random.Generator, draws: int) -> np.ndarray:
    means: np.ndarray = random.choice(values, size=(draws, len(values))).mean(axis=1)
    return means


def mean(values: Values, seed: int = 0) -> tuple[float, float, float]:
    """The mean of shares over organisms, with its interval."""
    told = [np.asarray(each, dtype=float) for each in values.values()]
    if not told:
        return float("nan"), float("nan"), float("nan")
    low, high = interval([np.zeros(1)] * len(told), told, seed, ends=(0.0, 1.0))
    return float(np.mean([each.mean() for each in told])), low, high


def agreement(found: Mapping[str, Sequence[frozenset[str]]]) -> float:
    """How far runs of one organism find the same: the mean share of common items over pairs of runs.

    It needs no truth to be worth something: arms whose runs contradict each other cannot all be right.
    """
    shares = [
        len(one & other) / len(one | other) if one | other else 1.0
        for runs in found.values()
        for place, one in enumerate(runs)
        for other in runs[place + 1 :]
    ]
    return float(np.mean(shares)) if shares else float("nan")


@dataclass(frozen=True)
class Ordered:
    """An ordered logistic model of grades, with organisms as their own levels."""

    arms: dict[str, tuple[float, float, float]]
    """Each arm against the first: log odds of a higher grade, with the ends of its interval."""
    first: str
    why: str = ""
    """Why there is none."""


def ordered(grades: pd.DataFrame) -> Ordered:
    """Of `arm`, `organism` and whole `grade`, a row a run and item."""
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    arms = sorted(grades["arm"].unique())
    first = arms[0] if arms else ""
    if len(arms) < 2 or grades["grade"].nunique() < 2:
        return Ordered({}, first, "It takes two arms and two different grades.")
    columns = {f"arm {arm}": (grades["arm"] == arm).astype(float) for arm in arms[1:]}
    for name in sorted(grades["organism"].unique())[1:]:
        columns[f"organism {name}"] = (grades["organism"] == name).astype(float)
    table = pd.DataFrame(columns)
    try:
        fit = OrderedModel(grades["grade"].astype(int), table, distr="logit").fit(
            method="bfgs", disp=False, maxiter=500
        )
        ends = fit.conf_int(alpha=1 - LEVEL)
    except (ValueError, np.linalg.LinAlgError) as error:
        return Ordered({}, first, f"It has no solution ({type(error).__name__}).")
    if not fit.mle_retvals["converged"] or not (np.abs(fit.params.filter(like="arm ")) < ENDLESS).all():
        # As where one arm finds everything: its odds have no end.
        return Ordered({}, first, "It has no solution: an arm always or never finds what another does not.")
    told = {
        arm: (float(fit.params[f"arm {arm}"]), *(float(end) for end in ends.loc[f"arm {arm}"])) for arm in arms[1:]
    }
    return Ordered({arm: (each[0], each[1], each[2]) for arm, each in told.items()}, first)
