"""Files that a person asked for by name: `--csv`, `--out`, an export. Where they may go, and how their tables are
written.

Promises that only a plain file is ever replaced, never a link, a pipe, a device or a folder; that a file appears
whole or not at all, readable by its owner only, since it holds answers; that no cell runs in a spreadsheet; and
one sentence where a place cannot be written. Does not promise that nobody changes the place in between.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pandas as pd

from diffing.common import escape, files, tables
from diffing.common.errors import UserError

PART = 4096
"""Rows that are made ready at a time: as many as a group of a stored table has."""
STDOUT = Path("-")
"""Where a table goes that is asked for as `-`: to what this program prints."""


def check(path: Path) -> Path:
    """The place of a file, or a `UserError` where something else stands there."""
    try:
        other = path.is_symlink() or (path.exists() and not path.is_file())
    except (OSError, ValueError) as error:
        raise _refused(path, error) from error
    if other:
        kind = "a link" if path.is_symlink() else "a folder" if path.is_dir() else "a pipe or a device"
        raise UserError(f"'{path}' is {kind} and is not replaced; name a plain file, or '-' for a table to print.")
    return path


def folder(path: Path) -> Path:
    """A folder to write to, made for its owner only where it is missing."""
    try:
        path.mkdir(mode=files.PRIVATE_FOLDER, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UserError(f"'{path}' is a file and no folder; choose another place for --out.") from error
    except (OSError, ValueError) as error:
        raise _refused(path, error) from error
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """As `files.replacing`, for a place that a person named."""
    check(path)
    try:
        with files.replacing(path) as temporary:
            yield temporary
    except OSError as error:
        raise _refused(path, error) from error


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """A table for other tools; `-` prints it."""
    # A part at a time: as Python's texts the cells of a large table take many times its own size.
    write_parts(path, (table.iloc[start : start + PART] for start in range(0, max(len(table), 1), PART)))


def write_parts(path: Path, parts: Iterable[pd.DataFrame]) -> None:
    """The same of a table that comes in parts, of which there is one at least."""
    if path == STDOUT:
        _put(sys.stdout, parts)
        return
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        _put(file, parts)


def _put(file: IO[str], parts: Iterable[pd.DataFrame]) -> None:
    for number, part in enumerate(parts):
        tables.put_csv(file, harmless_cells(part), header=not number)


def harmless_cells(table: pd.DataFrame) -> pd.DataFrame:
    """The table with every text that a spreadsheet would run marked as text; numbers stay numbers."""
    kept = {escape.cell(column): [escape.cell(value) for value in table[column]] for column in table}
    return pd.DataFrame(kept, dtype=object)


def restored(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """A table that was read again as it was before, where its columns are those that this program writes.

    Other tables stay as they are: there an apostrophe may be the text's own.
    """
    return table.map(escape.uncell) if list(table.columns) == columns else table


def _refused(path: Path, error: Exception) -> UserError:
    reason = (error.strerror if isinstance(error, OSError) else "") or str(error)
    return UserError(f"'{path}' cannot be written ({reason}); choose another place.")
