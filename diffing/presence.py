"""Which features each document shows, as flat arrays: the encodings above a threshold.

One entry is one (document, feature) that is shown. Surface probes come in the same shape, so that everything
counted for features is counted for them too. Promises that a threshold of 0 copies nothing; any other one reads
every activation once.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Arrays(Protocol):
    """What is needed of `diffing.activations.Encodings`."""

    n_features: int
    indptr: Array

    @property
    def feature(self) -> Array: ...
    @property
    def peak(self) -> Array: ...
    @property
    def count(self) -> Array: ...
    @property
    def first(self) -> Array: ...
    @property
    def last(self) -> Array: ...
    @property
    def total(self) -> Array: ...

    def token_rows(self, document: int) -> tuple[Array, Array, Array]: ...


@dataclass(frozen=True)
class Shown:
    """Documents x features in CSR order, only what is shown."""

    n_features: int
    indptr: Array
    """Where each document's entries begin."""
    feature: Array
    count: Array
    """Tokens on which the feature is active (for a probe: how often it occurs)."""
    first: Array
    """The smallest cut to the answer's first tokens that still shows it is one longer than this."""
    last: Array
    """A cut to the answer's last tokens shows it if it begins here or earlier."""
    total: Array
    """Sum of activations."""
    peak: Array
    """Strongest activation."""

    def positions(self, documents: Array) -> Array:
        """Where all entries of some documents stand in the flat arrays, document after document."""
        starts, lengths = self.indptr[documents], np.diff(self.indptr)[documents]
        ends = np.cumsum(lengths)
        if len(ends) == 0:
            return np.empty(0, np.int64)
        shift = np.repeat(starts - np.concatenate([[0], ends[:-1]]), lengths)
        return np.asarray(np.arange(ends[-1]) + shift)


def shown(arrays: Arrays, documents: Array, threshold: float = 0.0, share_of_peak: float = 0.0) -> Shown:
    """What is active above `threshold`, and above a share of the feature's strongest activation in `documents`.

    The bar knows no sides: both checkpoints' documents set it together.
    """
    if threshold <= 0 and share_of_peak <= 0:
        return Shown(
            arrays.n_features,
            arrays.indptr,
            arrays.feature,
            arrays.count,
            arrays.first,
            arrays.last,
            arrays.total,
            arrays.peak,
        )
    bar = np.full(arrays.n_features, threshold, dtype=np.float32)
    strongest = np.zeros(arrays.n_features, dtype=np.float32)
    for document in documents.tolist():
        entries = slice(arrays.indptr[document], arrays.indptr[document + 1])
        names = arrays.feature[entries]
        strongest[names] = np.maximum(strongest[names], np.abs(arrays.peak[entries]))
    np.maximum(bar, share_of_peak * strongest, out=bar)
    parts: list[tuple[Array, ...]] = []
    lengths = np.zeros(len(arrays.indptr) - 1, dtype=np.int64)
    for document in np.sort(documents).tolist():
        parts.append(_above(arrays, document, bar))
        lengths[document] = len(parts[-1][0])
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else [np.empty(0)] * 6
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return Shown(arrays.n_features, indptr, *columns)


def _above(arrays: Arrays, document: int, bar: Array) -> tuple[Array, ...]:
    """One document's feature, count, first, last, total and peak, of the tokens above the bar."""
    entries = slice(arrays.indptr[document], arrays.indptr[document + 1])
    names, peaks = arrays.feature[entries], arrays.peak[entries]
    starts, position, value = arrays.token_rows(document)
    owner = np.repeat(np.arange(len(names)), np.diff(starts))
    over = np.flatnonzero(np.abs(value) > bar[names][owner])
    owner, position, value = owner[over], position[over], value[over]
    kept, begins, count = np.unique(owner, return_index=True, return_counts=True)
    if len(kept) == 0:
        return names[:0], count, position, position, value, peaks[:0]
    ends = begins + count - 1
    total = np.add.reduceat(value, begins)
    return names[kept], count, position[begins], position[ends], total, peaks[kept]
