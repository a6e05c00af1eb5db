"""Tests, corrections, intervals and power for paired shares; `docs/method.md` gives the formulas.

Pure functions of numbers and arrays, vectorised over features. Promises exact p-values, valid at any sample
size. Does not know studies or prompts; the null distributions themselves are in `diffing.common.nulls`.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, bdtrc, gammaln, ndtri, xlog1py, xlogy

from diffing.common import nulls
from diffing.common.arrays import Floats, Ints

WINDOW = 5.5
"""Standard deviations each way that hold all but 1e-6 of a resampled mean: far beyond any interval's end."""


def mcnemar(more_a: ArrayLike, more_b: ArrayLike) -> Floats:
    """Exact two-sided McNemar test of discordant counts; 1 where there is none."""
    a, b = np.asarray(more_a), np.asarray(more_b)
    p: Floats = np.minimum(1.0, 2 * bdtr(np.minimum(a, b), a + b, 0.5))
    return p


def presence(sizes: Ints, more_a: Ints, more_b: Ints) -> Floats:
    """Exact two-sided p of a summed difference under exchange of the sides within prompts.

    Row f of `more_a` (`more_b`) counts the prompts where A (B) leads by each of `sizes`, in whole units.
    One size is the exact McNemar test; several are a convolution of coins of those sizes.
    """
    if len(sizes) == 1:
        return mcnemar(more_a[:, 0], more_b[:, 0])
    # Equal rows have equal p-values, and rare features share few patterns.
    rows = np.column_stack([more_a + more_b, np.abs((more_b - more_a) @ sizes)])
    patterns, place = np.unique(rows, axis=0, return_inverse=True)
    return nulls.coin_tail(sizes, patterns[:, :-1], patterns[:, -1])[place]


