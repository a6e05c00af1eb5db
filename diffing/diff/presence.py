"""Which features each document shows: its encoding above a threshold, one document at a time or several at once.

Surface probes come in the same shape, so that everything counted for features is counted for them too. Promises
that a threshold of 0 reads no activation but peaks, and keeps nothing, and that above one no more is kept than
there is room for. Knows no sides and no pairs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from diffing.common.arrays import Array, ranges
from diffing.common.errors import UserError
from diffing.probes.scan import BY_LENGTH, Scan
from diffing.reader.firing import Tokens
from diffing.reader.floors import FLOOR
from diffing.reader.records import Encoding
from diffing.reader.summaries import Document, Entries, Shows, Whole, gathered


class Summed(Protocol):
    """Encodings by document, of which only what every test asks for is read."""

    @property
    def n_features(self) -> int: ...
    @property
    def floor(self) -> Array | None:
        """The lowest bar of each feature over which every document can be counted; None where any bar is."""

    def summary(self, document: int) -> Shows: ...


class Block(NamedTuple):
    """Several documents at once, one after another."""

    owner: Array
    """Which of the documents each entry is of, by its place among them, ascending."""
    feature: Array
    counts: Array
    firsts: Array
    lasts: Array
    peaks: Array


class Shown(Protocol):
    """Documents by number, each with what it shows."""

    @property
    def n_features(self) -> int: ...
    def document(self, number: int) -> Document: ...
    def block(self, documents: Array) -> Block: ...


SHARE = 0.25
"""Of the memory that a diff may take, what is for documents' entries above the bar: several steps ask for each
document, and of what is not kept every activation must be decoded each time."""
ROOM = 2**29
"""Bytes of these entries that are kept where nothing is said: the share of two gigabytes."""
EACH = 700
"""Bytes that a kept document takes beside its entries: five arrays, as Python holds them."""


class Stored:
    """A study's encodings, above a bar for each feature where there is one."""

    def __init__(self, store: Summed, bar: Array | None = None, room: int = ROOM, raised: int = 0) -> None:
        self.store, self.bar, self._room = store, bar, room
        self.raised = raised
        """Features whose bar is the floor of summaries, which is above what was asked for."""
        self._seen: dict[int, Entries] = {}

    @property
    def n_features(self) -> int:
        return self.store.n_features

    def document(self, number: int) -> Document:
        if self.bar is None:
            return self.store.summary(number)
        return self._seen.get(number) or Entries(*self.block(np.array([number]))[1:])

    def block(self, documents: Array) -> Block:
        numbers = documents.tolist()
        if self.bar is None:
            return _together([self.store.summary(number) for number in numbers])
        new = [number for number in numbers if number not in self._seen]
        found = _over([self.store.summary(number) for number in new], self.bar)
        if self._room > 0:
            self._keep(new, found)
        if len(new) == len(numbers):
            return found
        # Read again where there was no room for it.
        ends = np.searchsorted(found.owner, np.arange(len(new) + 1))
        fresh = {n: Entries(*(c[s:e] for c in found[1:])) for n, s, e in zip(new, ends, ends[1:], strict=False)}
        return _together([self._seen.get(number) or fresh[number] for number in numbers])

    def _keep(self, numbers: list[int], found: Block) -> None:
        """Keep what was found, as long as there is room."""
        ends = np.searchsorted(found.owner, np.arange(len(numbers) + 1))
        size = sum(column.itemsize for column in found[1:])
        for number, start, end in zip(numbers, ends.tolist(), ends[1:].tolist(), strict=False):
            self._room -= EACH + size * (end - start)
            if self._room < 0:
                return
            # Copies: a slice would keep the whole block.
            self._seen[number] = Entries(*(column[start:end].copy() for column in found[1:]))


