"""A summary of an answer: what every test asks of its features, in about a tenth of the bytes of its positions.

Of each active feature it holds how many tokens it is active on, its peak, and its first and its last token:
exactly what a comparison without a bar reads. A comparison above a bar asks which tokens lie over a share of the
feature's strongest activation among all answers, which no single answer knows. So a summary is written under a
*floor* for each feature and keeps, place and code, every activation above it: over any bar that is not under the
floor it gives the very numbers that positions would give. Over a lower one it cannot, and `over` refuses. Where
the active tokens between the first and the last lie is not in it.

In bytes: columns by ascending feature, numbers split into their bytes and each byte's column compressed by itself,
as the high bytes are nearly all alike. A reader in half precision gives peaks whose lower two bytes are zero.
"""

from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from diffing.common.arrays import Array
from diffing.common.errors import UserError
from diffing.reader.records import Encoding, Kinds, Place, limits

COMPRESSED = pa.Codec("zstd", compression_level=1)
"""Higher levels take two to ten times as long and gain under two hundredths."""
SPARE = np.float32(0.999)
"""Kept is what lies over so much of the floor: a bar at the floor, rounded down, asks for nothing else."""
ORDER = ("gap", "count", "first", "last", "peak", "kept", "position", "code", "id", "start", "length")
"""Columns as they follow each other; the last three are the answer's tokens."""


class Entries(NamedTuple):
    """What a document shows, by ascending feature."""

    feature: Array
    counts: Array
    firsts: Array
    lasts: Array
    peaks: Array


class Document(Protocol):
    """What one document shows, by ascending feature; a surface probe counts as one."""

    @property
    def feature(self) -> Array: ...
    @property
    def counts(self) -> Array:
        """Tokens on which each feature is active (for a probe: how often it occurs)."""

    @property
    def firsts(self) -> Array:
        """The first of them: a cut to more than this many of the first tokens shows it."""

    @property
    def lasts(self) -> Array:
        """The last of them: a cut to the last tokens shows it if it begins here or earlier."""

    @property
    def peaks(self) -> Array:
        """Size of the strongest activation, float32 (for a probe: how often it occurs)."""


class Shows(Document, Protocol):
    """An encoded document, whichever way it is kept."""

    @property
    def peak(self) -> Array:
        """`peaks` with their sign."""

    def over(self, bar: Array) -> Entries:
        """The same of what lies above a bar for each feature of the reader."""


class Whole(NamedTuple):
    """An encoding with positions, of which only that is read which is asked for."""

    encoding: Encoding

    @property
    def feature(self) -> Array:
        return self.encoding.feature

    @property
    def counts(self) -> Array:
        return self.encoding.count

    @property
    def firsts(self) -> Array:
        return self.encoding.position[self.encoding.starts()[:-1]]

    @property
    def lasts(self) -> Array:
        ends: Array = self.encoding.starts()[1:] - 1
        return self.encoding.position[ends]

    @property
    def peak(self) -> Array:
        return self.encoding.peak

    @property
    def peaks(self) -> Array:
        return np.asarray(np.abs(self.encoding.peak))

    def over(self, bar: Array) -> Entries:
        # A run whose peak is not above the bar has nothing that is: most are left out before anything is decoded.
        runs = np.flatnonzero(np.abs(self.encoding.peak) > bar.take(self.encoding.feature))
        some = self.encoding.of(runs)
        over = some.over(bar[some.feature])
        return gathered(some.feature, np.abs(some.peak), some.count, some.position, over)[1]


def gathered(feature: Array, peak: Array, count: Array, position: Array, over: Array) -> tuple[Array, Entries]:
    """What is left of runs (their entries behind each other in `position`) where `over` says so, and of which."""
    starts = np.cumsum(count, dtype=np.int64) - count
    # `reduceat` takes no empty list of places.
    left = np.add.reduceat(over, starts, dtype=np.int64) if len(starts) else starts
    ends = np.cumsum(left)
    kept = np.flatnonzero(left)
    left, ends = left.take(kept), ends.take(kept)
    # Positions ascend inside a run, and so do those of it that are left.
    position = position[over]
    return kept, Entries(
        feature.take(kept),
        # In numbers as short as they are stored in: every document is kept.
        left.astype(count.dtype),
        position.take(ends - left),
        position.take(ends - 1),
        peak.take(kept),
    )


