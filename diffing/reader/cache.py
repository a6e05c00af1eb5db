"""The cache of encodings: one text's features in a compact record, found again by the content it was made from.

A reader's cache is a folder of append-only shards and an SQLite index beside them; any number of studies and
processes share it. A text is kept with the positions of its features, or as a summary (`Cache.summaries`): both
have files and a table of their own, written in the same way. A record's bytes are written before its row is
committed, so a process killed at any moment leaves at most a tail that no row names, which the shard's next
writer cuts off. A row holds its record's checksum, so that a damaged record is noticed when it is read (`held`
says when) and dropped by `drop_damaged`; its place is never given to another record. Not promised: durability
across a power cut, and locks on network disks.
"""

import fcntl
import logging
import mmap
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import count as numbers
from pathlib import Path
from typing import IO, Any, NamedTuple

from diffing.common import files
from diffing.common.arrays import Array
from diffing.reader import floors
from diffing.reader.memory import AT_ONCE, let_go
from diffing.reader.records import NO_SUM, Encoding, Place, from_buffer, to_bytes
from diffing.reader.summaries import summed_up

logger = logging.getLogger(__name__)

SHARD_LIMIT = 2**30
"""Bytes from which a shard takes no further record.

Few files for a large study, and none so large that copying or checking one is a matter of its own. Chosen by eye.
"""


COLUMNS = ", ".join(Place._fields).replace("sum", f"COALESCE(sum, {NO_SUM})")


class Kind(NamedTuple):
    """How a text is kept: which table names its records, and how the names of their files end."""

    table: str
    retired: str
    """The table of shards that take no further record: one was dropped, and studies may still name its place."""
    ending: str

    @property
    def made(self) -> tuple[str, str]:
        return (
            f"CREATE TABLE IF NOT EXISTS {self.table} (key TEXT PRIMARY KEY, shard INTEGER, offset INTEGER,"
            " size INTEGER, fed INTEGER, tokens INTEGER, runs INTEGER, entries INTEGER, coded INTEGER,"
            " signed INTEGER, sum INTEGER) WITHOUT ROWID",
            f"CREATE TABLE IF NOT EXISTS {self.retired} (shard INTEGER PRIMARY KEY)",
        )

    @property
    def insert(self) -> str:
        marks = ", ".join("?" * (1 + len(Place._fields)))
        return f"INSERT OR IGNORE INTO {self.table} (key, {', '.join(Place._fields)}) VALUES ({marks})"


POSITIONS = Kind("encodings", "retired", "bin")
SUMMARIES = Kind("summaries", "retired_summaries", "sum")