def benjamini_hochberg(p: Floats) -> Floats:
    """The q-value of each p; NaN stands for a test that was not made and counts for nothing."""
    q = np.full(len(p), np.nan)
    made = np.flatnonzero(~np.isnan(p))
    # Equal p get equal q in whatever order they stand; stable, so that no machine has an order of its own.
    order = made[np.argsort(p[made], kind="stable")]
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    # The smallest of its own value and those of all larger p, so that q never falls as p rises.
    q[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return q


def bonett_price(more_a: Ints, more_b: Ints, prompts: int, level: float = 0.95) -> tuple[Floats, Floats]:
    """Bonett and Price's adjusted Wald interval for the difference of two paired shares, B minus A."""
    # One discordant prompt more each way: without them the interval has no width where nothing was discordant.
    a, b = (np.asarray(more_a) + 1) / (prompts + 2), (np.asarray(more_b) + 1) / (prompts + 2)
    half = ndtri((1 + level) / 2) * np.sqrt((a + b - (b - a) ** 2) / (prompts + 2))
    return np.maximum(b - a - half, -1.0), np.minimum(b - a + half, 1.0)


def bootstrap(
    sizes: Ints, more_a: Ints, more_b: Ints, prompts: int, unit: int, draws: int, level: float = 0.95
) -> tuple[Floats, Floats]:
    """Percentile interval of the mean difference when prompts are drawn again with replacement.

    Computed as the limit of infinitely many resamples (the n-fold convolution of the differences seen), so it
    has no sampling error of its own. As Bonett and Price do, it first adds two prompts that differ, one each
    way: a feature that happens never to differ would else get an interval of no width. `unit` is the whole
    number that stands for a difference of 1, `draws` how many answers a side has.
    """
    # About one standard deviation of a prompt: a single draw of four gave intervals that covered too little.
    added = np.argmin(np.abs(sizes - unit / draws**0.5))
    a, b = more_a.copy(), more_b.copy()
    a[:, added] += 1
    b[:, added] += 1
    count = prompts + 2
    # Equal rows have equal intervals, as above.
    rows, place = np.unique(np.column_stack([a, b]), axis=0, return_inverse=True)
    a, b = rows[:, : len(sizes)], rows[:, len(sizes) :]
    centre = (b - a) @ sizes
    # Standard deviation of the resampled sum. Windows are powers of two, so that few sizes of transform occur;
    # eight more points give the narrowest sums some room, which no measurement asked for.
    spread = np.sqrt((a + b) @ sizes**2 - centre**2 / count)
    low, high = np.empty(len(rows)), np.empty(len(rows))
    points = np.exp2(np.ceil(np.log2(2 * WINDOW * spread + 8))).astype(np.int64)
    for number in np.unique(points):
        group = np.flatnonzero(points == number)
        for part in np.array_split(group, max(1, len(group) * number // nulls.CHUNK)):
            ends = _resampled(sizes, a[part], b[part], count, int(number), (1 - level) / 2)
            low[part], high[part] = ends
    scale = count * unit
    return np.maximum(low / scale, -1.0)[place], np.minimum(high / scale, 1.0)[place]


def _resampled(sizes: Ints, a: Ints, b: Ints, count: int, points: int, tail: float) -> tuple[Floats, Floats]:
    """Ends of the central mass of the resampled sum, found in a window of `points` about its mean."""
    angle = 2 * np.pi * np.arange(points // 2 + 1) / points
    turn = np.outer(sizes, angle)
    mean = ((b - a) @ sizes).astype(np.int64)
    # The characteristic function of one prompt drawn: prompts without a difference, the 1, are most of them.
    single = 1 + ((a + b) @ (np.cos(turn) - 1) - 1j * ((b - a) @ np.sin(turn))) / count
    window = mean - points // 2
    # Zero to the power of many stays zero.
    size = count * np.log(np.maximum(np.abs(single), 1e-300))
    # The window's start is a turn, so that the transform's first point is the window's.
    phase = count * np.angle(single) + np.outer(window, angle)
    mass = np.fft.irfft(np.exp(size + 1j * phase), n=points, axis=1)
    below = np.cumsum(mass, axis=1)
    # The largest s with P(T < s) <= tail, and the smallest with P(T > s) <= tail.
    low = np.argmax(below > tail, axis=1)
    high = np.argmax(1 - below <= tail, axis=1)
    return (window + low).astype(np.float64), (window + high).astype(np.float64)


def wilson(share: Floats, count: int, level: float = 0.95) -> tuple[Floats, Floats]:
    """Wilson's interval for one share; for a mean over several draws it is wider than need be."""
    z = ndtri((1 + level) / 2)
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def log_odds_ratio(share_a: Floats, share_b: Floats, prompts: int) -> Floats:
    """Log of B's odds over A's, half a prompt added to each cell so that it is always finite."""
    odds_a = (prompts * share_a + 0.5) / (prompts * (1 - share_a) + 0.5)
    odds_b = (prompts * share_b + 0.5) / (prompts * (1 - share_b) + 0.5)
    return np.asarray(np.log(odds_b / odds_a), dtype=np.float64)


# A second for fifty thousand prompts; a server asks for the same few studies again and again.
@lru_cache(maxsize=256)
def smallest_detectable(
    prompts: int, tests: int, discordance: float, alpha: float = 0.05, power: float = 0.8
) -> float:
    """The smallest difference in shares that the exact McNemar test finds with the given power.

    The level is `alpha / tests`, Bonferroni's: no more than the correction that a diff uses would grant.
    `discordance` is the share of prompts whose two sides differ by chance alone, in total, half of it each way; a
    true difference of delta adds delta to one way. `math.inf` where no difference, however large, would be found.
    """
    if prompts < 1 or tests < 1:
        return math.inf
    least = _least_significant(prompts, alpha / tests)
    largest = 1.0 - discordance
    if largest <= 0 or _mcnemar_power(prompts, discordance, largest, least) < power:
        return math.inf
    low, high = 0.0, largest
    # A hundredth of a point: what is shown is rounded to whole points.
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
    # The smallest k with P(X > k) <= level / 2, by halving: a majority of k + 1 is then P(X >= k + 1).
    low, high = np.full(prompts + 1, -1), discordant.copy()
    while (high - low > 1).any():
        middle = (low + high) // 2
        enough = bdtrc(middle, discordant, 0.5) <= level / 2
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    # Infinite where even a unanimous majority is not rare enough.
    return np.where(2 * 0.5 ** discordant.astype(float) <= level, np.minimum(high + 1, discordant), np.inf)


def _mcnemar_power(prompts: int, discordance: float, delta: float, least: np.ndarray) -> float:
    """Chance of a significant exact McNemar test, over the binomial number of discordant prompts."""
    total = discordance + delta
    if total <= 0:
        return 0.0
    discordant = np.arange(prompts + 1)
    up = (discordance / 2 + delta) / total
    reached = np.where(np.isfinite(least), least, discordant)
    # Both tails count: a majority for the wrong side is significant too, however rarely it comes.
    significant = bdtrc(reached - 1, discordant, up) + bdtr(discordant - reached, discordant, up)
    # By logarithms, since the binomial coefficients of a thousand prompts are beyond float64.
    ways = gammaln(prompts + 1) - gammaln(discordant + 1) - gammaln(prompts - discordant + 1)
    mass = np.exp(ways + xlogy(discordant, total) + xlog1py(prompts - discordant, -total))
    return float(mass @ np.where(np.isfinite(least), significant, 0.0))
