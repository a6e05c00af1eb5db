"""What the cache holds of a study's answers: their records, opened by memory map and verified before use.

Promises that no damaged record is given: opening compares files' sizes with the places in them, a record's
checksum is verified before its first use, and each once in a process as long as the file's date stays. Gives bytes
and what they mean; which question is asked of them is for `encodings`.
"""

import mmap
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from diffing.common import damage
from diffing.common.arrays import Array, Bools
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.reader import floors
from diffing.reader.cache import SUMMARIES, VERIFIED, Cache, Kind, map_shard, sound
from diffing.reader.places import remedy, table_path
from diffing.reader.records import NO_SUM, Encoding, Place, from_buffer
from diffing.reader.summaries import Summary
from diffing.study.study import Study


class Held:
    """The records of a study's answers, by document number."""

    def __init__(self, study: Study, table: pd.DataFrame, cache: Cache) -> None:
        self.study, self.cache = study, cache
        self.summed: Bools = table["summary"].to_numpy(bool)
        """Documents of which there is a summary and no positions."""
        self.places = [Place(*row) for row in zip(*(table[name].tolist() for name in Place._fields), strict=True)]
        self.buffers: dict[int, mmap.mmap | bytes] = {}
        """By shard, those with positions."""
        self._sound: dict[tuple[Kind, int], set[int]] = {}
        self._summaries: dict[int, tuple[mmap.mmap | bytes, Array]] = {}
        """By shard, with its floor."""
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
                self._summaries[shard] = buffer, floors.read(buffer)
        else:
            self.buffers[shard] = buffer

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
            buffer = self._summaries[place.shard][0] if kind is SUMMARIES else self.buffers[place.shard]
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
        place = self.places[document]
        buffer = b"" if place.shard < 0 else self.buffers[place.shard]
        self.verify([document])
        return from_buffer(buffer, place, self.cache.n_features)

    def summary(self, document: int) -> Summary:
        """A record without."""
        place = self.places[document]
        buffer, floor = self._summaries[place.shard]
        self.verify([document])
        return Summary(buffer, place, self.cache.n_features, floor)

    def floor(self) -> Array | None:
        """Under which bar of each feature some of the answers' summaries say nothing; None where none says so."""
        parts: Sequence[Array] = [floor for _, floor in self._summaries.values()]
        return np.maximum.reduce(parts) if parts else None