class Cache:
    """One reader's stored encodings. Opening it reads nothing; each call sees what is committed now."""

    def __init__(self, key: str, n_features: int, kind: Kind = POSITIONS) -> None:
        self.key, self.n_features, self.kind = key, n_features, kind
        self.folder = files.home() / "cache" / "encodings" / key
        self._prepared = False

    @property
    def summaries(self) -> "Cache":
        """The same reader's summaries."""
        return Cache(self.key, self.n_features, SUMMARIES)

    def _prepare(self) -> None:
        """Make what a writer needs: folder, index, and what an older version's index lacks."""
        if self._prepared and self._index_path.exists():
            return
        # The parent by itself first: `cache_dir` closes to others only the folder that it is asked for.
        files.cache_dir("encodings")
        files.cache_dir(f"encodings/{self.key}")
        # Two processes that turn a new index to WAL at once would not wait for each other.
        with files.locked(self.folder / "index.lock"):
            self._set_aside_if_damaged()
            fresh = not self._index_path.exists()
            with self._index() as index, index:
                index.execute("PRAGMA journal_mode=WAL")
                for kind in (POSITIONS, SUMMARIES):
                    for statement in kind.made:
                        index.execute(statement)
                if "sum" not in {row[1] for row in index.execute("PRAGMA table_info(encodings)")}:
                    index.execute("ALTER TABLE encodings ADD COLUMN sum INTEGER")
                if fresh:
                    # Studies may name places in shards whose index is gone.
                    for kind in (POSITIONS, SUMMARIES):
                        old = [(int(path.stem),) for path in self.folder.glob(f"[0-9]*.{kind.ending}")]
                        index.executemany(f"INSERT OR IGNORE INTO {kind.retired} VALUES (?)", old)
        self._prepared = True

    def _set_aside_if_damaged(self) -> None:
        """An index that SQLite cannot read is derived data: it goes aside, and what it named is read again."""
        if not self._index_path.exists() and not self._index_path.is_symlink():
            return
        try:
            with self._index() as index:
                if index.execute("PRAGMA quick_check").fetchone()[0] == "ok":
                    return
        except sqlite3.OperationalError as error:
            if not self._index_path.is_dir():
                raise
            logger.warning("The index of the encodings is a folder (%s); it goes aside", error)
        except sqlite3.DatabaseError as error:
            logger.warning("The index of the encodings is damaged (%s); it goes aside", error)
        stamp = files.now().replace(":", "")
        for end in ("", "-wal", "-shm"):
            path = self._index_path.with_name(f"index.sqlite{end}")
            if path.exists():
                path.rename(path.with_name(f"damaged-{stamp}-{path.name}"))

    @property
    def _index_path(self) -> Path:
        return self.folder / "index.sqlite"

    @contextmanager
    def _index(self) -> Iterator[sqlite3.Connection]:
        # Others hold it for one batch's rows; a minute of waiting means that something else is wrong.
        with closing(sqlite3.connect(self._index_path, timeout=60)) as index:
            # A commit outlives the process at any setting; only a power cut would need more.
            index.execute("PRAGMA synchronous=OFF")
            yield index

    def find(self, keys: Iterable[str]) -> dict[str, Place]:
        """The places of those keys that are stored."""
        if not self._index_path.exists():
            return {}
        self._prepare()
        query = f"SELECT {COLUMNS} FROM {self.kind.table} WHERE key = ?"
        with self._index() as index:
            rows = ((key, index.execute(query, (key,)).fetchone()) for key in keys)
            return {key: Place(*row) for key, row in rows if row is not None}

    def known(self, keys: Iterable[str]) -> dict[str, Place]:
        """The same as `find` without a lock or a change of any file, for who looks from another machine.

        What was committed last may be missing, and so may all: then it is read once more than it need be.
        """
        query = f"SELECT {COLUMNS} FROM {self.kind.table} WHERE key = ?"
        address = f"{self._index_path.as_uri()}?immutable=1"
        found = {}
        try:
            with closing(sqlite3.connect(address, uri=True)) as index:
                for key in keys:
                    if (row := index.execute(query, (key,)).fetchone()) is not None:
                        found[key] = Place(*row)
        except sqlite3.DatabaseError as error:
            logger.info("The index cannot be looked at: %s", error)
        return found

    def committed(self, shards: Iterable[int]) -> dict[tuple[int, int], Place]:
        """All places in some shards by shard and offset, also where nothing can be written."""
        query = f"SELECT {COLUMNS} FROM {self.kind.table} WHERE shard = ?"
        for how in ("mode=ro", "immutable=1"):
            # On a read-only disk SQLite cannot make the file by which readers and writers agree.
            address = f"{self._index_path.as_uri()}?{how}"
            try:
                with closing(sqlite3.connect(address, uri=True)) as index:
                    names = {row[1] for row in index.execute(f"PRAGMA table_info({self.kind.table})")}
                    asked = query if "sum" in names else query.replace(f"COALESCE(sum, {NO_SUM})", str(NO_SUM))
                    rows = [Place(*row) for shard in shards for row in index.execute(asked, (shard,))]
                    return {(place.shard, place.offset): place for place in rows}
            except sqlite3.DatabaseError as error:
                logger.info("The index cannot be opened with %s: %s", how, error)
        return {}

    def path(self, shard: int) -> Path:
        return self.folder / f"{shard:04d}.{self.kind.ending}"

    def read(self, place: Place) -> Encoding:
        """One record; to read many, map the shard once with `map_shard`."""
        return from_buffer(map_shard(self.path(place.shard)), place, self.n_features)

    def drop_damaged(self, keys: Iterable[str]) -> int:
        """Forget those of the keys whose record is gone, cut or changed, so that they are read again.

        What an older version wrote has no checksum and gets one if it is there whole. Reads every record once.
        """
        by_shard: dict[int, list[tuple[str, Place]]] = {}
        for key, place in self.find(keys).items():
            by_shard.setdefault(place.shard, []).append((key, place))
        dropped: list[tuple[str, int, int]] = []
        given: list[tuple[int, str]] = []
        for shard, records in by_shard.items():
            buffer = shard_bytes(self.path(shard))
            headed, read = self._headed(buffer), 0
            for key, place in records:
                read += place.size
                if read > AT_ONCE:
                    read = 0
                    let_go(buffer)
                if not headed or not sound(buffer, place):
                    dropped.append((key, shard, place.offset))
                elif place.sum == NO_SUM:
                    given.append((place.check(buffer), key))
        if dropped or given:
            with self._index() as index, index:
                index.executemany(f"UPDATE {self.kind.table} SET sum = ? WHERE key = ?", given)
                # By the place too: another process may have healed it by now.
                gone = f"DELETE FROM {self.kind.table} WHERE key = ? AND shard = ? AND offset = ?"
                index.executemany(gone, dropped)
                shards = {(shard,) for _, shard, _ in dropped}
                index.executemany(f"INSERT OR IGNORE INTO {self.kind.retired} VALUES (?)", sorted(shards))
        return len(dropped)

    def _headed(self, buffer: Any) -> bool:
        """Whether a file's head is whole, where it has one."""
        if self.kind is not SUMMARIES:
            return True
        try:
            return len(floors.read(buffer)) == self.n_features
        except ValueError:
            return False

    @contextmanager
    def writer(self, floor: Array | None = None) -> Iterator["Writer"]:
        """A writer with a shard of its own for the time of the block; of summaries, under a floor."""
        with closing(self._own_shard(b"" if floor is None else floors.head(floor), floor)) as writer:
            yield writer

    def _own_shard(self, head: bytes, floor: Array | None) -> "Writer":
        self._prepare()
        for shard in numbers():
            with self._index() as index:
                if index.execute(f"SELECT 1 FROM {self.kind.retired} WHERE shard = ?", (shard,)).fetchone():
                    continue
            try:
                file = self.path(shard).open("a+b", buffering=0)
            except IsADirectoryError:
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Another process writes here; rather than wait, take the next.
                file.close()
                continue
            with self._index() as index:
                query = f"SELECT COALESCE(MAX(offset + size), 0) FROM {self.kind.table} WHERE shard = ?"
                end = int(index.execute(query, (shard,)).fetchone()[0])
            size = self.path(shard).stat().st_size
            # Only what was written under the same floor stands in one file.
            if end < SHARD_LIMIT and end <= size and (end == 0 or _begins(file, head)):
                # What a killed writer left behind its last commit is in no row.
                file.truncate(end)
                if end == 0:
                    write_all(file, head)
                return Writer(self, shard, file, max(end, len(head)), head, floor)
            # Full, or shorter than its rows say: extending it would turn what is missing into zeros.
            file.close()
        raise AssertionError("unreachable: there is always a next number")