def _together(parts: Sequence[Document]) -> Block:
    """Documents as a block."""
    owner = np.repeat(np.arange(len(parts)), [len(part.feature) for part in parts])
    if not parts:
        return Block(owner, *[np.empty(0, np.int64)] * 5)
    names = ("feature", "counts", "firsts", "lasts", "peaks")
    return Block(owner, *(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _joined(records: Sequence[Encoding]) -> Encoding:
    """Several records as one, whose runs follow one another; without tokens and their places in the text."""
    signed = any(record.negative is not None for record in records)
    names = {field.name for field in fields(records[0])} - {"ids", "spans", "negative"}
    columns: dict[str, Any] = {n: np.concatenate([getattr(record, n) for record in records]) for n in names}
    negative = [np.zeros(len(r.position), bool) if r.negative is None else r.negative for r in records]
    nothing = np.empty(0, np.uint32)
    columns |= {"ids": nothing, "spans": nothing, "negative": np.concatenate(negative) if signed else None}
    return replace(records[0], **columns)


def _over(documents: Sequence[Shows], bar: Array) -> Block:
    """What lies above each feature's bar."""
    records = [document.encoding for document in documents if isinstance(document, Whole)]
    if not records or len(records) < len(documents):
        return _together([document.over(bar) for document in documents])
    # Records with positions are decoded at once: one by one each took longer to begin with than to decode.
    encoding = _joined(records)
    owner = np.repeat(np.arange(len(records)), [len(record.feature) for record in records])
    # A run whose peak is not above the bar has nothing that is: most are left out before anything is decoded.
    loud = np.flatnonzero(np.abs(encoding.peak) > bar.take(encoding.feature))
    encoding, owner = encoding.of(loud), owner[loud]
    over = encoding.over(bar[encoding.feature])
    kept, found = gathered(encoding.feature, np.abs(encoding.peak), encoding.count, encoding.position, over)
    return Block(owner.take(kept), *found)


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

    def block(self, documents: Array) -> Block:
        lengths = self.indptr[documents + 1] - self.indptr[documents]
        entries = ranges(self.indptr[documents], lengths)
        owner = np.repeat(np.arange(len(documents)), lengths)
        columns = (self.feature, self.count, self.first, self.last, self.peak)
        return Block(owner, *(column[entries] for column in columns))


def shown(
    store: Summed, documents: Array, threshold: float = 0.0, share_of_peak: float = 0.0, room: int = ROOM
) -> Stored:
    """What is active above `threshold`, and above a share of the feature's strongest activation in `documents`.

    The bar knows no sides: both checkpoints' documents set it together. Where summaries say nothing down to it,
    since answers that are not compared here set their floor, the floor takes its place, on both sides alike.
    """
    if threshold <= 0 and share_of_peak <= 0:
        return Stored(store)
    strongest = np.zeros(store.n_features, dtype=np.float32)
    for document in documents.tolist():
        found = store.summary(document)
        # A document has each feature once, so that plain indexing loses none.
        strongest[found.feature] = np.maximum(strongest[found.feature], found.peaks)
    bar = np.maximum(threshold, share_of_peak * strongest)
    if store.floor is None:
        return Stored(store, bar, room)
    # What is nowhere above either shows nothing, whichever it is.
    raised = (bar < store.floor) & (bar < strongest)
    if raised.any() and share_of_peak < FLOOR:
        raise UserError(
            f"Of some answers summaries are kept, which hold what lies above {FLOOR:.0%} of a feature's peak; "
            f"choose a share of the peak of {FLOOR:g} or more, or 0 and no threshold."
        )
    return Stored(store, np.maximum(bar, store.floor), room, int(raised.sum()))


def joined(parts: Iterable[Flat]) -> Flat:
    """Documents of several, one after another, in the shortest numbers that hold them."""
    some = list(parts)
    ends = np.cumsum([0, *(part.indptr[-1] for part in some)])
    indptr = [part.indptr[:-1] + start for part, start in zip(some, ends.tolist(), strict=False)]
    columns = {}
    for name in ("feature", "count", "first", "last", "peak"):
        columns[name] = np.concatenate([getattr(part, name).astype(np.int32) for part in some])
    return Flat(some[0].n_features, np.concatenate([*indptr, ends[-1:]]), **columns)


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
