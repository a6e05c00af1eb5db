"""Rows of text as they come in, kept as columns: close-packed, and counted against the limits of a table.

Promises a table whose cells are all text that UTF-8 can hold, absent ones empty, in the order in which rows and
columns appeared. Here is what a value is as text, too.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from diffing.common.arrays import Bools
from diffing.common.bounds import VARIABLE, Limits, too_large
from diffing.common.errors import UserError

# What is freed goes back to the system, of which Arrow's own pool keeps a third.
pa.set_memory_pool(pa.system_memory_pool())

BLOCK = 200_000
"""Cells that stand as Python's texts, of which each takes 50 bytes more, before they are packed."""
BLOCK_SIZE = 8_000_000
"""Characters after which fewer are packed."""
TEXT = pa.large_string()
"""With 64-bit places: a column may pass 2 GB where the limits were raised."""


class Count:
    """What a table has so far; a `UserError` where that is more than it may have."""

    def __init__(self, name: str, most: Limits) -> None:
        self.name, self.most = name, most
        self.rows = self.size = 0

    def add(self, rows: int, size: int, columns: int) -> None:
        self.rows += rows
        self.size += size
        if self.size > self.most.size:
            raise too_large(self.name, self.most)
        self.check(self.rows, columns)

    def check(self, rows: int, columns: int) -> None:
        most = self.most
        if columns > most.columns:
            raise UserError(f"'{self.name}' has more than {most.columns:,} columns; bring only those needed.")
        if rows > most.rows or rows * columns > most.cells:
            told = f"{most.rows:,} rows" if rows > most.rows else f"{most.cells:,} cells"
            raise UserError(
                f"'{self.name}' has more than {told}; split it, drop columns, or set {VARIABLE} to more megabytes."
            )


class Columns:
    """Takes rows one by one; `table` gives what was taken."""

    def __init__(self, name: str, most: Limits, names: Sequence[str] = ()) -> None:
        self._count = Count(name, most)
        self._packed: dict[str, list[Any]] = {}
        self._waiting: list[Sequence[str]] = []
        self._waiting_size = 0
        self._name(names)

    def add(self, cells: Sequence[str]) -> None:
        """A row with a cell for each column, in their order."""
        self._waiting.append(cells)
        self._waiting_size += sum(map(len, cells))
        if len(self._waiting) * len(cells) >= BLOCK or self._waiting_size >= BLOCK_SIZE:
            self._pack()

    def add_named(self, row: Mapping[str, str]) -> None:
        """A row that says which columns it has, be they new ones."""
        if fresh := [name for name in row if name not in self._packed]:
            self._name(fresh)
        self.add([row.get(name, "") for name in self._packed])

    def table(self) -> pd.DataFrame:
        self._pack()
        return framed({name: pa.chunked_array(chunks, TEXT) for name, chunks in self._packed.items()})

    def _name(self, names: Sequence[str]) -> None:
        self._count.check(self._count.rows, len(self._packed) + len(names))
        self._pack()
        before = self._count.rows
        for name in names:
            self._packed[name] = [pa.repeat(pa.scalar("", TEXT), before)] if before else []

    def _pack(self) -> None:
        if self._waiting:
            self._count.add(len(self._waiting), self._waiting_size, len(self._packed))
            for chunks, cells in zip(self._packed.values(), zip(*self._waiting, strict=True), strict=True):
                chunks.append(pa.array(cells, TEXT))
            self._waiting, self._waiting_size = [], 0


def framed(columns: "Mapping[str, pa.ChunkedArray]") -> pd.DataFrame:
    """Columns as pandas has them, without a copy of their text."""
    return pa.table(dict(columns)).to_pandas()


def mapped(function: Callable[..., str], *columns: "pd.Series[str]") -> "pd.Series[str]":
    """A text for each row, from its cells in some columns; no more than a block of texts stands in memory."""
    chunks = []
    step = max(1, BLOCK // len(columns))
    for start in range(0, len(columns[0]), step):
        parts = [column.iloc[start : start + step].tolist() for column in columns]
        chunks.append(pa.array(map(function, *parts), TEXT))
    made = framed({"": pa.chunked_array(chunks, TEXT)})[""]
    return made.set_axis(columns[0].index).rename(None)


def among(column: "pd.Series[str]", known: "pd.Series[str]") -> Bools:
    """Which cells are among some texts: pandas' `isin` makes objects of all of them first."""
    return np.asarray(pd.Index(known).unique().get_indexer(pd.Index(column)) >= 0)


def texts(column: "pd.Series[Any]") -> "pd.Series[str]":
    """A column of any values as texts that UTF-8 can hold."""
    if isinstance(column.dtype, pd.StringDtype) and not column.hasnans:
        return column
    return mapped(lambda value: clean(as_text(value)), column)


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
    try:
        text.encode()
    except UnicodeEncodeError:
        pass
    else:
        return text
    # By way of UTF-16, in which a pair of surrogates is a character's proper form.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
