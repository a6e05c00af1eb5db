"""Reads the tables people bring: CSV, JSONL, JSON, Parquet and plain text, also `.gz` and `.xz`.

Every cell comes back as text exactly as the file holds it; lists and objects come back as JSON text, absent
values as empty text. Promises one sentence on what is wrong with a file and where, and that a file is read as a
stream up to its limits (`bounds`). Guesses no encoding, and of a CSV's dialect only whether its cells are parted
by commas, semicolons or tabs.
"""

import csv
import itertools
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pandas as pd

from diffing.common import bounds, columns, json_rows, parquet
from diffing.common.bounds import Limits
from diffing.common.columns import Columns
from diffing.common.errors import UserError
from diffing.common.json_rows import Document

as_text, clean = columns.as_text, columns.clean

# Long answers exceed csv's default of 131,072 characters a field. How long a row may be is counted as it comes in.
csv.field_size_limit(2**31 - 1)

MOST_DIGITS = 18
"""Digits of a number that is read: 18 nines fit into 64 bits and 19 do not; Python refuses to read very long
ones."""


def read(path: Path, own: bool = False) -> pd.DataFrame:
    """The file's rows, all cells text; refuses what is empty, of an unknown kind, not UTF-8 or too large.

    `own`: a file of the study itself, which may be larger than one that is brought.
    """
    kind, packing = _kind(path)
    most = bounds.limits(bounds.OWN if own else 1)
    readers = {".csv": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".json": _json, ".txt": _txt}
    if kind != ".parquet" and kind not in readers:
        raise UserError(f"'{path.name}' is of no known kind; bring CSV, JSONL, JSON, Parquet or TXT.")
    with _told(path, packing, most):
        if kind == ".parquet":
            table = _parquet(path, packing, most)
        else:
            # In JSON lines a carriage return is a space like any other.
            with bounds.text(path, packing, most, "\n" if kind == ".jsonl" else "") as stream:
                table = readers[kind](stream, path.name, most)
    if table.empty:
        raise UserError(f"'{path.name}' holds no rows; bring a file with at least one.")
    return table


@contextmanager
def document(path: Path) -> Iterator[Document]:
    """A JSON file whose members are taken one by one."""
    _, packing = _kind(path)
    most = bounds.limits()
    with _told(path, packing, most), bounds.text(path, packing, most) as stream:
        yield Document(stream, path.name, most)


def json_lines(path: Path) -> Iterator[Any]:
    """The values of a file of JSON lines, one by one."""
    _, packing = _kind(path)
    most = bounds.limits()
    with _told(path, packing, most), bounds.text(path, packing, most, "\n") as stream:
        yield from _values(stream, path.name, most)


def json_values(path: Path) -> Iterator[Any]:
    """The values of JSON lines or of a JSON list, one by one; any other JSON is one value."""
    if _kind(path)[0] == ".jsonl":
        yield from json_lines(path)
        return
    with document(path) as whole:
        if whole.kind == "list":
            yield from (value for _, value in whole.members())
        elif whole.kind == "object":
            yield whole.only_object()


@contextmanager
def _told(path: Path, packing: str, most: Limits) -> Iterator[None]:
    """A block that reads a file: what is wrong with its bytes is told in a sentence."""
    try:
        yield
    except UnicodeDecodeError as error:
        line = bounds.line_of_fault(path, packing, most)
        raise UserError(
            f"'{path.name}' is not UTF-8 throughout (first at line {line}); save it as UTF-8."
        ) from error
    except bounds.FAULTS as error:
        raise UserError(f"'{path.name}' cannot be unpacked ({error}); fetch or pack it again.") from error


def _kind(path: Path) -> tuple[str, str]:
    """A file's kind and packing by its name's suffixes."""
    try:
        there = path.is_file()
    except (OSError, ValueError):
        # Too long for a path, or behind a folder that is closed to us.
        there = False
    if not there:
        raise UserError(f"There is no file '{path}'; check the path.")
    suffixes = [s.lower() for s in path.suffixes]
    packing = suffixes.pop() if suffixes and suffixes[-1] in bounds.UNPACK else ""
    return (suffixes[-1] if suffixes else ""), packing


def number(text: str) -> int | None:
    """The whole number that a text is, None where it is none.

    `isdigit` would not do: it holds for "²", which cannot be read as a number.
    """
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else None


def take(table: pd.DataFrame, wanted: Mapping[str, str], path: Path) -> pd.DataFrame:
    """Columns renamed by `{ours: theirs}`; an explicitly mapped column that is absent is the user's slip."""
    absent = sorted(set(wanted.values()) - set(table.columns))
    if absent:
        here = ", ".join(map(str, table.columns))
        raise UserError(
            f"'{path.name}' has no column '{absent[0]}' (it has: {here}); "
            "name the right one with --column OURS=THEIRS."
        )
    # A column that has our name by chance gives way to the one that is said to be ours.
    others = [ours for ours, theirs in wanted.items() if ours != theirs and ours not in wanted.values()]
    table = table.drop(columns=others, errors="ignore")
    return table.rename(columns={theirs: ours for ours, theirs in wanted.items()})


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """CSV as RFC 4180 has it, cells as they are: for files of our own. `outfile` writes those that people open."""
    with path.open("w", encoding="utf-8", newline="") as file:
        put_csv(file, table)


