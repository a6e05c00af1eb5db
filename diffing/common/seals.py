"""Checksums inside what this program writes, so that a changed byte is noticed and never becomes a figure.

A record (a line of JSON, a small JSON file) carries the CRC-32 of its other fields as `crc32`; a Parquet file
carries that of all its other bytes between its data and its footer, where no reader of Parquet looks. Promises
that what was written without a seal, by an older version or another program, is read as it always was. A CRC
finds accidents; it is no defence against somebody who forges a file, and who edits a record by hand takes its
`crc32` out.
"""

import json
import os
import zlib
from pathlib import Path
from typing import Any

SUM = "crc32"
"""The field of a record that holds its checksum."""
MARK = b"crc:"
"""What stands before the four bytes of a Parquet file's checksum."""
LENGTH = len(MARK) + 4
PIECE = 2**20
TAIL = 8
"""Bytes that end a Parquet file: the footer's length in four, and `PAR1`."""


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces; lone surrogates survive as escapes."""
    if type(value) is str:
        # The same, without an encoder of its own for each of a million texts.
        return json.encoder.encode_basestring_ascii(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def of_record(record: dict[str, Any]) -> int:
    return zlib.crc32(canonical(record).encode())


def sealed(record: dict[str, Any]) -> dict[str, Any]:
    # As JSON has it, or a tuple and the list that it becomes would differ.
    return record | {SUM: of_record(json.loads(canonical(record)))}


def opened(record: dict[str, Any]) -> dict[str, Any]:
    """The record without its seal; `ValueError` where the two do not fit."""
    if SUM not in record:
        return record
    rest = {name: value for name, value in record.items() if name != SUM}
    if record[SUM] != of_record(rest):
        raise ValueError(f"its {SUM} does not fit what it says; if you edited it by hand, take its {SUM} out")
    return rest


def seal_table(path: Path) -> None:
    """Put its checksum into a Parquet file, between data and footer."""
    with path.open("r+b") as file:
        crc = 0
        # In pieces: the file may be as large as what memory is left.
        while piece := file.read(PIECE):
            crc = zlib.crc32(piece, crc)
        end = file.tell()
        file.seek(end - TAIL)
        at = _footer(file.read(), end)
        file.seek(at)
        footer = file.read()
        file.seek(at)
        file.write(stamp(crc) + footer)


def stamp(crc: int) -> bytes:
    return MARK + crc.to_bytes(4, "little")


def check_table(data: bytes) -> None:
    """`ValueError` where a Parquet file carries a checksum that does not fit it."""
    at = _footer(data[-TAIL:], len(data))
    start = at - LENGTH
    if start < 0 or data[start : start + len(MARK)] != MARK:
        return
    view = memoryview(data)
    if zlib.crc32(view[at:], zlib.crc32(view[:start])) != int.from_bytes(data[at - 4 : at], "little"):
        raise ValueError("its sum does not fit: it is not what was written")


def check_file(path: Path) -> bool:
    """The same of a file that is read in pieces; whether it carries a checksum at all."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - TAIL, 0))
        at = _footer(file.read(), size)
        start = at - LENGTH
        if start < 0:
            return False
        file.seek(start)
        stored = file.read(LENGTH)
        if not stored.startswith(MARK):
            return False
        file.seek(0)
        crc, left = 0, start
        while left and (piece := file.read(min(PIECE, left))):
            crc, left = zlib.crc32(piece, crc), left - len(piece)
        file.seek(at)
        if zlib.crc32(file.read(), crc) != int.from_bytes(stored[len(MARK) :], "little"):
            raise ValueError("its sum does not fit: it is not what was written")
    return True


def _footer(tail: bytes, size: int) -> int:
    """Where the footer begins in a file of that size; before its start where the footer's length cannot be."""
    return size - TAIL - int.from_bytes(tail[:4], "little")
