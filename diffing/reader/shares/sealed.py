"""Sealed folders: records that one worker put aside whole, to be copied into the cache by whoever joins them.

A folder holds the records' bytes, an index with a key and a place for each, and a manifest with who made it and
the checksums of both; how it gets its place is `sealing`'s. Promises that what has been read for a minute is
sealed, that a record is copied only where its checksum fits, and that nothing here depends on how a record is laid
out.
"""

import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import IO, Any, NamedTuple

from pydantic import BaseModel

from diffing.common import damage, files
from diffing.common.damage import Damaged
from diffing.jobs.machines import sealing, seen
from diffing.reader.cache import map_shard, sound, write_all
from diffing.reader.records import Encoding, Place, to_bytes

RECORDS, INDEX = "records.bin", "index.json"

BYTES = 2**28
"""From which a folder is sealed and the next one begun: some thousand answers, and a million of them in about a
thousand folders. Chosen by eye."""
SECONDS = 60.0
"""After which it is, too: the most that a kill costs."""


class Manifest(BaseModel):
    """Who made a sealed folder, of what, and what should be in it."""

    reader: str
    n_features: int
    study: str
    part: str
    """The share as `3/16`, or how else the work was dealt."""
    machine: str
    device: str
    created: str
    count: int
    """Records."""
    tokens: int
    failures: dict[str, str]
    """Why an answer could not be read, by its key."""
    versions: dict[str, str]
    fields: list[str]
    """Of a place in the index."""
    sums: dict[str, tuple[int, int]]
    """Size and CRC-32 of each file, by its name."""


class About(NamedTuple):
    """What a worker writes into each of its manifests."""

    reader: str
    n_features: int
    study: str
    part: str
    device: str

    def manifest(self, **more: Any) -> Manifest:
        names = ("torch", "transformers", "numpy")
        told = self._asdict() | {"machine": seen.machine(), "created": files.now()}
        return Manifest(**told, versions={name: version(name) for name in names}, **more)


def put(root: Path, name: str, manifest: Manifest, write: Mapping[str, Any]) -> Path | None:
    """A folder of whole files, sealed; None where one of that name is there. `write` has bytes by file name."""
    making = sealing.begun(root, sealing.unlike(name))
    sums = {file_name: sealing.written(making / file_name, data) for file_name, data in write.items()}
    told = manifest.model_copy(update={"sums": manifest.sums | sums})
    return sealing.seal(root, making, name, told.model_dump(mode="json"))


class Sealing:
    """One worker's records, folder after folder; takes what `cache.Writer` takes."""

    def __init__(self, root: Path, about: About, name: str) -> None:
        """`name` begins the folders' names: unlike any other worker's."""
        self.root, self.about, self.name = root, about, name
        self.places: dict[str, Place] = {}
        """Of all that this worker wrote; offsets are within their folders."""
        self.sealed: list[Path] = []
        self._numbers = 0
        self._folder: Path | None = None
        self._file: IO[bytes] | None = None
        self._rows: list[tuple[Any, ...]] = []
        self._end = self._crc = 0
        self._began = monotonic()

    def add(self, records: Sequence[tuple[str, int, Encoding]]) -> None:
        """Store (key, fed tokens, encoding) triples, all or none."""
        if self._file is None:
            self._begin()
        assert self._file is not None
        rows, parts, offset = [], [], self._end
        for key, fed, encoding in records:
            data, place = to_bytes(encoding, self.about.n_features)
            parts.append(data)
            rows.append((key, place._replace(shard=-1, offset=offset, fed=fed)))
            offset += place.size
        data = b"".join(parts)
        try:
            write_all(self._file, data)
        except BaseException:
            # Bytes of a failed write would shift all that come after them.
            self._file.truncate(self._end)
            raise
        self._crc, self._end = zlib.crc32(data, self._crc), offset
        self._rows += [(key, *place) for key, place in rows]
        self.places.update(rows)
        if self._end >= BYTES or monotonic() - self._began > SECONDS:
            self.seal()

    def _begin(self) -> None:
        self._numbers += 1
        self._folder = sealing.begun(self.root, f"{self.name}-{self._numbers:04d}")
        handle = files.private(str(self._folder / RECORDS), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        self._file = os.fdopen(handle, "wb", buffering=0)
        self._rows, self._end, self._crc, self._began = [], 0, 0, monotonic()

    def seal(self, failures: Mapping[str, str] | None = None) -> None:
        """Let what was written so far be seen; with failures also where nothing was written."""
        if not self._rows and not failures:
            return
        if self._file is None:
            self._begin()
        assert self._file is not None and self._folder is not None
        os.fsync(self._file.fileno())
        self._file.close()
        index = json.dumps(self._rows).encode()
        manifest = self.about.manifest(
            count=len(self._rows),
            tokens=sum(row[1 + Place._fields.index("fed")] for row in self._rows),
            failures=dict(failures or {}),
            fields=list(Place._fields),
            sums={RECORDS: (self._end, self._crc), INDEX: sealing.written(self._folder / INDEX, index)},
        )
        place = sealing.seal(self.root, self._folder, self._folder.name, manifest.model_dump(mode="json"))
        assert place is not None, "names are unlike any other worker's"
        self.sealed.append(place)
        self._folder = self._file = None
        self._rows = []


class Sealed:
    """A sealed folder: its manifest and its index are verified when opened, each record when it is copied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        told = sealing.manifest_of(folder)
        with damage.reading(folder / sealing.MANIFEST, "move the folder away"):
            self.manifest = Manifest.model_validate(told)

    @cached_property
    def places(self) -> dict[str, Place]:
        """Of its records by key; offsets are within its file."""
        if INDEX not in self.manifest.sums:
            return {}
        data = sealing.read(self.folder, INDEX, self.manifest.sums[INDEX])
        with damage.reading(self.folder / INDEX, "move the folder away"):
            if not set(self.manifest.fields) <= set(Place._fields):
                raise ValueError("another version of this program wrote it")
            return {
                key: Place(**dict(zip(self.manifest.fields, row, strict=True))) for key, *row in json.loads(data)
            }

    @property
    def whole(self) -> bool:
        """Whether the records' file has its size: all that can be told without reading it."""
        wanted = self.manifest.sums.get(RECORDS, (0, 0))[0]
        try:
            return not wanted or (self.folder / RECORDS).stat().st_size == wanted
        except OSError:
            return False

    def records(self, keys: Mapping[str, Any] | set[str], at_once: int) -> Iterator[list[tuple[str, Any, Place]]]:
        """Records that are what was written, of those keys, some bytes at once."""
        try:
            buffer: Any = map_shard(self.folder / RECORDS)
        except OSError:
            buffer = b""
        view, found, size = memoryview(buffer), [], 0
        for key, place in self.places.items():
            if key in keys and sound(buffer, place):
                found.append((key, view[place.offset : place.offset + place.size], place))
                size += place.size
                if size >= at_once:
                    yield found
                    found, size = [], 0
        if found:
            yield found

    def read(self, name: str) -> bytes:
        """One of its other files, verified; empty where it has none of that name."""
        if name not in self.manifest.sums:
            return b""
        return sealing.read(self.folder, name, self.manifest.sums[name])


def opened(root: Path) -> tuple[list[Sealed], list[Damaged]]:
    """All sealed folders by name, and what is wrong with those that cannot be opened."""
    found, faults = [], []
    for folder in sealing.folders(root):
        try:
            one = Sealed(folder)
            # Read now: whoever looks through them wants no surprises.
            _ = one.places
            found.append(one)
        except Damaged as error:
            faults.append(error)
    return found, faults
