"""What a measure's difference varies with beside prompts: the tasks that they are of, and the draws of answers.

Three questions, each of one measure. Is the difference the same in all categories? By the features' own test
(`groups`). What if the categories were a sample of more, as the tasks of a suite are? By intervals with categories
as clusters. And how far apart would two runs of one and the same checkpoint come out? By the scatter of its draws.
Promises to test categories alone that have enough prompts, and that an interval over tasks is never narrower than
the one over prompts. A category without a name is one like the others.
"""

import math
import zlib
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from diffing.common.arrays import Array, Floats, Ints
from diffing.diff import groups
from diffing.diff.pairing import FEW

SIZES = 50
"""Sizes of difference that the test by category tells apart: its time grows with them."""
COARSE = 8.0
"""What has more of them is rounded to so many steps to a root mean square; p is exact for what was rounded."""
LEAST_TASKS = 5
"""Categories from which an interval over them is told: of fewer Student's quantile is above 2.8, and an interval
that wide says nothing."""


class Noise(NamedTuple):
    """How far apart two runs of one checkpoint come out."""

    band: float
    """In 95 of 100 pairs of runs no further than this; NaN with one draw."""
    outside: bool | None
    """Whether the two checkpoints differ by more; None where nobody knows."""


def between_groups(difference: Floats, group: Array, seed: int, name: str, tests: int) -> tuple[float, float]:
    """Q of a measure over categories with enough prompts, and its p among so many tests; NaN where there are none.

    `difference` and `group` are by prompt.
    """
    names, place, count = np.unique(group.astype(str), return_inverse=True, return_counts=True)
    large = np.flatnonzero(count >= FEW)
    if len(large) < 2 or not difference.any():
        return math.nan, math.nan
    kept = np.isin(place, large)
    signed = _whole(difference[kept])
    sizes = np.unique(np.abs(signed[signed != 0]))
    if not len(sizes):
        return math.nan, math.nan
    values = np.concatenate([-sizes, sizes])
    mine = place[kept]
    counts = np.array([[[np.sum(signed[mine == each] == value) for value in values]] for each in large])
    # A stream of its own for each measure: what another one draws does not move it.
    random = np.random.default_rng([seed, 7, zlib.crc32(name.encode())])
    q_sum, p = groups.scattered(counts, values, count[large].astype(np.int64), random, tests)
    return float(q_sum[0]), float(p[0])


def _whole(difference: Floats) -> Ints:
    """Differences in whole steps, few enough of them; rounded by their size alone, whichever side leads."""
    size = np.abs(difference)
    steps = np.unique(size[size > 0])
    unit = 1 / steps[0] if len(steps) else 1.0
    if len(steps) > SIZES or np.abs(steps * unit - np.rint(steps * unit)).max(initial=0) > 1e-6:
        unit = COARSE / float(np.sqrt(np.square(size[size > 0]).mean()))
    return np.asarray((np.sign(difference) * np.rint(size * unit)).astype(np.int64))


def over_tasks(difference: Floats, group: Array, prompts: tuple[float, float]) -> tuple[float, float]:
    """95 % interval of the mean with categories as clusters; `prompts` is the one over prompts."""
    _, place = np.unique(group.astype(str), return_inverse=True)
    tasks, n = int(place.max(initial=-1)) + 1, len(difference)
    if tasks < LEAST_TASKS:
        return math.nan, math.nan
    centre = float(difference.mean())
    # Sums, not means: a task of many prompts moves the mean over prompts by as much.
    sums = np.bincount(place, difference - centre, tasks)
    half = float(stdtrit(tasks - 1, 0.975)) * math.sqrt(tasks / (tasks - 1) * float(np.square(sums).sum())) / n
    return float(np.nanmin([centre - half, prompts[0]])), float(np.nanmax([centre + half, prompts[1]]))


def of_draws(scatter: Floats, draws: Ints, prompts: int, delta: float) -> Noise:
    """The noise of sampling, from the prompts that have several draws on both sides.

    `scatter` is the variance of each such prompt's difference as its own draws tell it, `draws` how many they are.
    """
    if not len(scatter):
        return Noise(math.nan, None)
    total = float(scatter.sum())
    if not total:
        # Every draw gives the same number: two runs would too.
        return Noise(0.0, bool(delta))
    # As many degrees of freedom as both sides' variances have together; those without scatter have no say.
    freedom = total**2 / float((np.square(scatter) / (2 * (draws - 1))).sum())
    band = float(stdtrit(freedom, 0.975)) * math.sqrt(total / len(scatter) / prompts)
    return Noise(band, bool(abs(delta) > band))
