"""Where things lie on disk, and how they are written so that a killed process leaves no half file.

Holds the two roots (`studies/` and `cache/`, both under `DIFFING_HOME`), replacement of whole files and folders,
content hashes and the advisory lock. Promises that a reader sees the old file or the new one, never a mixture; a
killed writer may leave a hidden file or folder, which `sweep` knows. What is made here is for its owner alone,
folders 0700 and files 0600, because answers, prompts and replies may be private; a study of an older version is
closed to others when it is next written to (`tighten`). Does not promise durability across a power cut, nor locks
on network disks. Also JSON and Parquet: what was written with a checksum (`seals`) is verified when read, and
whatever is wrong with a file is said of that file (`damage`).
"""

import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from diffing.common import damage, seals
from diffing.common.arrays import Ints
from diffing.common.errors import UserError

PROJECT = Path(__file__).resolve().parents[2]
PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600


SETTLED = 2.0
"""Seconds after which a leftover without a lock has no owner: it is locked microseconds after it was made."""

LOOK = 0.01
"""Seconds between two looks at a lock that is waited for with an end: short beside any change."""

GROUP = 4096
"""Rows of a group in a Parquet file: the most that one damaged place costs."""

BLOCK = 65_536
"""Rows of a table that are read at a time: few blocks, since who looks at one row goes through all of them."""

LEFT = (".new-*", ".old-*", ".report-*", ".*.tmp")
"""Names of what a killed process may leave in a study."""


def home() -> Path:
    """The folder that holds `studies/` and `cache/`: `DIFFING_HOME`, else the project's own folder."""
    named = Path(os.environ.get("DIFFING_HOME") or PROJECT)
    try:
        folder = named.expanduser().resolve()
        fault = "it is no folder" if folder.exists() and not folder.is_dir() else ""
    except (RuntimeError, OSError, ValueError):
        fault = "there is no such place"
    if fault:
        raise UserError(f"DIFFING_HOME is '{named}', but {fault}; set it to a folder of yours.")
    return folder


def studies_dir() -> Path:
    return home() / "studies"


def cache_dir(name: str = "") -> Path:
    """A folder of the cache, made if missing, readable by its owner only: replies may be private."""
    folder = home() / "cache" / name
    # The mode is for a folder that is made now: one that is there keeps what its owner has given it.
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    return folder


def tighten(folder: Path) -> None:
    """Close a folder and the files in it to others, where they are ours and older than that rule."""
    for path in (folder, *folder.iterdir()):
        # A temporary file may be gone by now.
        with suppress(FileNotFoundError):
            told = path.lstat()
            plain = path == folder or stat.S_ISREG(told.st_mode)
            if plain and told.st_uid == os.geteuid() and told.st_mode & 0o077:
                path.chmod(told.st_mode & 0o700)


canonical = seals.canonical


def content_hash(value: Any, length: int = 16) -> str:
    """The first hex digits of the SHA-256 of a JSON value's canonical text.

    16 digits are 64 bits: among a million things the chance that any two meet is 3 in 100 million.
    """
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:length]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and vanishes otherwise.

    What killed writers of the same path left goes first.
    """
    path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    sweep(path.parent, f".{escape(path.name)}.*.tmp")
    # In the same folder, since a file can be put in another's place at one stroke on one file system only; hidden,
    # so that what a killed writer leaves behind is no study, job or table to anybody who lists the folder.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    # Whoever writes opens it by its name as well: Parquet and CSV writers want a path.
    temporary = Path(name)
    try:
        # Held for as long as this process works on it: `sweep` leaves it alone.
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield temporary
        temporary.chmod(PRIVATE_FILE)
        temporary.replace(path)
    finally:
        os.close(handle)
        # Gone already where it took its place.
        temporary.unlink(missing_ok=True)


@contextmanager
def fresh_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A hidden new folder for the block, which removes it unless it was renamed; earlier leftovers go first."""
    parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    sweep(parent, f"{prefix}*")
    folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(handle)
        shutil.rmtree(folder, ignore_errors=True)


def put_folder(fresh: Path, folder: Path) -> None:
    """Put a whole folder in another's place: the old one aside, the new one in, and only then the old one away.

    Killed in between, it leaves no half folder: the old one whole, none, or the new one whole. Of several who do
    this at once each finds the folder whole, and the last one's stays.
    """
    with _folder_locked(folder.parent):
        _put_folder(fresh, folder)


def _put_folder(fresh: Path, folder: Path) -> None:
    if not folder.exists():
        fresh.rename(folder)
        return
    with fresh_folder(folder.parent, ".old-") as aside:
        old = aside / folder.name
        folder.rename(old)
        try:
            fresh.rename(folder)
        except OSError:
            old.rename(folder)
            raise


def sweep(folder: Path, *patterns: str) -> list[Path]:
    """Take away what killed processes left: hidden temporaries that nobody holds a lock on any more."""
    swept = []
    for path in [path for pattern in patterns for path in folder.glob(pattern)]:
        with suppress(OSError):
            # Either way: where the clock was set back, a leftover bears a date to come.
            fresh = abs(time.time() - path.lstat().st_mtime) < SETTLED
            if fresh or path.is_symlink() or is_locked(path):
                continue
            if path.name.startswith(".old-"):
                _put_back(path)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            swept.append(path)
    return swept


def private(path: str, flags: int) -> int:
    """Opens a file that is for its owner only where it is new."""
    return os.open(path, flags, PRIVATE_FILE)