def _begins(file: IO[bytes], head: bytes) -> bool:
    file.seek(0)
    return file.read(len(head)) == head


VERIFIED: dict[tuple[str, int, int], set[int]] = {}
"""Offsets of the records that this process found sound, by shard as it stood then: path, size, date."""


class Writer:
    """Appends records to a shard that it holds alone."""

    def __init__(
        self, cache: Cache, shard: int, file: IO[bytes], end: int, head: bytes, floor: Array | None
    ) -> None:
        self.cache, self.shard, self.file, self.end = cache, shard, file, end
        self.head, self.floor = head, floor

    def add(self, records: Sequence[tuple[str, int, Encoding]]) -> None:
        """Store (key, fed tokens, encoding) triples, all or none; a key that another process stored stays."""
        made = []
        for key, fed, encoding in records:
            if self.floor is None:
                data, place = to_bytes(encoding, self.cache.n_features)
            else:
                data, place = summed_up(encoding, self.cache.n_features, self.floor)
            made.append((key, data, place._replace(fed=fed)))
        self.copy(made)

    def copy(self, records: Sequence[tuple[str, Any, Place]]) -> None:
        """The same with records that are bytes already, each with the lengths that its place has."""
        rows, parts, offset = [], [], self.end
        for key, data, place in records:
            parts.append(data)
            rows.append((key, *place._replace(shard=self.shard, offset=offset)))
            offset += place.size
        try:
            # Bytes before rows: a row must never name what is not there.
            write_all(self.file, b"".join(parts))
            with self.cache._index() as index, index:
                index.executemany(self.cache.kind.insert, rows)
        except BaseException:
            # Bytes of a failed write would shift all that come after them.
            self.file.truncate(self.end)
            raise
        self.end = offset
        if self.end >= SHARD_LIMIT:
            self.close()
            fresh = self.cache._own_shard(self.head, self.floor)
            self.shard, self.file, self.end = fresh.shard, fresh.file, fresh.end

    def close(self) -> None:
        self.file.close()


def write_all(file: IO[bytes], data: bytes) -> None:
    """All of it: an unbuffered file takes what fits, and says so."""
    view = memoryview(data)
    while len(view):
        view = view[file.write(view) :]


def sound(buffer: Any, place: Place) -> bool:
    """Whether a shard's bytes hold the record that a place names."""
    if place.offset < 0 or place.size < 0 or place.offset + place.size > len(buffer):
        return False
    return place.sum in (NO_SUM, place.check(buffer))


def shard_bytes(path: Path) -> "mmap.mmap | bytes":
    """A shard's bytes; none where there is no such file."""
    try:
        return map_shard(path)
    except (FileNotFoundError, IsADirectoryError):
        return b""


def map_shard(path: Path) -> mmap.mmap | bytes:
    """A shard's bytes by memory map; an empty file cannot be mapped."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
