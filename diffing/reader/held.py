"""What the cache holds of a study's answers: their records, opened by memory map or fetched from afar (`far`).

Promises that no damaged record is given: opening compares files' sizes with the places in them, a record's
checksum is verified before its first use, and each once in a process as long as the file's date stays. Gives bytes
and what they mean; which question is asked of them is for `encodings`.
"""

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from diffing.common import damage
from diffing.common.arrays import Array, Bools
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.reader import far, floors
from diffing.reader.cache import SUMMARIES, VERIFIED, Cache, Kind, map_shard, sound
from diffing.reader.far import Far, Range
from diffing.reader.memory import AT_ONCE, let_go
from diffing.reader.places import remedy, table_path
from diffing.reader.records import NO_SUM, Encoding, Place, columns, from_buffer
from diffing.reader.summaries import Summary
from diffing.study.study import Study

AHEAD = 64
"""Records that are fetched at once where one after another is asked for: some four megabytes of summaries, in
which the time that a single answer takes on the way hardly counts."""


class Group(NamedTuple):
    """Documents whose records lie in one shard and have one layout, to be searched at once."""

    rows: Array
    buffer: mmap.mmap | bytes
    places: Any
    """A `Place` whose fields are arrays."""
    n_features: int

    def words(self, column: str) -> tuple[Array, Array]:
        """The shard as an array of the column's type, and where in it each document's column begins."""
        kind, start, _ = columns(self.places, self.n_features)[column]
        size = np.dtype(kind).itemsize
        return np.frombuffer(self.buffer, kind, len(self.buffer) // size), (self.places.offset + start) // size


class Places:
    """Where each document's record lies, as one table of numbers: a million objects would take half a gigabyte."""

    def __init__(self, values: Array) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, document: int) -> Place:
        return Place(*self.values[document].tolist())

    def __setitem__(self, document: int, place: Place) -> None:
        self.values[document] = place

    def __iter__(self) -> Iterator[Place]:
        return (self[document] for document in range(len(self)))


