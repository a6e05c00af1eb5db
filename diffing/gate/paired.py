"""A difference over prompts, from one number a prompt: its mean with an interval, and the diff's exact test.

For what stands in no table: differences of differences. Promises the signed-rank test and the interval that
amounts have in a diff (`diffing.diff.amounts`, `diffing.diff.measure`).
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from diffing.common.arrays import Floats
from diffing.diff import measure
from diffing.diff.amounts import Amounts


class Paired(NamedTuple):
    """NaN where it cannot be told."""

    mean: float = math.nan
    half: float = math.nan
    """Of its 95 % interval."""
    p: float = math.nan
    """Exact, by signed ranks."""
    student: float = math.nan
    """p of Student's t."""


def of(difference: Floats, step: float = 1.0) -> Paired:
    """From B less A of each prompt; `step` is what a prompt may differ by."""
    n = len(difference)
    if n < 2:
        return Paired()
    mean = float(difference.mean())
    # One prompt more each way that differs by a step, as in the diff: what never differs is not known exactly.
    spread = float(np.sqrt((np.square(difference - mean).sum() + 2 * step**2) / (n - 1) / n))
    ranks = Amounts.empty(n, 1)
    for value in difference[difference != 0].astype(np.float32):
        ranks.add(np.zeros(1, np.int64), np.zeros(1, np.int16), np.array([value]))
    exact = float(ranks.coins().p(measure.LEAST)[0])
    student = 2 * float(stdtr(n - 1, -abs(mean) / spread))
    return Paired(mean, float(stdtrit(n - 1, 0.975)) * spread, exact, student)
