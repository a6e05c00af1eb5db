"""The formats by name, how a file's own is found, and a log's rows as one table.

Promises that rows are taken as a stream and kept close-packed, within the limits of a table, and one sentence on
whatever is wrong with a log: what it holds of itself is never run, and names in it are never paths.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from diffing.common import bounds, columns
from diffing.common.columns import Columns
from diffing.common.errors import UserError
from diffing.study.logs import batches, head, inspect_log, lm_eval, promptfoo, transcripts
from diffing.study.logs.head import Head
from diffing.study.logs.row import TEXTS, Row, Source

TABLE = "table"
"""What is of no other format: CSV, JSON and Parquet with a column for each of our words."""
ANSWER = ["checkpoint", "sample", "draw"]
"""What an answer is known by in its log."""


class Format(NamedTuple):
    """How a log is known and read."""

    recognises: Callable[[Head], bool]
    read: Callable[[Source], Iterator[Row]]


FORMATS = {
    "inspect": Format(inspect_log.recognises, inspect_log.read),
    "lm-eval": Format(lm_eval.recognises, lm_eval.read),
    "promptfoo": Format(promptfoo.recognises, promptfoo.read),
    "openai-batch": Format(batches.recognises, batches.read),
    "transcripts": Format(transcripts.recognises, transcripts.read),
}
"""In the order in which they are asked: the more telling ones first."""
NAMES = (*FORMATS, TABLE)


class Taken(NamedTuple):
    """A log's rows as tables of text."""

    answers: pd.DataFrame
    """`TEXTS`, a row an answer."""
    measures: pd.DataFrame
    """`row, name, value, better`, a row a number, all text but the place of its answer."""


def of(path: Path) -> str:
    """The name of a file's format."""
    if not path.is_file():
        return TABLE
    start = head.of(path)
    found = next((name for name, one in FORMATS.items() if one.recognises(start)), TABLE)
    if found == TABLE and start.entries is not None:
        raise UserError(f"'{path.name}' is a zip of no known kind; unpack it and bring what is in it.")
    return found


def read(source: Source, name: str) -> Taken:
    """A log's rows; `name` is its format's."""
    try:
        return gathered(FORMATS[name].read(source), source)
    except RecursionError as error:
        raise UserError(f"'{source.name}' is nested too deeply; mend or drop the row that is.") from error


def gathered(rows: Iterable[Row], source: Source) -> Taken:
    """Rows, packed as they come."""
    most = bounds.limits()
    answers, measures = (
        Columns(source.name, most, TEXTS),
        Columns(source.name, most, (*ANSWER, "name", "value", "better")),
    )
    for row in rows:
        if not row.numbers_alone:
            cells = [columns.clean(str(getattr(row, name))) for name in TEXTS]
            if sum(map(len, cells)) > most.row:
                raise UserError(
                    f"'{source.name}' has an answer of more than {most.row:,} characters; cut or drop it."
                )
            answers.add(cells)
        for name, value in row.measures.items():
            better = {True: "yes", False: "no", None: ""}[row.better.get(name)]
            measures.add([row.checkpoint, row.sample, str(row.draw), columns.clean(name), repr(value), better])
    table = answers.table()
    if table.empty:
        why = "; ".join(f"{number:,} {what}" for what, number in source.left_out.items())
        raise UserError(f"'{source.name}' holds no answers{f' ({why})' if why else ''}; check the file.")
    places = table[ANSWER].assign(row=range(len(table))).drop_duplicates(ANSWER)
    return Taken(table, measures.table().merge(places, on=ANSWER)[["row", "name", "value", "better"]])