class Held:
    """The records of a study's answers, by document number."""

    def __init__(self, study: Study, table: pd.DataFrame, cache: Cache) -> None:
        self.study, self.cache = study, cache
        self.summed: Bools = table["summary"].to_numpy(bool)
        """Documents of which there is a summary and no positions."""
        self.places = Places(np.column_stack([table[name].to_numpy(np.int64) for name in Place._fields]))
        self.buffers: dict[int, mmap.mmap | bytes] = {}
        """By shard, those with positions."""
        self._sound: dict[tuple[Kind, int], set[int]] = {}
        self._summaries: dict[int, mmap.mmap | bytes] = {}
        self._read = 0
        """Bytes that were read since their pages were last given back."""
        self._floors: dict[int, Array] = {}
        """By shard of summaries."""
        self._far: dict[tuple[Kind, int], Far] = {}
        """Files that this machine does not have."""
        self._fetched: dict[int, bytes] = {}
        """Records of such files by document, the last ones that were asked for."""
        # Far from the first one, so that nothing follows what was never asked for.
        self._last = -AHEAD - 1
        self.packed = self.summed.copy()
        """Documents whose columns cannot be searched where they lie: summaries, and what is far."""
        self._shards = table["shard"].to_numpy(np.int64)
        read = (table["error"] == "").to_numpy(bool)
        if bool((table["sum"].to_numpy() == NO_SUM)[read].any()):
            self._compare_with_index(table, read)
        for kind, which in ((cache.kind, read & ~self.summed), (SUMMARIES, read & self.summed)):
            ends = (table["offset"] + table["size"])[which].groupby(table["shard"][which]).max()
            starts = table["offset"][which].groupby(table["shard"][which]).min()
            for shard, end in ends.items():
                self._open(kind, int(shard), int(starts[shard]), int(end))

    # Files.

    def _cache(self, kind: Kind) -> Cache:
        return self.cache.summaries if kind is SUMMARIES else self.cache

    def _open(self, kind: Kind, shard: int, start: int, end: int) -> None:
        """Map a shard, after comparing its size with the places in it."""
        path, again = self._cache(kind).path(shard), remedy(self.study)
        elsewhere = None if path.exists() else far.place(self.cache.key)
        if elsewhere is not None and self._open_far(elsewhere, kind, shard, start, end):
            return
        try:
            with damage.reading(path, again):
                state = path.stat()
                buffer = map_shard(path)
        except Damaged as error:
            if isinstance(error.__cause__, FileNotFoundError):
                gone = f"The encodings of '{self.study.name}' are gone from the cache"
                raise UserError(f"{gone}; {again}.") from error
            raise
        if end > len(buffer) or start < 0:
            raise Damaged(path, f"it has {len(buffer):,} bytes, and the study's records go on after them", again)
        self._sound[kind, shard] = VERIFIED.setdefault((str(path), state.st_size, state.st_mtime_ns), set())
        if kind is SUMMARIES:
            with damage.reading(path, again):
                self._floors[shard], self._summaries[shard] = floors.read(buffer), buffer
        else:
            self.buffers[shard] = buffer

    def _open_far(self, elsewhere: Far, kind: Kind, shard: int, start: int, end: int) -> bool:
        """The same of a file that lies elsewhere; whether there is one."""
        path, again = self._cache(kind).path(shard), remedy(self.study)
        size = elsewhere.size(path.name)
        if size is None:
            return False
        if end > size or start < 0:
            raise Damaged(path, f"it has {size:,} bytes there, and the study's records go on after them", again)
        if kind is SUMMARIES:
            with damage.reading(path, again):
                (first,) = elsewhere.ranges([Range(path.name, 0, floors.HEAD)])
                (head,) = elsewhere.ranges([Range(path.name, 0, floors.length(first))])
                self._floors[shard] = floors.read(head)
        self._far[kind, shard] = elsewhere
        self.packed |= (self._shards == shard) & (self.summed == (kind is SUMMARIES))
        return True

    def _compare_with_index(self, table: pd.DataFrame, read: Bools) -> None:
        """A table of an older version holds no checksums: its places must be those that the index still names."""
        known = self.cache.committed(sorted(set(table.loc[read, "shard"].tolist())))
        for row in np.flatnonzero(read).tolist():
            place = self.places[row]
            if place.sum != NO_SUM:
                continue
            now = known.get((place.shard, place.offset))
            # No index, or one that cannot be opened, is none of the records' fault.
            if known and (now is None or now._replace(sum=NO_SUM) != place):
                again = remedy(self.study)
                raise Damaged(table_path(self.study), "the cache has other records in its places by now", again)
            self.places[row] = now or place

    def verify(self, documents: Iterable[int]) -> None:
        """Raise where a record is not the one that was written; each is looked at once."""
        for document in documents:
            place, kind = self.places[document], self._kind(document)
            seen = self._sound.get((kind, place.shard))
            if seen is None or place.offset in seen:
                continue
            buffer = self._summaries[place.shard] if kind is SUMMARIES else self.buffers[place.shard]
            self._count(place.size)
            if not sound(buffer, place):
                path: Path = self._cache(kind).path(place.shard)
                raise Damaged(path, "a record is not what was written", remedy(self.study))
            seen.add(place.offset)

    def _kind(self, document: int) -> Kind:
        return SUMMARIES if self.summed[document] else self.cache.kind

    # Records.

    def encoding(self, document: int) -> Encoding:
        """A record with positions."""
        assert not self.summed[document]
        buffer, place = self._bytes(document)
        return from_buffer(buffer, place, self.cache.n_features)

    def summary(self, document: int) -> Summary:
        """A record without."""
        buffer, place = self._bytes(document)
        return Summary(buffer, place, self.cache.n_features, self._floors[place.shard])

    def _bytes(self, document: int) -> tuple[Any, Place]:
        """A verified record: a buffer, and its place in that."""
        place, kind = self.places[document], self._kind(document)
        if place.shard < 0:
            return b"", place
        if (kind, place.shard) in self._far:
            if document not in self._fetched:
                self._fetch(document)
            self._last = document
            return self._fetched[document], place._replace(offset=0)
        self.verify([document])
        self._count(place.size)
        return (self._summaries if kind is SUMMARIES else self.buffers)[place.shard], place

    def _count(self, size: int) -> None:
        """After so many bytes were read, give back what memory their pages take."""
        self._read += size
        if self._read > AT_ONCE:
            self._read = 0
            for buffer in (*self.buffers.values(), *self._summaries.values()):
                let_go(buffer)

    def _fetch(self, document: int) -> None:
        """Bring a record that is far, and the next ones where they are asked for one after another."""
        near = 0 < document - self._last <= AHEAD
        wanted = []
        for number in range(document, min(document + AHEAD, len(self.places)) if near else document + 1):
            place, kind = self.places[number], self._kind(number)
            if place.shard >= 0 and (kind, place.shard) in self._far:
                name = self._cache(kind).path(place.shard).name
                wanted.append((number, Range(name, place.offset, place.offset + place.size)))
        elsewhere = self._far[self._kind(document), self.places[document].shard]
        self._fetched = dict([*self._fetched.items()][-AHEAD:])
        for (number, part), data in zip(wanted, elsewhere.ranges([part for _, part in wanted]), strict=True):
            if not sound(data, self.places[number]._replace(offset=0)):
                path = self._cache(self._kind(number)).folder / part.name
                raise Damaged(path, "a record is not what was written", remedy(self.study))
            self._fetched[number] = data

    def floor(self) -> Array | None:
        """Under which bar of each feature some of the answers' summaries say nothing; None where none says so."""
        parts = [*self._floors.values()]
        return np.maximum.reduce(parts) if parts else None

    def groups(self) -> list[Group]:
        """The documents with positions and active features, by shard and layout."""
        places = self.places.values
        shard_of, tokens, runs = (places[:, Place._fields.index(name)] for name in ("shard", "tokens", "runs"))
        groups = []
        for shard, buffer in self.buffers.items():
            # Long texts have positions and counts of four bytes (`cache.Kinds`), so their columns lie elsewhere.
            for wide in (False, True):
                here = ~self.summed & (shard_of == shard) & (runs > 0) & ((tokens >= 2**16) == wide)
                rows = np.flatnonzero(here)
                if len(rows):
                    groups.append(Group(rows, buffer, Place(*places[rows].T), self.cache.n_features))
        return groups
