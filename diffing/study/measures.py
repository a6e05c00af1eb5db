"""Scores and other numbers by answer, as other tools give them: `measures.parquet` beside the answers.

One row is one number of one (prompt, checkpoint, draw). Promises that the later of two numbers of one name and
answer stands, so that a file brought twice adds nothing twice, and that a number is finite. Compares nothing.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from diffing.common import damage, files, noted
from diffing.study import responses

FILE = "measures.parquet"
KEY = [*responses.KEY, "name"]
COLUMNS: dict[str, str] = {
    "prompt_id": "str",
    "checkpoint": "str",
    "draw": "int64",
    "name": "str",
    "value": "float64",
    "kind": "str",
    "higher_is_better": "boolean",
}
"""Schema of `measures.parquet`; `kind` is `yes/no` where all numbers of a name are 0 or 1, `number` otherwise;
`higher_is_better` is absent where nobody said."""


def empty() -> pd.DataFrame:
    return normal(pd.DataFrame({name: [] for name in KEY}))


def normal(table: pd.DataFrame) -> pd.DataFrame:
    """The schema's columns, types and order; kinds follow from the numbers, and what is no number is left out."""
    out = pd.DataFrame(index=table.index)
    for name, kind in COLUMNS.items():
        if name == "kind":
            out[name] = pd.Series("", index=table.index, dtype="str")
        elif name == "higher_is_better" and name not in table:
            out[name] = pd.Series(pd.NA, index=table.index, dtype="boolean")
        elif name == "value" and name not in table:
            out[name] = pd.Series(np.nan, index=table.index, dtype="float64")
        else:
            out[name] = table[name].astype(kind)
    out = out[np.isfinite(out["value"])].reset_index(drop=True)
    plain = out["value"].isin([0.0, 1.0]).groupby(out["name"]).transform("all").astype(bool)
    out["kind"] = pd.Series(np.where(plain, "yes/no", "number"), index=out.index, dtype="str")
    return out


def joined(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Both tables' numbers; the later one of a name and an answer wins."""
    both = pd.concat([table for table in (old, normal(new)) if len(table)] or [old], ignore_index=True)
    # Sorted, so that the file hangs on what was measured and not on what came first.
    return normal(both.drop_duplicates(KEY, keep="last").sort_values(KEY, ignore_index=True))


def read(path: Path) -> pd.DataFrame:
    """A study's measures; none where nobody brought any."""
    if not path.exists() and not noted.rows(path):
        return empty()
    table = files.read_parquet(path)
    with damage.reading(path):
        absent = {*KEY, "value"} - {*table.columns}
        if absent:
            raise ValueError(f"it has no column '{min(absent)}'")
        return normal(table)


def write(path: Path, table: pd.DataFrame) -> None:
    files.write_parquet(path, table)
    noted.note(path, len(table))
