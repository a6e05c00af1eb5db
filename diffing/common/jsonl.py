"""Files of JSON lines: histories that only grow, a record a line.

Promises that lines of several writers stay whole, that a record which was changed since it was written is told and
never read as it is (`seals`), and that lines which are gone are missed (`noted`). What a record must hold is its
owner's affair.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from diffing.common import damage, files, noted, seals, tables, who
from diffing.common.escape import throughout


def append(path: Path, record: dict[str, Any]) -> None:
    """Add one record as one line with its checksum; the lock keeps lines of several writers whole."""
    append_all(path, [record])


def append_all(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """Add records in one go, a line each: killed in between, it leaves the first ones of them."""
    who.needs_editor()
    texts = [throughout(tables.clean, record) for record in records]
    line = "".join(json.dumps(seals.sealed(t), ensure_ascii=True, allow_nan=False) + "\n" for t in texts).encode()
    with still(path) as file:
        rows, size = noted.of(path) or (0, -1)
        # Read only where somebody else wrote last: a killed writer, an editor, an older version.
        if file.seek(0, os.SEEK_END) != size:
            file.seek(0)
            whole = _whole(file.read())
            if len(_records(whole)) < rows:
                raise _cut(path, len(_records(whole)), rows)
            rows = len(_records(whole))
            # A half line would swallow this one; a whole one may lack its end.
            file.truncate(len(whole))
            line = b"\n" + line if whole and not whole.endswith(b"\n") else line
        file.write(line)
        file.flush()
        noted.note(path, rows + len(records), file.tell())


@contextmanager
def still(path: Path) -> Iterator[BinaryIO]:
    """A file of JSON lines that nobody else adds to or puts another in place of for the block."""
    path.parent.mkdir(mode=files.PRIVATE_FOLDER, parents=True, exist_ok=True)
    while True:
        # Appending, so that a line goes to the end even where another writer has made the file longer meanwhile.
        with open(path, "ab+", opener=files.private) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # While this one waited, a repair may have set the file aside: a line in that one would be lost.
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                yield file
                return


def read(path: Path, again: str = "") -> list[dict[str, Any]]:
    """All whole records; a last line that a killed writer left unfinished is not one."""
    known = noted.rows(path)
    if not path.exists() and not known:
        return []
    with damage.reading(path, again):
        lines = _records(_whole(path.read_bytes()))
    if known is not None and len(lines) < known:
        raise _cut(path, len(lines), known, again)
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(record(line))
        except (ValueError, RecursionError) as error:
            json_at = isinstance(error, json.JSONDecodeError)
            fault = f"line {number} is not JSON" if json_at else f"line {number}: {damage.reason(error)}"
            raise damage.Damaged(path, fault, again) from error
    return found


def record(line: bytes) -> dict[str, Any]:
    """A line's record; `ValueError` where it is none, or not the one that was written."""
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("it is no record")
    return seals.opened(value)


def _whole(data: bytes) -> bytes:
    """All lines but a last one that its writer did not finish; one that only lacks its line end is whole."""
    start = data.rfind(b"\n") + 1
    try:
        record(data[start:])
    except (ValueError, RecursionError):
        return data[:start]
    return data


def _records(data: bytes) -> list[bytes]:
    return [line for line in data.split(b"\n") if line.strip()]


def _cut(path: Path, here: int, known: int, again: str = "") -> damage.Damaged:
    return damage.Damaged(path, f"it holds {here:,} of the {known:,} records that were written", again)
