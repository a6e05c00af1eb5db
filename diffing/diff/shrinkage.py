"""Differences drawn towards 0 by what all of them together say, and the chance that a sign is wrong.

Adaptive shrinkage after Stephens (2017). True differences are taken to come from one distribution that has its
peak at 0: a point mass there and uniform pieces that begin at 0, up and down apart, since longer answers show more
of nearly everything. How much each piece weighs is fitted to the differences and their standard errors; a
difference is then what it can be expected to be, given all others; where these nearly all point one way, a small
one that points the other way may be drawn across 0. Treats features as independent, which they are not: the fit
suffers little, as it is an average, but it is no test and enters no q. Uses nothing random.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls
from scipy.special import ndtr, ndtri

from diffing.common.arrays import Array, Floats, Ints

STEP = 2**0.5
"""Each uniform piece is so many times as wide as the one before: Stephens's own grid, finer than data can tell."""
SURELY_NONE = 10.0
"""Features without a difference that the fit is told beforehand, Stephens's own choice: where data cannot tell a
small difference from none, they speak for none."""
ROUNDS = 60
"""Steps of the fit: it took 4 to 8 on everything tried, so this only keeps a loop from having no end."""
NEAR = 1e-9
"""Gain of the log likelihood of a feature below which the fit is done: far less than any figure shows."""
FITTED = 20_000
"""Kinds of differences that the pieces are fitted to; of more, so many stand for all. At one draw there are fewer:
65,536 simulated features at 400 prompts came in 6,300."""
CHUNK = 8_192
"""Rows worked on at once: times some forty pieces, a few megabytes."""


class Prior(NamedTuple):
    """How large true differences are: pieces from `low` to `high`, the first of them the point 0."""

    low: Floats
    high: Floats
    weight: Floats


def columns(table: pd.DataFrame) -> dict[str, Any]:
    """`delta_shrunk` and `lfsr` of the testable rows of a table; NaN elsewhere."""
    shrunk, wrong = np.full(len(table), np.nan), np.full(len(table), np.nan)
    tested = np.flatnonzero(table["testable"])
    if len(tested):
        rows = table.iloc[tested]
        # Equal rows have equal answers, and with one draw there are few kinds. Complex numbers are sorted by both
        # their parts, thirty times as fast as rows are.
        pairs = rows["delta"].to_numpy() + 1j * standard_error(rows)
        kinds, place, times = np.unique(pairs, return_inverse=True, return_counts=True)
        delta, error = kinds.real, kinds.imag
        mean, sign = posterior(fitted(delta, error, times), delta, error)
        shrunk[tested], wrong[tested] = mean[place], sign[place]
    return {"delta_shrunk": shrunk, "lfsr": wrong}


def standard_error(table: pd.DataFrame) -> Floats:
    """Of `delta`, from the end of its 95 % interval that looks at 0: the other one may be cut at 1."""
    n, delta = table["n_prompts"].to_numpy(), table["delta"].to_numpy()
    # Both kinds of interval add a prompt each way first, and so lie around this.
    centre = delta * n / (n + 2)
    near = np.where(delta >= 0, table["ci_low"], table["ci_high"])
    error: Floats = np.abs(centre - near) / ndtri(0.975)
    return error


def fitted(delta: Floats, error: Floats, times: Ints) -> Prior:
    """The pieces, and the weights of largest penalised likelihood.

    Pairs of difference and error ascend; `times` says how often each occurs.
    """
    if len(delta) > FITTED:
        # Evenly through all sizes, in whose order they come, so that no random choice is needed.
        behind = np.cumsum(times)
        chosen = np.searchsorted(behind, (np.arange(FITTED) + 0.5) * behind[-1] / FITTED, side="right")
        chosen, times = np.unique(chosen, return_counts=True)
        delta, error = delta[chosen], error[chosen]
    # Half a standard error cannot be told from nothing; no difference is larger than 1, nor any true one likely to
    # be twice the largest seen.
    least, most = error.min() / 2, min(1.0, 2 * max(float(np.abs(delta).max()), float(error.min())))
    number = max(1, int(np.ceil(np.log(most / least) / np.log(STEP))) + 1)
    width = np.minimum(least * STEP ** np.arange(number), most)
    none = np.zeros(1 + number)
    prior = Prior(
        low=np.concatenate([none, -width]),
        high=np.concatenate([[0.0], width, none[1:]]),
        weight=np.full(1 + 2 * number, 1 / (1 + 2 * number)),
    )
    return prior._replace(weight=_weights(likelihood(prior, delta, error), times))


