"""How large a difference two halves of one checkpoint's own draws show: the noise of sampling, by frequency.

A description to stand beside a row, not a test. Needs at least two draws of a prompt; without them there is no
band. Promises to look at each checkpoint alone.
"""

from typing import Any

import numpy as np
import pandas as pd

from diffing.common.arrays import Array, Floats
from diffing.diff.pairing import Pairing
from diffing.diff.presence import Shown

FEATURES = 200
"""Features that a bin of frequency needs at least: of their 400 points 20 then lie above the band."""
BINS = 20
"""Bins at most: the band moves slowly with frequency, and more of them would only be rougher. Chosen by eye."""
PAIRS = 64
"""Answers that are looked at together: a few megabytes of the widest dictionaries."""
SHARE = 0.95
"""Share of features that differ by less than the band between two halves of one checkpoint."""

COLUMNS = ["low", "high", "points", "band"]


def band(shown: Shown, pairing: Pairing) -> pd.DataFrame:
    """For each bin of frequency (`low` to `high`), the difference that few features exceed by chance alone."""
    points = [halves(shown, pairing, documents) for documents in (pairing.a, pairing.b)]
    frequency = np.concatenate([f[f > 0] for f, _ in points])
    difference = np.concatenate([d[f > 0] for f, d in points])
    order = np.argsort(frequency, kind="stable")
    frequency, difference = frequency[order], difference[order]
    # Each checkpoint gives a point for a feature, so this many points are at least FEATURES of them.
    least = 2 * FEATURES
    size = max(least, -(-len(frequency) // BINS))
    rows: list[dict[str, Any]] = []
    start = 0
    while len(frequency) - start >= least:
        end = min(start + size, len(frequency))
        # Features of one frequency are all in one bin: `of_features` could not tell two of them apart.
        end = int(np.searchsorted(frequency, frequency[end - 1], side="right"))
        # What is left over is too few for a bin of its own, and joins this one.
        if len(frequency) - end < least:
            end = len(frequency)
        rows.append(
            {
                "low": frequency[start],
                "high": frequency[end - 1],
                "points": end - start,
                "band": np.quantile(difference[start:end], SHARE),
            }
        )
        start = end
    return pd.DataFrame(rows, columns=COLUMNS)


def halves(shown: Shown, pairing: Pairing, documents: Array) -> tuple[Floats, Floats]:
    """One checkpoint's frequency of each feature, and the size of the difference between halves of its draws.

    With h of r draws in a half the difference is scaled by the root of h/r, to be of the size that chance gives
    a difference between two checkpoints of r draws each.
    """
    several = pairing.draws >= 2
    number = int(several.sum())
    draws = pairing.draws[pairing.row]
    half = draws // 2
    # Of an odd number of draws the last is left out.
    used = several[pairing.row] & (pairing.slot < 2 * half)
    sign = np.where(pairing.slot < half, 1.0, -1.0)
    weight = sign / half.clip(1) * np.sqrt(half / draws)
    frequency, total = np.zeros(shown.n_features), np.zeros(shown.n_features)
    pairs = np.flatnonzero(used)
    for start in range(0, len(pairs), PAIRS):
        some = pairs[start : start + PAIRS]
        block = shown.block(documents[some])
        feature = block.feature.astype(np.intp)
        np.add.at(frequency, feature, (1 / (2 * half[some] * number))[block.owner])
        np.add.at(total, feature, weight[some][block.owner])
    # Fewer prompts have several draws than are compared: the mean over all of them is that much calmer.
    scale = np.sqrt(number / max(len(several), 1)) / max(number, 1)
    return frequency, np.abs(total) * scale


def of_features(bins: pd.DataFrame, frequency: Floats) -> Floats:
    """The band at each feature's frequency; NaN where there is no band."""
    if bins.empty:
        return np.full(len(frequency), np.nan)
    # Over the highest bin the highest one stands: no feature of one checkpoint alone was commoner.
    place = np.searchsorted(bins["high"].to_numpy(), frequency).clip(max=len(bins) - 1)
    return np.asarray(bins["band"].to_numpy()[place], dtype=np.float64)
