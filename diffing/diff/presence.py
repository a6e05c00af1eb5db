"""Which features each document shows: its encoding above a threshold, one document at a time.

Surface probes come in the same shape, so that everything counted for features is counted for them too. Promises
that a threshold of 0 reads no activation but peaks, and keeps nothing. Knows no sides and no pairs.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from diffing.common.arrays import Array
from diffing.probes.scan import BY_LENGTH, Scan
from diffing.reader.firing import Tokens
from diffing.reader.summaries import Entries, Shows


class Document(Protocol):
    """What one document shows, by ascending feature."""

    @property
    def feature(self) -> Array: ...
    @property
    def counts(self) -> Array:
        """Tokens on which each feature is active (for a probe: how often it occurs)."""

    @property
    def firsts(self) -> Array:
        """A cut to more than this many of the first tokens shows it."""

    @property
    def lasts(self) -> Array:
        """A cut to the last tokens shows it if it begins here or earlier."""

    @property
    def peaks(self) -> Array:
        """Size of the strongest activation, float32 (for a probe: how often it occurs)."""


class Summed(Protocol):
    """Encodings by document, of which only what every test asks for is read."""

    @property
    def n_features(self) -> int: ...
    def summary(self, document: int) -> Shows: ...


class Shown(Protocol):
    """Documents by number, each with what it shows."""

    @property
    def n_features(self) -> int: ...
    def document(self, number: int) -> Document: ...


@dataclass(frozen=True)
class Stored:
    """A study's encodings, above a bar for each feature where there is one."""

    store: Summed
    bar: Array | None = None
    _seen: dict[int, Document] = field(default_factory=dict)
    """What lies above the bar, kept: several steps ask for each document, and every activation must be decoded."""

    @property
    def n_features(self) -> int:
        return self.store.n_features

    def document(self, number: int) -> Document:
        if self.bar is None:
            return self.store.summary(number)
        if number not in self._seen:
            self._seen[number] = self.store.summary(number).over(self.bar)
        return self._seen[number]


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
        return Entries(*(a[entries] for a in (self.feature, self.count, self.first, self.last, self.peak)))


def shown(store: Summed, documents: Array, threshold: float = 0.0, share_of_peak: float = 0.0) -> Stored:
    """What is active above `threshold`, and above a share of the feature's strongest activation in `documents`.

    The bar knows no sides: both checkpoints' documents set it together.
    """
    if threshold <= 0 and share_of_peak <= 0:
        return Stored(store)
    strongest = np.zeros(store.n_features, dtype=np.float32)
    for document in documents.tolist():
        found = store.summary(document)
        # A document has each feature once, so that plain indexing loses none.
        strongest[found.feature] = np.maximum(strongest[found.feature], found.peaks)
    return Stored(store, np.maximum(threshold, share_of_peak * strongest))


def as_features(scanned: Scan, tokens: Tokens, by_length: Array = BY_LENGTH) -> Flat:
    """Documents × probes in the shape of features; `scanned` is the scan of just the tokens' documents.

    `by_length` says of each probe whether characters are counted or spans; phrases are scanned as probes are, and
    have one of their own.

    A probe is cut as a feature is: it is in the first L tokens if a span begins there, and in the last L if a span
    reaches there.
    """
    count = np.diff(tokens.begins)
    # All texts one behind another, a character apart, so that one search over all of them does.
    base = np.concatenate([[0], np.cumsum(scanned.lengths + 1)])
    offset = np.repeat(base[:-1], count)
    starts = tokens.spans[:, 0] + offset
    # A token that shares a character with the next one may end behind it.
    ends = np.maximum.accumulate(tokens.spans[:, 1] + offset) if len(offset) else offset
    begin, behind = tokens.begins[scanned.document], tokens.begins[scanned.document + 1]
    first = np.searchsorted(ends, scanned.start + base[scanned.document], side="right")
    last = np.searchsorted(starts, scanned.end + base[scanned.document], side="left") - 1
    # Where the reader was fed only a beginning, the rest of the answer is not in it.
    read = np.flatnonzero((first < behind) & (last >= begin))
    amount = np.where(by_length[scanned.probe], scanned.end - scanned.start, 1)[read]
    width = len(by_length)
    cell = scanned.document[read].astype(np.int64) * width + scanned.probe[read]
    # Spans come by document and probe: a run of one cell is all that one document shows of one probe.
    opens = np.flatnonzero(np.diff(cell, prepend=-1))
    low = np.maximum(first, begin)[read] - begin[read]
    high = np.minimum(last, behind - 1)[read] - begin[read]
    # `reduceat` takes no empty list of places.
    if len(opens) == 0:
        nothing = np.empty(0, np.int64)
        return Flat(width, np.zeros(len(count) + 1, np.int64), *[nothing] * 5)
    total = np.add.reduceat(amount, opens)
    indptr = np.searchsorted(cell[opens] // width, np.arange(len(count) + 1))
    return Flat(
        n_features=width,
        indptr=indptr,
        feature=cell[opens] % width,
        count=total,
        first=np.minimum.reduceat(low, opens),
        last=np.maximum.reduceat(high, opens),
        peak=total,
    )
