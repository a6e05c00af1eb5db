"""Exact tests, corrections and intervals for paired yes/no outcomes; `docs/method.md` gives the formulas.

Pure functions of numbers and arrays. Promises exact p-values, valid at any sample size. Does not know
studies, features or prompts.
"""

import math

import numpy as np
from scipy.stats import binom


def smallest_detectable(
    prompts: int, tests: int, discordance: float, alpha: float = 0.05, power: float = 0.8
) -> float:
    """The smallest difference in shares that the exact McNemar test finds with the given power.

    The level is `alpha / tests`. `discordance` is the share of prompts whose two sides differ by chance
    alone, in total, half of it each way; a true difference of delta adds delta to one way. `math.inf` where
    no difference, however large, would be found.
    """
    if prompts < 1 or tests < 1:
        return math.inf
    least = _least_significant(prompts, alpha / tests)
    largest = 1.0 - discordance
    if largest <= 0 or _mcnemar_power(prompts, discordance, largest, least) < power:
        return math.inf
    low, high = 0.0, largest
    while high - low > 1e-4:
        middle = (low + high) / 2
        if _mcnemar_power(prompts, discordance, middle, least) < power:
            low = middle
        else:
            high = middle
    return high


def _least_significant(prompts: int, level: float) -> np.ndarray:
    """For each number of discordant prompts, the smallest majority with a two-sided p of at most `level`."""
    discordant = np.arange(prompts + 1)
    # isf gives the smallest k with P(X > k) <= level / 2; a majority of k + 1 is then P(X >= k + 1).
    least = binom.isf(level / 2, discordant, 0.5) + 1
    return np.where(2 * 0.5 ** discordant.astype(float) <= level, np.minimum(least, discordant), np.inf)


def _mcnemar_power(prompts: int, discordance: float, delta: float, least: np.ndarray) -> float:
    """Chance of a significant exact McNemar test, over the binomial number of discordant prompts."""
    total = discordance + delta
    if total <= 0:
        return 0.0
    discordant = np.arange(prompts + 1)
    up = (discordance / 2 + delta) / total
    with np.errstate(invalid="ignore"):
        found = binom.sf(least - 1, discordant, up) + binom.cdf(discordant - least, discordant, up)
    return float(binom.pmf(discordant, prompts, total) @ np.where(np.isfinite(least), found, 0.0))
