"""Parquet or Arrow that a person brings, read in a process of its own whose memory has a limit.

A Parquet file can name a text once and mean it a million times, claim sizes that it does not have, and pack its
pages: what it takes shows only when it is read. Promises that the process that asks takes no more than the cells
themselves, that the one that reads ends where it would pass its memory or its time, and one sentence on either.
Where the system knows no such limit (macOS) the counted cells alone are limited.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from diffing.common import columns
from diffing.common.bounds import VARIABLE, Limits
from diffing.common.columns import BLOCK, BLOCK_SIZE, TEXT, Count
from diffing.common.damage import READING
from diffing.common.errors import UserError

ROOM = 450_000_000
"""Bytes that the process may take beyond what it has when it begins."""
BATCH = 1_024
"""Rows decoded at once: 100 MB where each has 100,000 characters."""
SECONDS = 120
"""After which it is given up: a million rows take ten."""
ARROW = ".arrow"
"""The suffix of a stream of Arrow's batches, as Hugging Face's `datasets` saves them."""
PROJECT = Path(__file__).resolve().parents[2]


def read(path: Path, name: str, most: Limits) -> pd.DataFrame:
    """The file's cells as text; `name` is what the person calls it."""
    with tempfile.TemporaryDirectory(prefix="diffing-") as folder:
        target = Path(folder) / "cells.arrow"
        task = {"source": str(path.resolve()), "target": str(target), "name": name, "most": most, "room": ROOM}
        try:
            child = subprocess.run(
                [sys.executable, "-m", "diffing.common.parquet"],
                input=json.dumps(task).encode(),
                capture_output=True,
                # So that `-m` finds this very package.
                cwd=PROJECT,
                timeout=SECONDS,
                # The pool that asks the system piece by piece: others set aside more than the limit beforehand.
                env=os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system"},
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise _too_much(name) from error
        said = child.stdout.decode("utf-8", "replace")
        if child.returncode or said:
            # Without a word of its own it was ended in the middle of its work, by the limit.
            raise UserError(said) if said else _too_much(name)
        with pa.OSFile(str(target)) as file, pa.ipc.open_file(file) as cells:
            whole = cells.read_all()
    return columns.framed({field: whole.column(field) for field in whole.column_names})


def blocks(path: Path, name: str, most: Limits) -> "Iterator[pa.Table]":
    """The rows as text, in blocks, the first of them empty; a `UserError` on what is no Parquet or too large."""
    count = Count(name, most)
    kind = "n Arrow" if path.suffix == ARROW else " Parquet"
    try:
        with _opened(path) as (names, rows, batches):
            if len(set(names)) < len(names):
                raise UserError(f"'{name}' names a column twice; rename one.")
            # Its own count of rows comes first: a file of equal rows is decoded for minutes.
            count.check(rows, len(names))
            yield pa.table({field: pa.array([], TEXT) for field in names})
            for batch in batches:
                block = pa.table(dict(zip(names, map(_as_text, batch.columns), strict=True)))
                count.add(block.num_rows, block.nbytes, len(names))
                yield block
    except UserError:
        raise
    except MemoryError as error:
        raise _too_much(name) from error
    except READING as error:
        # The library's own words may run to pages and hold bytes of the file; the first lines tell enough.
        reason = columns.clean(" ".join(str(error).split()))[:200]
        raise UserError(f"'{name}' is not a{kind} file ({reason}); write it again.") from error


@contextmanager
def _opened(path: Path) -> "Iterator[tuple[list[str], int, Iterator[pa.RecordBatch]]]":
    """A file's columns, the rows that it claims, and its rows."""
    if path.suffix == ARROW:
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
            yield [str(field) for field in stream.schema.names], 0, _sliced(stream)
    else:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            names = [str(field) for field in file.schema_arrow.names]
            yield names, file.metadata.num_rows, file.iter_batches(BATCH, use_threads=False)


def _sliced(stream: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
    """Few rows at a time; what points outside of the file is seen before it is followed."""
    for batch in stream:
        batch.validate(full=True)
        for start in range(0, batch.num_rows, BATCH):
            yield batch.slice(start, BATCH)


def _as_text(column: "pa.Array") -> "pa.Array":
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        # Text that is no UTF-8 shows only when it is looked at.
        column.validate(full=True)
        return column.cast(TEXT).fill_null("")
    # Whole numbers stay what they are where one is absent: they would become 1.0 otherwise.
    values = column.to_pandas(integer_object_nulls=True).astype(object)
    return pa.array([columns.clean(columns.as_text(value)) for value in values], TEXT)


def _too_much(name: str) -> UserError:
    return UserError(
        f"'{name}' takes more memory or time than a file may have; split it, or set {VARIABLE} to more megabytes."
    )


def _limit(room: int) -> None:
    """Hold this process to what it has and some room."""
    sizes = Path("/proc/self/statm")
    if sizes.exists():
        # The sixth number: pages of data and stack, which is what the limit counts.
        most = int(sizes.read_text(encoding="ascii").split()[5]) * resource.getpagesize() + room
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _write(task: dict[str, Any]) -> None:
    found = blocks(Path(task["source"]), task["name"], Limits(*task["most"]))
    waiting = [next(found)]
    with pa.OSFile(task["target"], "wb") as file, pa.ipc.new_file(file, waiting[0].schema) as out:
        for block in found:
            waiting.append(block)
            cells = sum(each.num_rows for each in waiting) * block.num_columns
            # Few large blocks: who reads a table by places looks through all of them each time.
            if cells >= BLOCK or sum(each.nbytes for each in waiting) >= BLOCK_SIZE:
                out.write_table(pa.concat_tables(waiting).combine_chunks())
                waiting.clear()
        if waiting:
            out.write_table(pa.concat_tables(waiting).combine_chunks())


def main() -> None:
    task = json.load(sys.stdin)
    _limit(task["room"])
    try:
        _write(task)
    except UserError as error:
        sys.stdout.write(str(error))
    except MemoryError:
        sys.stdout.write(str(_too_much(task["name"])))


if __name__ == "__main__":
    main()
