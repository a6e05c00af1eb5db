"""Utilities from pairwise choices: Bradley–Terry or Thurstone with a ridge, order effects and reliability.

A choice is between two tasks, one shown first; how often the first is taken for being first is fitted beside the
utilities, where the choices say which was shown first. Promises the maximum of the penalised likelihood, 95 %
intervals by its curvature, and utilities whose mean is nought. An interval says how sure a utility is given that
the choices are independent, each pair's two orders among them.
"""

from typing import Literal, NamedTuple

import numpy as np
from scipy.special import expit, ndtr

from diffing.common.arrays import Floats, Ints
from diffing.common.errors import UserError

Link = Literal["bradley-terry", "thurstone"]
HALVES = 10
"""Splits of the pairs into two halves, over which reliability is averaged."""
CLOSE = 1e-9
"""Largest step of any utility at which the fit has arrived."""
STEPS = 100
Z = 1.959963984540054
"""Standard errors on either side of a 95 % interval."""


class Choices(NamedTuple):
    """One model's choices; a row a question."""

    first: Ints
    """Number of the task that was shown first, or on the left where nobody knows the order."""
    second: Ints
    took: Floats
    """1 where the first was taken, 0 where the second was; between them, by how likely the first was."""
    ordered: bool
    """Whether `first` was shown first."""

    def some(self, rows: Ints) -> "Choices":
        return Choices(self.first[rows], self.second[rows], self.took[rows], self.ordered)


class Fitted(NamedTuple):
    """Utilities of one model."""

    utility: Floats
    error: Floats
    """Standard errors."""
    order: float
    """What being shown first adds, in units of utility; NaN where the order is not known."""
    order_error: float

    @property
    def low(self) -> Floats:
        return self.utility - Z * self.error

    @property
    def high(self) -> Floats:
        return self.utility + Z * self.error


def fit(choices: Choices, tasks: int, ridge: float, link: Link = "bradley-terry") -> Fitted:
    """The utilities that make the choices likeliest, each pulled to nought by the ridge."""
    parameters = tasks + choices.ordered
    rows = np.arange(len(choices.took))
    penalty = np.full(parameters, ridge)
    # The order effect is not pulled to nought.
    penalty[tasks:] = 0.0
    at = np.zeros(parameters)
    for _ in range(STEPS):
        gap = at[choices.first] - at[choices.second] + (at[tasks] if choices.ordered else 0.0)
        slope, weight = _slope(gap, choices.took, link)
        gradient = np.bincount(choices.first, slope, parameters) - np.bincount(choices.second, slope, parameters)
        information = np.zeros((parameters, parameters))
        np.add.at(information, (choices.first, choices.first), weight)
        np.add.at(information, (choices.second, choices.second), weight)
        np.add.at(information, (choices.first, choices.second), -weight)
        np.add.at(information, (choices.second, choices.first), -weight)
        if choices.ordered:
            gradient[tasks] = slope.sum()
            for side, sign in ((choices.first, 1.0), (choices.second, -1.0)):
                sums = sign * np.bincount(side, weight, parameters)[:tasks]
                information[tasks, :tasks] += sums
                information[:tasks, tasks] += sums
            # All choices of one order may be alike: then only so far as a step of the fit is sensible.
            information[tasks, tasks] = weight.sum() + 1e-9
        information[np.arange(parameters), np.arange(parameters)] += penalty
        step = np.linalg.solve(information, gradient - penalty * at)
        # A step of several units would leap over the maximum where nearly all choices agree.
        at += step * min(1.0, 3.0 / max(np.abs(step).max(initial=0.0), 1e-300))
        if np.abs(step).max(initial=0.0) < CLOSE:
            break
    else:
        raise UserError(f"The {len(rows):,} choices do not settle on utilities; raise preferences.ridge.")
    spread = np.linalg.inv(information)
    # Choices say nothing of what all utilities have in common, which is taken out of them and so of their errors.
    centred = np.eye(parameters)
    centred[:tasks, :tasks] -= 1 / tasks
    error = np.sqrt(np.diag(centred @ spread @ centred))
    known = choices.ordered
    order, order_error = (float(at[tasks]), float(error[tasks])) if known else (np.nan, np.nan)
    return Fitted(at[:tasks] - at[:tasks].mean(), error[:tasks], order, order_error)


def _slope(gap: Floats, took: Floats, link: Link) -> tuple[Floats, Floats]:
    """Of each choice the log-likelihood's slope in the gap, and its expected curvature."""
    if link == "bradley-terry":
        chance = expit(gap)
        return took - chance, chance * (1 - chance)
    chance, density = ndtr(gap).clip(1e-12, 1 - 1e-12), np.exp(-(gap**2) / 2) / np.sqrt(2 * np.pi)
    spread = chance * (1 - chance)
    return density * (took - chance) / spread, density**2 / spread


class Order(NamedTuple):
    """What being shown first does to a model's choices."""

    first: float
    """Share of choices that took the first; NaN where the order is not known."""
    agree: float
    """Of pairs that were asked in both orders, the share in which the same task was taken; NaN where none was."""


def order(choices: Choices) -> Order:
    if not choices.ordered:
        return Order(np.nan, np.nan)
    took = choices.took > 0.5
    there = dict(zip(zip(choices.first.tolist(), choices.second.tolist(), strict=True), took, strict=True))
    # The other order's first is this one's second.
    both = [there[a, b] != there[b, a] for a, b in there if a < b and (b, a) in there]
    return Order(float(took.mean()), float(np.mean(both)) if both else np.nan)


def reliability(several: "list[Choices]", tasks: int, ridge: float, link: Link, seed: int) -> list[float]:
    """How far two halves of the pairs agree on each model's utilities, and on the difference of two models'.

    Spearman and Brown's correlation for the whole from that of halves. Pairs are split whole, both orders
    together. The last is of the difference, where there are two models.
    """
    random = np.random.default_rng(seed)
    found = []
    for _ in range(HALVES):
        halves = []
        for choices in several:
            low, high = np.minimum(choices.first, choices.second), np.maximum(choices.first, choices.second)
            _, pair = np.unique(low * tasks + high, return_inverse=True)
            side = random.permutation(int(pair.max()) + 1) % 2
            parts = [np.flatnonzero(side[pair] == half) for half in (0, 1)]
            halves.append([fit(choices.some(rows), tasks, ridge, link).utility for rows in parts])
        if len(halves) == 2:
            halves.append([b - a for a, b in zip(*halves, strict=True)])
        found.append([_whole(*both) for both in halves])
    return [float(value) for value in np.mean(found, 0)]


def _whole(one: Floats, other: Floats) -> float:
    if one.std() < 1e-12 or other.std() < 1e-12:
        return 0.0
    half = float(np.corrcoef(one, other)[0, 1])
    # Halves that disagree have nothing in common, and no less.
    return max(0.0, 2 * half / (1 + half)) if half > -1 else 0.0