def _weights(likely: Floats, times: Array) -> Floats:
    """The weights under which the differences are likeliest, by quadratic steps (Kim et al. 2020).

    Steps of expectation and maximisation need tens of thousands here, as narrow pieces are nearly alike.
    """
    # What was told beforehand is as good as so many differences that only the point 0 explains.
    none = np.zeros((1, likely.shape[1]))
    none[0, 0] = 1.0
    rows = np.vstack([likely / likely.max(axis=1, keepdims=True), none])
    number = np.concatenate([times, [SURELY_NONE - 1]]).astype(np.float64)
    total = number.sum()
    weight = np.full(likely.shape[1], 1 / likely.shape[1])

    def loss(weight: Floats) -> float:
        # The last term takes the place of "they add up to 1": at the least loss they do.
        return float(total * weight.sum() - number @ np.log(np.maximum(rows @ weight, 1e-300)))

    before = loss(weight)
    for _ in range(ROUNDS):
        # A step of expectation and maximisation first: a short one, that never fails.
        weight = weight * ((number / (rows @ weight)) @ rows) / total
        now = loss(weight)
        scaled = rows * (np.sqrt(number) / np.maximum(rows @ weight, 1e-300))[:, None]
        curve = scaled.T @ scaled
        # A little more on the diagonal, since pieces that are nearly alike have no root; it holds the weights
        # where they are and moves no optimum.
        hold = 1e-10 * np.trace(curve)
        slope = total - 2 * np.sqrt(number) @ scaled - hold * weight
        root = cholesky(curve + hold * np.eye(len(weight)))
        target, _ = nnls(root, -solve_triangular(root, slope, trans=1))
        step = 1.0
        while (after := loss(weight + step * (target - weight))) > now and step > 1e-9:
            step /= 2
        # Not quite to a border, from which the short steps could not come back.
        weight = np.maximum(weight + step * (target - weight), 1e-3 * step * weight)
        if before - after <= NEAR * total:
            break
        before = after
    return np.asarray(weight / weight.sum())


def likelihood(prior: Prior, delta: Floats, error: Floats) -> Floats:
    """Rows × pieces: how likely each difference is if the true one lies in each piece."""
    low, high = _standard(prior, delta, error)
    out = _mass(low, high)
    out[:, 1:] /= (prior.high - prior.low)[1:]
    out[:, 0] = np.exp(-(low[:, 0] ** 2) / 2) / (error * np.sqrt(2 * np.pi))
    return out


def posterior(prior: Prior, delta: Floats, error: Floats) -> tuple[Floats, Floats]:
    """Each difference's expected true value, and the chance that it is 0 or of the other sign."""
    mean, wrong = np.empty(len(delta)), np.empty(len(delta))
    for start in range(0, len(delta), CHUNK):
        part = slice(start, start + CHUNK)
        share = likelihood(prior, delta[part], error[part]) * prior.weight
        share /= share.sum(axis=1, keepdims=True)
        mean[part] = (share * _centre(prior, delta[part], error[part])).sum(axis=1)
        up, down = (share[:, side].sum(axis=1) for side in (prior.high > 0, prior.low < 0))
        wrong[part] = share[:, 0] + np.minimum(up, down)
    return mean, wrong


def _centre(prior: Prior, delta: Floats, error: Floats) -> Floats:
    """Rows × pieces: the mean of a normal about the difference, cut to the piece."""
    low, high = _standard(prior, delta, error)
    mass = _mass(low, high)
    # φ(low) - φ(high), written so that it keeps its digits where both are nearly the same.
    first, second = low**2 / 2, high**2 / 2
    larger = np.exp(-np.minimum(first, second)) * -np.expm1(-np.abs(first - second)) / np.sqrt(2 * np.pi)
    lean = np.sign(second - first) * larger
    # So far out that no mass is left, the piece has no weight either; any value inside it will do.
    lean = np.divide(lean, mass, out=np.zeros_like(mass), where=mass > 0)
    centre: Floats = np.clip(delta[:, None] + error[:, None] * lean, prior.low, prior.high)
    return centre


def _standard(prior: Prior, delta: Floats, error: Floats) -> tuple[Floats, Floats]:
    """Rows × pieces: both ends in standard errors from the difference."""
    return (prior.low - delta[:, None]) / error[:, None], (prior.high - delta[:, None]) / error[:, None]


def _mass(low: Floats, high: Floats) -> Floats:
    """Of the standard normal between two bounds, taken from the lower tail, which keeps its digits."""
    turned = low > 0
    mass: Floats = ndtr(np.where(turned, -low, high)) - ndtr(np.where(turned, -high, low))
    return mass