def put_csv(file: IO[str], table: pd.DataFrame, header: bool = True) -> None:
    """The same into an open file; line breaks inside a cell stay what they are."""
    writer = csv.writer(file)
    if header:
        writer.writerow(table.columns)
    writer.writerows([as_text(value) for value in row] for row in table.itertuples(index=False))


def _lines(stream: IO[str], name: str, most: Limits) -> Iterator[str]:
    """Lines with their ends; one that is longer than a row may be is refused before it is whole."""
    for number in itertools.count(1):
        line = stream.readline(most.row + 1)
        if len(line) > most.row:
            raise bounds.too_long(name, number, most)
        if not line:
            return
        yield line


def _csv(stream: IO[str], name: str, most: Limits) -> pd.DataFrame:
    lines = _lines(stream, name, most)
    head = next(lines, "")
    # Where the decimal mark is a comma, spreadsheets write semicolons between cells.
    delimiter = "\t" if ".tsv" in name.lower() else ";" if ";" in head and "," not in head else ","
    length = 0

    def counted() -> Iterator[str]:
        """The lines, of which a quote may join any number to one row."""
        nonlocal length
        for number, line in enumerate(itertools.chain([head], lines), start=1):
            length += len(line)
            if length > most.row:
                raise bounds.too_long(name, number, most)
            yield line

    # Strict, because a quote that is never closed would otherwise swallow the rest of the file without a word.
    reader = csv.reader(counted(), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        if len(set(header)) < len(header):
            raise UserError(f"'{name}' names a column twice; rename one.")
        table = Columns(name, most, header)
        for row in reader:
            length = 0
            # Editors leave an empty line at the end; csv gives it as no cells at all.
            if not row:
                continue
            if len(row) != len(header):
                raise UserError(
                    f"'{name}' has {len(row)} cells where the header has {len(header)} "
                    f"(at line {reader.line_num}); quote cells that hold commas or line breaks."
                )
            table.add(row)
    except csv.Error as error:
        raise UserError(f"'{name}' is not CSV at line {reader.line_num} ({error}); mend it.") from error
    return table.table()


def _add(table: Columns, value: Any, name: str, row: int) -> None:
    """A JSON object as a row."""
    if not isinstance(value, dict):
        raise UserError(f"'{name}' holds no JSON object in row {row}; each row must be one.")
    try:
        # JSON's escapes can spell half a character, which no UTF-8 file could hold; CSV cannot.
        cells = {clean(key): clean(as_text(cell)) for key, cell in value.items()}
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"'{name}' cannot be read in row {row} ({json_rows.reason(error)}); drop that row."
        ) from error
    if len(cells) < len(value):
        raise UserError(f"'{name}' names a column twice in row {row}; rename one.")
    table.add_named(cells)


def _jsonl(stream: IO[str], name: str, most: Limits) -> pd.DataFrame:
    table = Columns(name, most)
    for row, value in enumerate(_values(stream, name, most), start=1):
        _add(table, value, name, row)
    return table.table()


def _values(stream: IO[str], name: str, most: Limits) -> Iterator[Any]:
    """The value of each line that is not blank."""
    for number, line in enumerate(_lines(stream, name, most), start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise json_rows.no_json(name, number, error.msg) from error
            except (ValueError, RecursionError) as error:
                raise json_rows.no_json(name, number, json_rows.reason(error)) from error


def _json(stream: IO[str], name: str, most: Limits) -> pd.DataFrame:
    whole, table = Document(stream, name, most), Columns(name, most)
    if whole.kind == "value":
        raise UserError(f"'{name}' holds no JSON object in row 1; each row must be one.")
    if whole.kind == "object":
        row = {}
        for key, value in whole.members():
            row[key] = value
            if whole.taken > most.row:
                raise bounds.too_long(name, 1, most)
        _add(table, row, name, 1)
    elif whole.kind == "list":
        for number, (_, value) in enumerate(whole.members(), start=1):
            _add(table, value, name, number)
    return table.table()


def _txt(stream: IO[str], name: str, most: Limits) -> pd.DataFrame:
    """One prompt a line; of all line breaks that Unicode knows, only those that editors write count."""
    table = Columns(name, most, ["text"])
    for line in _lines(stream, name, most):
        if line.strip():
            table.add([line.strip()])
    return table.table()


def _parquet(path: Path, packing: str, most: Limits) -> pd.DataFrame:
    if not packing:
        if path.stat().st_size > most.size:
            raise bounds.too_large(path.name, most)
        return parquet.read(path, path.name, most)
    # Its reader goes to and fro in the file.
    with tempfile.NamedTemporaryFile(prefix="diffing-", suffix=".parquet") as plain:
        with bounds.opened(path, packing, most) as stream:
            shutil.copyfileobj(stream, plain)
        plain.flush()
        return parquet.read(Path(plain.name), path.name, most)