def now() -> str:
    """This moment to the second, as every file and record is dated."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _put_back(aside: Path) -> None:
    """What a process killed between the two renames of `put_folder` had moved aside stands again where it was."""
    for old in aside.iterdir():
        if not (aside.parent / old.name).exists():
            old.rename(aside.parent / old.name)


Identity = tuple[int, int, int] | None
"""What tells a file from the one that stood there before: size, date to the nanosecond, and number on its disk."""


def identity(path: Path) -> Identity:
    """A file's identity; None where there is none.

    Whoever replaces or lengthens a file changes it. The date alone would not do: a clock may be set back, and two
    writings may fall into one tick of it.
    """
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns, state.st_ino


# What stands in files.


def write_json(path: Path, value: Any, seal: bool = False) -> None:
    """A value as JSON; `seal` adds its checksum, for records that only this program reads."""
    value = seals.sealed(value) if seal else value
    write_text(path, json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False) + "\n")


def read_json(path: Path, again: str = "") -> Any:
    """A file's value, its seal verified; `again` is the remedy where it is damaged."""
    with damage.reading(path, again):
        value = json.loads(path.read_text(encoding="utf-8"))
        return seals.opened(value) if isinstance(value, dict) else value


def write_parquet(path: Path, frame: pd.DataFrame, order: Ints | None = None) -> None:
    """A table with its checksum, in groups of rows that can be saved one without the other.

    `order`: which rows, and in what order, where these are not all of them as they stand.
    """
    with replacing(path) as temporary:
        fill_parquet(temporary, frame, order)


def fill_parquet(temporary: Path, frame: pd.DataFrame, order: Ints | None = None) -> None:
    """The same into a file that takes another's place later."""
    schema = pa.Schema.from_pandas(frame, preserve_index=False)
    rows = np.arange(len(frame)) if order is None else order
    with pq.ParquetWriter(temporary, schema, write_page_checksum=True) as file:
        # Group by group: a million answers in another order would stand in memory twice.
        for start in range(0, max(len(rows), 1), GROUP):
            part = frame.take(rows[start : start + GROUP])
            file.write_table(pa.Table.from_pandas(part, schema, preserve_index=False), GROUP)
    seals.seal_table(temporary)


def read_parquet(path: Path, again: str = "", **how: Any) -> pd.DataFrame:
    """A table, its checksum verified; `how` goes to pandas."""
    with damage.reading(path, again):
        data = path.read_bytes()
        seals.check_table(data)
        if how:
            return pd.read_parquet(pa.BufferReader(data), **how)
        # Block by block: all groups at once would stand in memory beside the table that is made of them.
        with pq.ParquetFile(pa.BufferReader(data), pre_buffer=False) as file:
            parts = list(file.iter_batches(BLOCK, use_threads=False))
            return pa.Table.from_batches(parts, file.schema_arrow).to_pandas()


def read_part(path: Path, columns: Sequence[str], where: tuple[str, Sequence[str]] | None = None) -> pd.DataFrame:
    """Some columns of a table, and of its rows those that fit: groups of rows that hold none are not read.

    `where`: a column of texts, and which of them are asked for. What is read is held against the checksum of its
    page, and not against that of the whole file, all of which would have to be read for it.
    """
    with damage.reading(path), pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False) as file:
        there = [name for name in columns if name in file.schema_arrow.names]
        kept = [pa.schema(map(file.schema_arrow.field, there)).empty_table()]
        for group in range(file.num_row_groups):
            if where is None:
                kept.append(file.read_row_group(group, there))
            elif not _outside(file.metadata.row_group(group), *where):
                part = file.read_row_group(group, list(dict.fromkeys([*there, where[0]])))
                kept.append(part.filter(pc.is_in(part[where[0]], pa.array(where[1]))).select(there))
        return pa.concat_tables(kept).replace_schema_metadata(file.schema_arrow.metadata).to_pandas()


def sealed(path: Path) -> bool:
    """Whether a table carries a checksum; `Damaged` where that does not fit. It is read through and not kept."""
    with damage.reading(path):
        return seals.check_file(path)


def parts(path: Path) -> Iterator[pd.DataFrame]:
    """All rows of a table, a group of them at a time; one without rows comes as one such part."""
    with damage.reading(path), pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False) as file:
        if not file.num_row_groups:
            yield file.schema_arrow.empty_table().to_pandas()
        for group in range(file.num_row_groups):
            yield file.read_row_group(group).to_pandas()


def _outside(group: Any, name: str, values: Sequence[str]) -> bool:
    """Whether a group of rows holds none of what is asked for, as far as it tells its least and most."""
    columns = [group.column(number) for number in range(group.num_columns)]
    column = next((column for column in columns if column.path_in_schema == name), None)
    told = column.statistics if column is not None else None
    if told is None or not told.has_min_max:
        return False
    return not any(told.min <= value <= told.max for value in values)


@contextmanager
def locked(path: Path, wait: bool = True, most: float | None = None) -> Iterator[bool]:
    """Hold an advisory lock for the block; yields whether it was got, always true when waiting without an end.

    `most`: seconds to wait.
    """
    path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    # The file stays when the lock is let go: removing it would let two hold locks on two files of one name.
    with open(path, "a", opener=private) as file:
        end = time.monotonic() + (most or 0.0)
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait and most is None else fcntl.LOCK_NB))
            except BlockingIOError:
                if not wait or time.monotonic() >= end:
                    yield False
                    return
                time.sleep(LOOK)
            else:
                yield True
                return


@contextmanager
def _folder_locked(folder: Path) -> Iterator[None]:
    """Hold a lock on a folder itself, which leaves no file in it: it may be a person's own."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def is_locked(path: Path) -> bool:
    """Whether some living process holds the lock: the one sure sign that it is alive."""
    try:
        # By number and not by a Python file: folders have locks too.
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # Shared: of two that ask at the same moment neither may take the other for the holder.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
