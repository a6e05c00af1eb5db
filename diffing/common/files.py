"""Where things lie on disk, and how they are written so that a killed process leaves no half file.

Holds the two roots (`studies/` and `cache/`, both under `DIFFING_HOME`), whole-file replacement, JSON lines,
content hashes and the advisory lock. Promises that a reader sees the old file or the new one, never a mixture; a
killed writer may leave a hidden `.tmp` file beside it. Does not promise durability across a power cut, nor locks
on network disks.
"""

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

PROJECT = Path(__file__).resolve().parents[2]


def home() -> Path:
    """The folder that holds `studies/` and `cache/`: `DIFFING_HOME`, else the project's own folder."""
    return Path(os.environ.get("DIFFING_HOME") or PROJECT).expanduser().resolve()


def studies_dir() -> Path:
    return home() / "studies"


def cache_dir(name: str = "") -> Path:
    """A folder of the cache, made if missing, readable by its owner only: replies may be private."""
    folder = home() / "cache" / name
    # The mode is for a folder that is made now: one that is there keeps what its owner has given it.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces; lone surrogates survive as escapes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def content_hash(value: Any, length: int = 16) -> str:
    """The first hex digits of the SHA-256 of a JSON value's canonical text.

    16 digits are 64 bits: among a million things the chance that any two meet is 3 in 100 million.
    """
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:length]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and vanishes otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, since a file can be put in another's place at one stroke on one file system only; hidden,
    # so that what a killed writer leaves behind is no study, job or table to anybody who lists the folder.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    # Whoever writes opens it by its name: Parquet and CSV writers want a path.
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # `mkstemp` makes files for their owner alone; a study may be read by others.
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        # Gone already where it took its place.
        temporary.unlink(missing_ok=True)


def now() -> str:
    """This moment to the second, as every file and record is dated."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    with replacing(path) as temporary:
        frame.to_parquet(temporary, index=False)


def append_jsonl(path: Path, record: dict[str, Any]) -> None:
    """Add one record as one line; the lock keeps lines of several writers whole."""
    line = (json.dumps(record, ensure_ascii=True, allow_nan=False) + "\n").encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Appending, so that the line goes to the end even where another writer has made the file longer meanwhile.
    with path.open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        if end and file.read() != b"\n":
            # A killed writer's half line would swallow this one.
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
        file.write(line)


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """All whole records; a last line that a killed writer left unfinished is not one."""
    if not path.exists():
        return []
    # What stands after the last line break is nothing, or a line that is not whole.
    lines = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines[:-1] if line.strip()]


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[bool]:
    """Hold an advisory lock for the block; yields whether it was got (always true when waiting)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The file stays when the lock is let go: removing it would let two hold locks on two files of one name.
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def is_locked(path: Path) -> bool:
    """Whether some living process holds the lock: the one sure sign that it is alive."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        try:
            # Shared: of two that ask at the same moment neither may take the other for the holder.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
