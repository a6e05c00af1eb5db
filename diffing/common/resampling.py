"""How far a figure may be off by chance where what was measured comes in blocks: texts, samples, matrices.

Rows of one block are not independent, so a block is drawn anew whole (`drawn`) or left out whole (`reach`).
Promises that equal numbers and an equal seed give equal ends. Does not promise 95 % where there are few blocks:
draws of three texts hold no more than three texts say.
"""

import numpy as np
from scipy.special import stdtrit

from diffing.common.arrays import Floats

ENDS = (0.025, 0.975)
"""What lies between them are 95 %."""


def draws(count: int, resamples: int, seed: int) -> Floats:
    """How often each of so many blocks is drawn, draw by draw: [resamples, count]."""
    even = np.full(count, 1 / max(1, count))
    times: Floats = np.random.default_rng(seed).multinomial(count, even, resamples).astype(np.float64)
    return times


def within(values: Floats) -> tuple[Floats, Floats]:
    """95 % of what draws gave, along the first axis."""
    low, high = np.quantile(values, ENDS, axis=0)
    return low, high


def drawn(sums: Floats, sizes: Floats, resamples: int, seed: int) -> tuple[Floats, Floats]:
    """95 % of sums over sizes, by drawing blocks anew: sums are [blocks, things], or of one thing [blocks].

    Without a block nothing is known, and both ends are NaN.
    """
    if not len(sums):
        nothing = np.full(sums.shape[1:], np.nan)
        return nothing, nothing
    times = draws(len(sums), resamples, seed)
    counts = times @ sizes
    return within(times @ sums / counts.reshape(-1, *[1] * (sums.ndim - 1)))


def reach(without: Floats) -> Floats:
    """Half of the 95 % interval by the jackknife, from estimates that leave out each block once: [blocks, …].

    By Student's t, as few blocks know their own spread poorly; of fewer than two nothing is known: it has no end.
    """
    count = len(without)
    if count < 2:
        return np.full(without.shape[1:], np.inf)
    spread = np.sqrt((count - 1) / count * ((without - without.mean(0)) ** 2).sum(0))
    half: Floats = stdtrit(count - 1, ENDS[1]) * spread
    return half
