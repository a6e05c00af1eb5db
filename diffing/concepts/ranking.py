"""Answers ranked by chosen features: scores, and what each of the features adds to them.

A feature's peak counts as a share of a peak that is high for it among these answers, and in full from there on, so
that all features speak in one measure. Peaks rank better than mere presence and than counts of tokens did
(`bench/retrieval.py`). Promises the order of rows where scores are equal.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from diffing.common.arrays import Array, Floats, Ints
from diffing.concepts.chosen import Chosen
from diffing.concepts.matrix import Matrix
from diffing.probes.weighed import Weighted, Weights

HIGH = 0.9
"""Share of a feature's peaks, among answers that show it, above which it counts in full: as published. The
strongest of all may be a single odd answer."""


def tops(matrix: Matrix, features: Array) -> Floats:
    """The high peak of each feature; 1 where no answer shows it, so that it can be divided by."""
    columns = matrix.peaks[:, features].tocsc()
    found = np.ones(len(features))
    for place, (start, end) in enumerate(zip(columns.indptr, columns.indptr[1:], strict=False)):
        if end > start:
            found[place] = np.quantile(columns.data[start:end], HIGH)
    return found


def weighted(matrix: Matrix, chosen: Chosen) -> tuple[Weighted, ...]:
    """Chosen features with the peaks of these answers, those that no answer shows left out."""
    numbers = chosen.features["feature"].to_numpy(np.int64)
    high = tops(matrix, numbers)
    shows = np.diff(matrix.peaks[:, numbers].tocsc().indptr) > 0
    rows = zip(numbers.tolist(), chosen.features["weight"].tolist(), high.tolist(), shows.tolist(), strict=True)
    return tuple(
        Weighted(feature=feature, weight=weight, top=top)
        for feature, weight, top, there in rows
        if there and weight
    )


def ranked(scores: Floats) -> Ints:
    """Rows, the best first; by number where scores are equal."""
    return np.lexsort([np.arange(len(scores)), -scores])


@dataclass(frozen=True)
class Share:
    """What one feature adds to an answer's score."""

    feature: int
    label: str
    adds: float


def shares(matrix: Matrix, row: int, weights: Weights, chosen: Chosen, most: int = 5) -> list[Share]:
    """What adds most to the score of one answer, and what takes most away from it."""
    parts = weights.contributions(matrix.peaks[row])
    order = np.lexsort([parts.indices, -np.abs(parts.data)])[:most]
    labels = pd.Series(chosen.features["label"].to_numpy(), chosen.features["feature"])
    found = []
    for place in order:
        feature = int(weights.feature[parts.indices[place]])
        found.append(Share(feature, str(labels[feature]), float(parts.data[place])))
    return found
