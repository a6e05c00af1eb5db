"""Answers that came in since the answer table was last written: a file that grows beside it.

A run that collects adds lines here every few seconds, where writing the whole table would take ever longer.
Whoever reads the table takes both (`responses.read`), and whoever writes it writes these in and takes the file
away. The file bears a number, and the table that of the file that was written into it: a process killed between
the two leaves lines that are known to stand in the table, and an older line never takes a newer row's place.
Promises that at most what was being written is lost; knows nothing of what a row must hold.
"""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from diffing.common import damage, jsonl, noted

FILE = "arriving.jsonl"
NUMBER = "arriving"
"""The field of the first line, and the attribute of the table, that hold the file's number."""
LARGE = 16 * 2**20
"""Bytes from which on, and from the table's own size on, lines are written into the table in the middle of a run:
all that is written is then at most some times what there is in the end."""


class Arrived(NamedTuple):
    """What the file holds."""

    number: str
    """Empty where there is no file."""
    rows: list[dict[str, Any]]


def beside(table: Path) -> Path:
    return table.with_name(FILE)


def append(table: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Add rows of plain values, under the study's lock."""
    path = beside(table)
    first: list[dict[str, Any]] = [] if path.exists() else [{NUMBER: secrets.token_hex(8)}]
    jsonl.append_all(path, [*first, *rows])


def read(table: Path) -> Arrived:
    path = beside(table)
    if not path.exists():
        # Its note goes first where it is taken away, so that one which is left tells of a file that was lost.
        if noted.rows(path):
            jsonl.read(path)
        return Arrived("", [])
    lines = jsonl.read(path)
    if not lines:
        return Arrived("", [])
    # Of a repaired file the first line may be gone: its rows count, as no table has them.
    number = str(lines[0].get(NUMBER, ""))
    return Arrived(number, lines[1:] if NUMBER in lines[0] else lines)


def number(table: Path) -> str:
    """The file's number alone; empty where there is no file, or none that says."""
    path = beside(table)
    if not path.exists():
        return ""
    with path.open("rb") as file:
        line = file.readline()
    with damage.reading(path):
        return str(jsonl.record(line).get(NUMBER, "")) if line.strip() else ""


def large(table: Path) -> bool:
    """Whether so many have come in that they are better written into the table."""
    path = beside(table)
    return path.exists() and path.stat().st_size > max(LARGE, table.stat().st_size if table.exists() else 0)


def remove(table: Path) -> None:
    """After its rows were written into the table."""
    path = beside(table)
    noted.forget(path)
    path.unlink(missing_ok=True)
