"""A record of the cache: one text's features in a few typed columns, and the place that says where it lies.

A feature active in a text is a *run*: its peak (float32, exact), how many tokens it is active on, and their
positions. A run of one token needs no more. In a longer run each value is a 16-bit code on a logarithmic scale
that starts at the run's peak: the peak itself is exact, a value down to 1/65,536 of it is within 8.5e-5 of
itself, and a smaller one stays active and is off by at most 1.6e-5 of the peak.
"""

import zlib
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from diffing.common.arrays import Array, ranges

STEPS = 4096
"""Codes to a factor of two: 16 bits then reach 16 factors of two down, to 1/65,536, and half a step is 8.5e-5."""

FACTORS = np.exp2(-np.arange(2**16) / STEPS).astype(np.float32)
"""Value of each code as a share of its run's peak."""

NO_SUM = -1
"""The checksum of a record that an older version wrote: it is accepted by its size."""


class Place(NamedTuple):
    """Where a record lies, and how long its parts are."""

    shard: int
    offset: int
    size: int
    fed: int
    """Tokens that went through the reader for it, template and overlaps included."""
    tokens: int
    """Tokens of the answer itself."""
    runs: int
    """Features active anywhere in the answer."""
    entries: int
    """(feature, token) pairs that are active."""
    coded: int
    """Entries whose code is stored: those in runs of at least two tokens; of a summary those above its floor."""
    signed: int
    """1 where some value is negative."""
    sum: int = NO_SUM
    """CRC-32 of the record and of the lengths above, without which its bytes mean something else."""

    def check(self, buffer: Any) -> int:
        """What the sum should be, by the bytes in a shard."""
        lengths = f"{self.tokens} {self.runs} {self.entries} {self.coded} {self.signed}".encode()
        return zlib.crc32(memoryview(buffer)[self.offset : self.offset + self.size], zlib.crc32(lengths))


@dataclass(frozen=True, slots=True)
class Encoding:
    """One text's features: runs by ascending feature, and inside a run positions ascending."""

    ids: Array
    """Token ids of the answer, uint32."""
    spans: Array
    """Where each token stands in the answer: int32 [tokens, 2], in characters."""
    feature: Array
    peak: Array
    """Value of the largest magnitude in each run, float32."""
    count: Array
    """Active tokens in each run."""
    position: Array
    """Token positions in the answer, run after run."""
    code: Array
    """Codes of the entries in runs of at least two tokens, uint16."""
    negative: Array | None = None
    """For each entry whether its value is below zero; None where none is."""

    def starts(self) -> Array:
        """Where each run begins among the entries, and where the last one ends."""
        return np.concatenate([[0], np.cumsum(self.count, dtype=np.int64)])

    def values(self) -> Array:
        """The activation of each entry."""
        shared = self.count > 1
        values = np.repeat(self.peak, self.count)
        values[np.repeat(shared, self.count)] *= FACTORS[self.code]
        if self.negative is not None:
            values = np.where(self.negative, -np.abs(values), np.abs(values))
        return values

    def of(self, runs: Array) -> "Encoding":
        """Some of the runs alone, ascending; of the others nothing is read but their counts."""
        count = self.count[runs].astype(np.int64)
        entries = ranges(self.starts()[runs], count)
        # Runs of one token have no code: theirs is the peak.
        own = np.where(self.count > 1, self.count, 0).astype(np.int64)
        behind = np.cumsum(own)
        return replace(
            self,
            feature=self.feature[runs],
            peak=self.peak[runs],
            count=self.count[runs],
            position=self.position[entries],
            code=self.code[ranges((behind - own)[runs], own[runs])],
            negative=None if self.negative is None else self.negative[entries],
        )

    def over(self, bar: Array) -> Array:
        """Which entries are larger than their run's bar (one for each run), whatever their sign.

        Compares codes, as that is quicker than giving each entry its value; to half a step it is the same.
        """
        size = np.abs(self.peak)
        over = np.repeat(size > bar, self.count)
        shared = np.flatnonzero(self.count > 1)
        limit = limits(size.take(shared), bar.take(shared))
        over[np.repeat(self.count > 1, self.count)] = self.code < np.repeat(limit, self.count.take(shared))
        return over


def limits(size: Array, bar: Array) -> Array:
    """Codes below this are above the bar, in runs whose peaks have some size."""
    # Where there is no bar, or next to none, all codes are; no run has a peak of 0.
    with np.errstate(divide="ignore", over="ignore"):
        limit = np.ceil(STEPS * np.log2(size / bar))
    return np.asarray(np.clip(limit, 0, 2**16), np.int32)


class Kinds(NamedTuple):
    """Types of a record's columns."""

    feature: str
    place: str
    """Of positions and counts."""

    @classmethod
    def of(cls, n_features: int, tokens: int) -> "Kinds":
        return cls("<u2" if n_features <= 2**16 else "<u4", "<u2" if tokens < 2**16 else "<u4")


def columns(place: Place, n_features: int) -> dict[str, tuple[str, int, int]]:
    """Each column's type, first byte within the record, and length; wide ones first, so that all are aligned.

    The fields of `place` may be arrays, of records that are all long or all short (see `Kinds`).
    """
    kinds = Kinds.of(n_features, int(np.max(place.tokens)))
    sizes = {
        "spans": ("<i4", 2 * place.tokens),
        "ids": ("<u4", place.tokens),
        "peak": ("<f4", place.runs),
        "count": (kinds.place, place.runs),
        "position": (kinds.place, place.entries),
        "feature": (kinds.feature, place.runs),
        "code": ("<u2", place.coded),
        "negative": ("u1", -(-place.entries // 8) * place.signed),
    }
    laid_out, start = {}, 0
    for name, (kind, length) in sorted(sizes.items(), key=lambda item: -np.dtype(item[1][0]).itemsize):
        laid_out[name] = (kind, start, length)
        # Not in place: with arrays, that would change what was just stored.
        start = start + np.dtype(kind).itemsize * length
    return laid_out


def to_bytes(encoding: Encoding, n_features: int) -> tuple[bytes, Place]:
    """A record, and its place but for shard, offset and fed tokens; its length is a multiple of four bytes."""
    signed = encoding.negative is not None
    place = Place(
        shard=-1,
        offset=-1,
        size=0,
        fed=0,
        tokens=len(encoding.ids),
        runs=len(encoding.feature),
        entries=len(encoding.position),
        coded=len(encoding.code),
        signed=int(signed),
    )
    parts = []
    for name, (kind, _, length) in columns(place, n_features).items():
        column = getattr(encoding, name)
        if name == "negative":
            column = np.packbits(column) if signed else np.empty(0, np.uint8)
        parts.append(np.ascontiguousarray(column, dtype=kind).reshape(length).tobytes())
    data = b"".join(parts)
    # So that the next record's widest columns begin at a multiple of their own size.
    data += bytes(-len(data) % 4)
    place = place._replace(size=len(data))
    return data, place._replace(sum=place._replace(offset=0).check(data))


def from_buffer(buffer: Any, place: Place, n_features: int) -> Encoding:
    """The record's columns as views into the buffer."""
    views = {
        name: np.frombuffer(buffer, kind, length, place.offset + start)
        for name, (kind, start, length) in columns(place, n_features).items()
    }
    negative = np.unpackbits(views.pop("negative"), count=place.entries).astype(bool) if place.signed else None
    views.pop("negative", None)
    views["spans"] = views["spans"].reshape(-1, 2)
    return Encoding(**views, negative=negative)
