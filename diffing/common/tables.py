"""Reads the tables people bring: CSV, JSONL, JSON, Parquet and plain text, also `.gz` and `.xz`.

Every cell comes back as text exactly as the file holds it; lists and objects come back as JSON text, absent
values as empty text. Promises one sentence on what is wrong with a file and where. Guesses no encoding, and of a
CSV's dialect only whether its cells are parted by commas, semicolons or tabs.
"""

import csv
import gzip
import io
import json
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from diffing.common.errors import UserError

# Long answers exceed csv's default of 131,072 characters a field; 2**31 - 1 is the most that every platform takes.
csv.field_size_limit(min(sys.maxsize, 2**31 - 1))

MOST_DIGITS = 18
"""Digits of a number that is read: 18 nines fit into 64 bits and 19 do not; Python refuses to read very long
ones."""

# The last one, for files that are not packed, hands the bytes on as they are.
UNPACK: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.decompress, ".xz": lzma.decompress, "": bytes}


def read(path: Path) -> pd.DataFrame:
    """The file's rows, all cells text; refuses what is empty, of an unknown kind or not UTF-8."""
    try:
        there = path.is_file()
    except (OSError, ValueError):
        # Too long for a path, or behind a folder that is closed to us.
        there = False
    if not there:
        raise UserError(f"There is no file '{path}'; check the path.")
    suffixes = [s.lower() for s in path.suffixes]
    packing = suffixes.pop() if suffixes and suffixes[-1] in UNPACK else ""
    kind = suffixes[-1] if suffixes else ""
    readers = {".csv": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".json": _json, ".txt": _txt}
    if kind != ".parquet" and kind not in readers:
        raise UserError(f"'{path.name}' is of no known kind; bring CSV, JSONL, JSON, Parquet or TXT.")
    try:
        data = UNPACK[packing](path.read_bytes())
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise UserError(f"'{path.name}' cannot be unpacked ({error}); fetch or pack it again.") from error
    try:
        table = _parquet(path, data) if kind == ".parquet" else readers[kind](path, _decode(path, data))
    except RecursionError as error:
        # JSON's reader and writer both give up, at a depth that nobody's data have.
        raise UserError(f"'{path.name}' nests lists or objects too deeply; flatten it.") from error
    if table.empty:
        raise UserError(f"'{path.name}' holds no rows; bring a file with at least one.")
    return table


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
    return table.rename(columns={theirs: ours for ours, theirs in wanted.items()})


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """CSV as RFC 4180 has it, cells as they are: for files of our own. `outfile` writes those that people open."""
    with path.open("w", encoding="utf-8", newline="") as file:
        put_csv(file, table)


def put_csv(file: IO[str], table: pd.DataFrame) -> None:
    """The same into an open file; line breaks inside a cell stay what they are."""
    writer = csv.writer(file)
    writer.writerow(table.columns)
    writer.writerows([as_text(value) for value in row] for row in table.itertuples(index=False))


def as_text(value: Any) -> str:
    """A cell as text: nothing for absent values, JSON for lists and objects."""
    if isinstance(value, str):
        return value
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=_plain)
    return "" if value is None or bool(pd.isna(value)) else str(value)


def _plain(value: Any) -> Any:
    """Parquet nests arrays, dates and the like inside its structures."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


def clean(text: str) -> str:
    """Text that UTF-8 can hold: surrogate pairs joined, lone surrogates replaced."""
    # By way of UTF-16, in which a pair of surrogates is a character's proper form.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _decode(path: Path, data: bytes) -> str:
    try:
        # Spreadsheets begin a UTF-8 file with a mark, which would become part of the first column's name.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(
            f"'{path.name}' is not UTF-8 throughout (first at line {line}); save it as UTF-8."
        ) from error


def _frame(rows: list[list[str]], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns, dtype=object)


def _csv(path: Path, text: str) -> pd.DataFrame:
    head = text.split("\n", 1)[0]
    # Where the decimal mark is a comma, spreadsheets write semicolons between cells.
    delimiter = "\t" if ".tsv" in path.name.lower() else ";" if ";" in head and "," not in head else ","
    # Strict, because a quote that is never closed would otherwise swallow the rest of the file without a word.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    try:
        header = next(reader, [])
        for row in reader:
            # Editors leave an empty line at the end; csv gives it as no cells at all.
            if not row:
                continue
            if len(row) != len(header):
                raise UserError(
                    f"'{path.name}' has {len(row)} cells where the header has {len(header)} "
                    f"(at line {reader.line_num}); quote cells that hold commas or line breaks."
                )
            rows.append(row)
    except csv.Error as error:
        raise UserError(f"'{path.name}' is not CSV at line {reader.line_num} ({error}); mend it.") from error
    if len(set(header)) < len(header):
        raise UserError(f"'{path.name}' names a column twice; rename one.")
    return _frame(rows, header)


def _objects(path: Path, values: list[Any]) -> pd.DataFrame:
    for number, value in enumerate(values, start=1):
        if not isinstance(value, dict):
            raise UserError(f"'{path.name}' holds no JSON object in row {number}; each row must be one.")
    # JSON's escapes can spell half a character, which no UTF-8 file could hold; CSV cannot.
    rows = [{clean(key): clean(as_text(cell)) for key, cell in value.items()} for value in values]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return _frame([[row.get(c, "") for c in columns] for row in rows], columns)


def _jsonl(path: Path, text: str) -> pd.DataFrame:
    values = []
    # Not splitlines(): a JSON string may hold U+2028 and the like unescaped.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                values.append(json.loads(line))
            except ValueError as error:
                said = fault(error)
                raise UserError(f"'{path.name}' is not JSON at line {number} ({said}); mend it.") from error
    return _objects(path, values)


def _json(path: Path, text: str) -> pd.DataFrame:
    try:
        value = json.loads(text) if text.strip() else []
    except ValueError as error:
        line = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UserError(f"'{path.name}' is not JSON{line} ({fault(error)}); mend it.") from error
    return _objects(path, value if isinstance(value, list) else [value])


def fault(error: ValueError | RecursionError) -> str:
    """What is wrong with a JSON text, as half a sentence: its reader says most of it well."""
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    # Python reads no number of more than some thousand digits, since that takes the square of their count.
    return "it nests too deeply" if isinstance(error, RecursionError) else "a number has too many digits"


def _txt(_path: Path, text: str) -> pd.DataFrame:
    """One prompt a line; of all line breaks that Unicode knows, only those that editors write count."""
    return _frame([[line.strip()] for line in re.split(r"\r\n|\r|\n", text) if line.strip()], ["text"])


def _parquet(path: Path, data: bytes) -> pd.DataFrame:
    try:
        # Text that is no UTF-8 shows only when it is looked at.
        return pd.read_parquet(io.BytesIO(data)).map(as_text).astype(object)
    except (OSError, ValueError, NotImplementedError, pa.ArrowException) as error:
        # The library's own words may run to pages and hold bytes of the file; the first lines tell enough.
        reason = clean(" ".join(str(error).split()))[:200]
        raise UserError(f"'{path.name}' is not a Parquet file ({reason}); write it again.") from error
