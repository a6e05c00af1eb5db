"""The cache of encodings: one text's features in a compact record, found again by the content it was made from.

A reader's cache is a folder of append-only shards and an SQLite index beside them; any number of studies and
processes share it. A record's bytes are written before its row is committed, so a process killed at any moment
leaves at most a tail that no row names, which the shard's next writer cuts off. Does not promise durability across
a power cut, nor locks on network disks.

A feature active in a text is a *run*: its peak (float32, exact), how many tokens it is active on, and their
positions. A run of one token needs no more. In a longer run each value is a 16-bit code on a logarithmic scale
that starts at the run's peak: the peak itself is exact, a value down to 1/65,536 of it is within 8.5e-5 of
itself, and a smaller one stays active and is off by at most 1.6e-5 of the peak.
"""

import fcntl
import mmap
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count as numbers
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from diffing.common import files
from diffing.common.arrays import Array

STEPS = 4096
"""Codes to a factor of two: 16 bits then reach 16 factors of two down, to 1/65,536, and half a step is 8.5e-5."""

FACTORS = np.exp2(-np.arange(2**16) / STEPS).astype(np.float32)
"""Value of each code as a share of its run's peak."""

SHARD_LIMIT = 2**30
"""Bytes from which a shard takes no further record.

Few files for a large study, and none so large that copying or checking one is a matter of its own. Chosen by eye.
"""


TABLE = (
    "CREATE TABLE IF NOT EXISTS encodings (key TEXT PRIMARY KEY, shard INTEGER, offset INTEGER, size INTEGER,"
    " fed INTEGER, tokens INTEGER, runs INTEGER, entries INTEGER, coded INTEGER, signed INTEGER) WITHOUT ROWID"
)


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
    """Entries in runs of at least two tokens."""
    signed: int
    """1 where some value is negative."""


INSERT = (
    f"INSERT OR IGNORE INTO encodings (key, {', '.join(Place._fields)})"
    f" VALUES ({', '.join('?' * (1 + len(Place._fields)))})"
)


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
    return data, place._replace(size=len(data))


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


class Cache:
    """One reader's stored encodings. Opening it reads nothing; each call sees what is committed now."""

    def __init__(self, key: str, n_features: int) -> None:
        self.key, self.n_features = key, n_features
        # The parent by itself first: `cache_dir` closes to others only the folder that it is asked for.
        files.cache_dir("encodings")
        self.folder = files.cache_dir(f"encodings/{key}")
        # Two processes that turn a new index to WAL at once would not wait for each other.
        with files.locked(self.folder / "index.lock"), self._index() as index:
            index.execute("PRAGMA journal_mode=WAL")
            index.execute(TABLE)

    @contextmanager
    def _index(self) -> Iterator[sqlite3.Connection]:
        # Others hold it for one batch's rows; a minute of waiting means that something else is wrong.
        with closing(sqlite3.connect(self.folder / "index.sqlite", timeout=60)) as index:
            # A commit outlives the process at any setting; only a power cut would need more.
            index.execute("PRAGMA synchronous=OFF")
            yield index

    def find(self, keys: Iterable[str]) -> dict[str, Place]:
        """The places of those keys that are stored."""
        query = f"SELECT {', '.join(Place._fields)} FROM encodings WHERE key = ?"
        with self._index() as index:
            rows = ((key, index.execute(query, (key,)).fetchone()) for key in keys)
            return {key: Place(*row) for key, row in rows if row is not None}

    def path(self, shard: int) -> Path:
        return self.folder / f"{shard:04d}.bin"

    def read(self, place: Place) -> Encoding:
        """One record; to read many, map the shard once with `map_shard`."""
        return from_buffer(map_shard(self.path(place.shard)), place, self.n_features)

    @contextmanager
    def writer(self) -> Iterator["Writer"]:
        """A writer with a shard of its own for the time of the block."""
        with closing(self._own_shard()) as writer:
            yield writer

    def _own_shard(self) -> "Writer":
        for shard in numbers():
            file = self.path(shard).open("ab")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Another process writes here; rather than wait, take the next.
                file.close()
                continue
            with self._index() as index:
                query = "SELECT COALESCE(MAX(offset + size), 0) FROM encodings WHERE shard = ?"
                end = int(index.execute(query, (shard,)).fetchone()[0])
            if end < SHARD_LIMIT:
                # What a killed writer left behind its last commit is in no row.
                file.truncate(end)
                return Writer(self, shard, file, end)
            file.close()
        raise AssertionError("unreachable: there is always a next number")


class Writer:
    """Appends records to a shard that it holds alone."""

    def __init__(self, cache: Cache, shard: int, file: IO[bytes], end: int) -> None:
        self.cache, self.shard, self.file, self.end = cache, shard, file, end

    def add(self, records: Sequence[tuple[str, int, Encoding]]) -> None:
        """Store (key, fed tokens, encoding) triples, all or none; a key that another process stored stays."""
        rows, offset = [], self.end
        for key, fed, encoding in records:
            data, place = to_bytes(encoding, self.cache.n_features)
            self.file.write(data)
            rows.append((key, *place._replace(shard=self.shard, offset=offset, fed=fed)))
            offset += place.size
        # Bytes before rows: a row must never name what is not there.
        self.file.flush()
        self.end = offset
        with self.cache._index() as index, index:
            index.executemany(INSERT, rows)
        if self.end >= SHARD_LIMIT:
            self.close()
            fresh = self.cache._own_shard()
            self.shard, self.file, self.end = fresh.shard, fresh.file, fresh.end

    def close(self) -> None:
        self.file.close()


def map_shard(path: Path) -> mmap.mmap | bytes:
    """A shard's bytes by memory map; an empty file cannot be mapped."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