class Summary:
    """A stored summary; a column is decoded when it is first asked for."""

    def __init__(self, buffer: Any, place: Place, n_features: int, floor: Array) -> None:
        """`floor`: of every feature of the reader, float32."""
        self._place, self._floor, self._n_features = place, floor, n_features
        sizes = np.frombuffer(buffer, "<u4", sum(_widths(place.tokens, n_features)), place.offset)
        self._sizes, self._begins = sizes, place.offset + 4 * len(sizes) + np.cumsum(sizes, dtype=np.int64) - sizes
        self._buffer = memoryview(buffer)

    def _column(self, name: str, length: int) -> Array:
        widths = _widths(self._place.tokens, self._n_features)
        number = ORDER.index(name)
        first, width = sum(widths[:number]), widths[number]
        # In whole words of the processor: three bytes of which one is always zero are read as four.
        planes = np.zeros((length, width), np.uint8)
        for byte in range(width):
            size = int(self._sizes[first + byte])
            begin = int(self._begins[first + byte])
            if size == length:
                planes[:, byte] = np.frombuffer(self._buffer, np.uint8, length, begin)
            elif size:
                packed = pa.py_buffer(self._buffer[begin : begin + size])
                planes[:, byte] = np.frombuffer(COMPRESSED.decompress(packed, length), np.uint8)
        return planes.view(f"<u{width}").reshape(length)

    @cached_property
    def feature(self) -> Array:
        gaps = self._column("gap", self._place.runs)
        ascending = np.cumsum(gaps, dtype=np.int64) + np.arange(len(gaps))
        return ascending.astype(Kinds.of(self._n_features, 0).feature)

    @cached_property
    def counts(self) -> Array:
        counts = self._column("count", self._place.runs)
        # One less is stored: a feature that is active nowhere is not here.
        return np.asarray(counts + counts.dtype.type(1))

    @cached_property
    def firsts(self) -> Array:
        return self._column("first", self._place.runs)

    @cached_property
    def lasts(self) -> Array:
        several = np.flatnonzero(self.counts > 1)
        lasts = self.firsts.copy()
        behind = self._column("last", len(several))
        lasts[several] = behind.dtype.type(self._place.tokens - 1) - behind
        return lasts

    @cached_property
    def peak(self) -> Array:
        """With its sign."""
        return self._column("peak", self._place.runs).view("<f4")

    @property
    def peaks(self) -> Array:
        return np.asarray(np.abs(self.peak))

    @property
    def ids(self) -> Array:
        return self._column("id", self._place.tokens)

    @property
    def spans(self) -> Array:
        """Where each token stands in the answer: int32 [tokens, 2], in characters."""
        lengths = self._column("length", self._place.tokens).view("<i4")
        ends = np.cumsum(self._column("start", self._place.tokens).view("<i4") + lengths, dtype=np.int32)
        return np.stack([ends - lengths, ends], axis=1)

    @cached_property
    def _upper(self) -> tuple[Array, Array]:
        """The runs of several tokens of which something is kept, and how many entries of each."""
        runs = _upper(self.feature, self.peak, self.counts, self._floor)
        return runs, self._column("kept", len(runs))

    def over(self, bar: Array) -> Entries:
        size, own = self.peaks, bar.take(self.feature)
        shown = size > own
        if bool((own[shown] < self._floor.take(self.feature[shown])).any()):
            raise UserError(
                "Summaries of answers hold nothing of what lies under their floor, and this comparison asks for "
                "it; choose a larger share of the peak, or 0 for no bar."
            )
        runs, kept = self._upper
        count = np.ones(len(size), self.counts.dtype)
        count[runs] = kept
        # A run of one token is its own entry; one of several whose peak is under the floor has none.
        count[(self.counts > 1) & ~_marked(runs, len(size))] = 0
        ends = np.cumsum(count, dtype=np.int64)
        position = np.zeros(int(ends[-1]) if len(ends) else 0, self.firsts.dtype)
        single = np.flatnonzero(self.counts == 1)
        position[ends[single] - 1] = self.firsts[single]
        of_several = np.repeat(self.counts > 1, count)
        position[of_several] = self._column("position", self._place.coded)
        over = np.repeat(shown, count)
        limit = np.repeat(limits(size[runs], own[runs]), kept)
        over[of_several] &= self._column("code", self._place.coded) < limit
        some = np.flatnonzero(count)
        return gathered(self.feature[some], size[some], count[some], position, over)[1]


