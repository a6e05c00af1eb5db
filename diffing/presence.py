"""Which features each document shows: its encoding above a threshold, one document at a time.

Surface probes come in the same shape, so that everything counted for features is counted for them too. Promises
that a threshold of 0 reads no activation and copies little: what was read once is kept.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Encoded(Protocol):
    """What is needed of a `diffing.shards.Encoding`."""

    @property
    def feature(self) -> Array: ...
    @property
    def peak(self) -> Array: ...
    @property
    def count(self) -> Array: ...
    @property
    def position(self) -> Array: ...
    def starts(self) -> Array: ...
    def values(self) -> Array: ...


class Store(Protocol):
    """What is needed of `diffing.activations.Encodings`."""

    @property
    def n_features(self) -> int: ...
    def encoding(self, document: int) -> Encoded: ...


class Document(NamedTuple):
    """What one document shows, by ascending feature."""

    feature: Array
    counts: Array
    """Tokens on which each feature is active (for a probe: how often it occurs)."""
    firsts: Array
    """A cut to more than this many of the first tokens shows it."""
    lasts: Array
    """A cut to the last tokens shows it if it begins here or earlier."""
    peaks: Array
    """Size of the strongest activation, float32 (for a probe: how often it occurs)."""


class Shown(Protocol):
    """Documents by number, each with what it shows."""

    @property
    def n_features(self) -> int: ...
    def document(self, number: int) -> Document: ...


@dataclass(frozen=True)
class Stored:
    """A study's encodings, above a bar for each feature where there is one."""

    store: Store
    bar: Array | None = None
    _seen: dict[int, Document] = field(default_factory=dict)

    @property
    def n_features(self) -> int:
        return self.store.n_features

    def document(self, number: int) -> Document:
        if number not in self._seen:
            self._seen[number] = self._read(number)
        return self._seen[number]

    def _read(self, number: int) -> Document:
        one = self.store.encoding(number)
        starts, position = one.starts(), one.position
        if self.bar is None:
            return Document(
                one.feature, one.count, position[starts[:-1]], position[starts[1:] - 1], np.abs(one.peak)
            )
        owner = np.repeat(np.arange(len(one.feature)), np.diff(starts))
        over = np.flatnonzero(np.abs(one.values()) > self.bar[one.feature][owner])
        kept, begins, count = np.unique(owner[over], return_index=True, return_counts=True)
        position = position[over]
        ends = begins + count - 1
        return Document(one.feature[kept], count, position[begins], position[ends], np.abs(one.peak[kept]))


@dataclass(frozen=True)
class Flat:
    """The same from arrays: documents x features in CSR order."""

    n_features: int
    indptr: Array
    feature: Array
    count: Array
    first: Array
    last: Array
    peak: Array

    def document(self, number: int) -> Document:
        entries = slice(self.indptr[number], self.indptr[number + 1])
        return Document(*(a[entries] for a in (self.feature, self.count, self.first, self.last, self.peak)))


def shown(store: Store, documents: Array, threshold: float = 0.0, share_of_peak: float = 0.0) -> Stored:
    """What is active above `threshold`, and above a share of the feature's strongest activation in `documents`.

    The bar knows no sides: both checkpoints' documents set it together.
    """
    if threshold <= 0 and share_of_peak <= 0:
        return Stored(store)
    strongest = np.zeros(store.n_features, dtype=np.float32)
    for document in documents.tolist():
        one = store.encoding(document)
        strongest[one.feature] = np.maximum(strongest[one.feature], np.abs(one.peak))
    return Stored(store, np.maximum(threshold, share_of_peak * strongest))