def _marked(runs: Array, length: int) -> Array:
    marked = np.zeros(length, bool)
    marked[runs] = True
    return marked


def _upper(feature: Array, peak: Array, count: Array, floor: Array) -> Array:
    return np.flatnonzero((count > 1) & (np.abs(peak) > SPARE * floor.take(feature)))


def _widths(tokens: int, n_features: int) -> list[int]:
    """Bytes of a number in each column."""
    kinds = Kinds.of(n_features, tokens)
    place, feature = np.dtype(kinds.place).itemsize, np.dtype(kinds.feature).itemsize
    return [feature, place, place, place, 4, place, place, 2, 4, 4, 4]


def summed_up(encoding: Encoding, n_features: int, floor: Array) -> tuple[bytes, Place]:
    """An encoding's summary as bytes, and its place but for shard, offset and fed tokens."""
    tokens = len(encoding.ids)
    whole = Whole(encoding)
    several = encoding.count > 1
    runs = _upper(encoding.feature, encoding.peak, encoding.count, floor)
    upper = encoding.of(runs)
    over = upper.over(SPARE * floor.take(upper.feature))
    starts = upper.starts()[:-1]
    ends = np.concatenate([[0], encoding.spans[:, 1]])[:tokens] if tokens else np.empty(0, np.int32)
    columns: dict[str, Array] = {
        "gap": np.diff(encoding.feature.astype(np.int64), prepend=-1) - 1,
        "count": encoding.count.astype(np.int64) - 1,
        "first": whole.firsts,
        "last": (tokens - 1 - whole.lasts.astype(np.int64))[several],
        "peak": np.ascontiguousarray(encoding.peak, "<f4").view("<u4"),
        "kept": np.add.reduceat(over, starts, dtype=np.int64) if len(starts) else starts,
        "position": upper.position[over],
        "code": upper.code[over],
        "id": encoding.ids,
        "start": encoding.spans[:, 0] - ends,
        "length": encoding.spans[:, 1] - encoding.spans[:, 0],
    }
    planes = []
    for name, width in zip(ORDER, _widths(tokens, n_features), strict=True):
        # Differences below zero wrap round and come back as they were.
        numbers = np.ascontiguousarray(columns[name].astype(np.int64).astype(f"<u{width}"))
        planes += [_packed(plane) for plane in numbers.view(np.uint8).reshape(-1, width).T]
    data = np.array([len(plane) for plane in planes], "<u4").tobytes() + b"".join(planes)
    data += bytes(-len(data) % 4)
    place = Place(
        shard=-1,
        offset=0,
        size=len(data),
        fed=0,
        tokens=tokens,
        runs=len(encoding.feature),
        entries=len(encoding.position),
        coded=int(over.sum()),
        signed=int(encoding.negative is not None),
    )
    return data, place._replace(offset=-1, sum=place.check(data))


def _packed(plane: Array) -> bytes:
    """A column of bytes: nothing where all are zero, as it is where packing gains nothing."""
    if not plane.any():
        return b""
    data = plane.tobytes()
    packed: bytes = COMPRESSED.compress(data, asbytes=True)
    return packed if len(packed) < len(data) else data
