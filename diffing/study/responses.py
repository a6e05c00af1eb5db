"""The answer table: its columns, its flags, and how two checkpoints' answers are paired.

One row is one (prompt, checkpoint, draw). A failure is a row with an error and no text, never an error as text.
Promises that a pair with a failed, blocked, empty or missing side is excluded whole, with the reason; truncated
answers and refusals in the model's own words stay. A refusal is recognised by its wording, so that flag is a
reading aid and decides nothing.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from diffing.common import damage, files, noted, stats
from diffing.common.arrays import Ints
from diffing.common.columns import among
from diffing.study import arriving
from diffing.study.arriving import Arrived

TABLE = "responses.parquet"
FILES = (TABLE, arriving.FILE)
"""Where a study's answers stand: the table, and what came in since it was written."""
KEY = ["prompt_id", "checkpoint", "draw"]

COLUMNS: dict[str, str] = {
    "prompt_id": "str",
    "checkpoint": "str",
    "draw": "int64",
    "text": "str",
    "reasoning": "str",
    "tools": "str",
    "finish_reason": "str",
    "flag": "str",
    "error": "str",
    "model_served": "str",
    "tokens_in": "Int64",
    "tokens_out": "Int64",
    "cost": "float64",
    "latency": "float64",
    "created": "str",
}
"""Schema of `responses.parquet`; cost in dollars, latency in seconds, empty strings where nothing is known.

`reasoning` and `tools` are channels of an answer beside its `text`: what a model thought, and its calls of tools
with their results, as a JSON list. Every step reads `text`; `channels` puts another one in its place.
"""

EXCLUDING = ("failed", "blocked", "empty", "missing")
"""Flags, and the absence of a row, that take a pair out of every statistic."""

# In the order of gravity, in which an answer gets the first that holds.
FLAGS = ("failed", "blocked", "empty", "truncated", "refusal")

# English only, first person, with either apostrophe.
REFUSAL = re.compile(
    r"\bI(?:(?:'|’)?m sorry,? but I)? (?:can(?:'|’)?t|cannot|won(?:'|’)t|am unable to|am not able to"
    r"|must decline to|have to decline)\b|\bI(?:'|’)m (?:unable|not able) to\b",
    re.IGNORECASE,
)


def empty() -> pd.DataFrame:
    return normal(pd.DataFrame())


def normal(table: pd.DataFrame) -> pd.DataFrame:
    """The table with exactly the schema's columns, types and order; absent columns are empty."""
    out = pd.DataFrame(index=table.index)
    for name, kind in COLUMNS.items():
        if name not in table:
            out[name] = pd.Series({"str": "", "int64": 0}.get(kind, np.nan), index=table.index, dtype=kind)
        elif kind == "str":
            column = table[name]
            # Through `object`, so that what is absent becomes empty text and not the word "nan".
            text = isinstance(column.dtype, pd.StringDtype)
            out[name] = column if text else column.astype(object).where(column.notna(), "").astype(str)
            out[name] = out[name].fillna("")
        elif name == "draw":
            out[name] = pd.to_numeric(table[name]).fillna(0).astype(kind)
        else:
            out[name] = pd.to_numeric(table[name]).astype(kind)
    out.attrs = dict(table.attrs)
    return out.reset_index(drop=True)


def _came(path: Path) -> Arrived:
    """What has come in; none where it was written into the table while it was read."""
    try:
        return arriving.read(path)
    except damage.Damaged:
        if any(name.exists() for name in (arriving.beside(path), noted.place(arriving.beside(path)))):
            raise
        return Arrived("", [])


def read(path: Path) -> pd.DataFrame:
    # Before the table: what is written into it meanwhile is then met twice and not missed.
    came = _came(path)
    if not path.exists() and not noted.rows(path):
        return merge(empty(), pd.DataFrame(came.rows))
    table = files.read_parquet(path)
    with damage.reading(path):
        absent = {*KEY, "text"} - {*table.columns}
        if absent and len(table):
            raise ValueError(f"it has no column '{min(absent)}'")
        written = str(table.attrs.pop(arriving.NUMBER, ""))
        table = normal(table)
    if not came.rows or came.number == written != "":
        return table
    return merge(table, pd.DataFrame(came.rows))


def part(path: Path, columns: Sequence[str], prompts: Sequence[str] | None = None) -> pd.DataFrame:
    """Some columns of the answers, to some prompts alone where they are named; the others are not read."""
    came = _came(path)
    if came.rows or not path.exists():
        # A run goes on, or there is nothing: all of it is looked at.
        whole = read(path)
        return whole if prompts is None else whole[whole["prompt_id"].isin(prompts)].reset_index(drop=True)
    where = None if prompts is None else ("prompt_id", prompts)
    return normal(files.read_part(path, [*columns], where))


def parts(path: Path) -> Iterator[pd.DataFrame]:
    """All answers, some thousand at a time; whole where a run goes on or there are none."""
    if _came(path).rows or not path.exists():
        yield read(path)
        return
    yield from map(normal, files.parts(path))


def append(path: Path, rows: pd.DataFrame) -> None:
    """Store answers beside the table, without writing all of it; the later row of one key wins."""
    plain = normal(rows)
    plain = plain.astype(object).where(plain.notna(), None)
    if (number := arriving.number(path)) and number == _written(path):
        # Its lines stand in the table, and so would these be taken to.
        arriving.remove(path)
    arriving.append(path, plain.to_dict("records"))


def _written(path: Path) -> str:
    """The number of the file beside the table that was last written into it."""
    with damage.reading(path):
        told = pq.read_schema(path).pandas_metadata or {}
        return str((told.get("attributes") or {}).get(arriving.NUMBER, ""))


def marked(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """The table as it is written: it holds what had come in beside it."""
    table = table.copy(deep=False)
    table.attrs = {arriving.NUMBER: number} if (number := arriving.number(path)) else {}
    return table


def write(path: Path, table: pd.DataFrame, order: Ints | None = None) -> None:
    """Write the whole table, which holds what has come in; under the study's lock."""
    files.write_parquet(path, marked(path, table), order)
    written(path, table, order)


def rewrite(path: Path, table: pd.DataFrame) -> None:
    """Write the table alone, as a repair does: what has come in beside it stays there."""
    files.write_parquet(path, table)
    noted.note(path, len(table))


def written(path: Path, table: pd.DataFrame, order: Ints | None) -> None:
    """After the table took its place."""
    # Says from now on that there were answers, should the file go missing.
    noted.note(path, len(table) if order is None else len(order))
    arriving.remove(path)


def merge(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Both tables' rows; the later row of one key wins."""
    both, order = joined(old, new)
    return both.take(order).reset_index(drop=True)


def joined(old: pd.DataFrame, new: pd.DataFrame) -> tuple[pd.DataFrame, Ints]:
    """The same without another copy of all texts: all rows, and which of them count, in their order."""
    both = pd.concat([old, normal(new)], ignore_index=True)
    kept = np.flatnonzero(~both.duplicated(KEY, keep="last"))
    # Sorted, so that the file hangs on what was answered and not on what came back first.
    return both, kept[in_order(both[KEY].iloc[kept])]


def in_order(table: pd.DataFrame) -> Ints:
    """Places of the rows in the order of their keys."""
    keys = pa.Table.from_pandas(table[KEY], preserve_index=False)
    places: Ints = pc.sort_indices(keys, [(name, "ascending") for name in KEY]).to_numpy().astype(np.int64)
    return places


def flag(text: str, finish_reason: str, error: str) -> str:
    """The one flag of an answer, the gravest first; empty for a plain answer."""
    if error:
        return "failed"
    if finish_reason == "content_filter":
        return "blocked"
    if not text.strip():
        return "empty"
    if finish_reason == "length":
        return "truncated"
    return "refusal" if looks_refused(text) else ""


def looks_refused(text: str) -> bool:
    """Whether the first lines read as a refusal: a wording rule, which misses some and takes in some others."""
    # Two or three sentences, by eye: further down "I can't" is mostly about something else.
    return REFUSAL.search(text[:200]) is not None


def pairs(table: pd.DataFrame, prompts: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """A row for every active prompt and draw that either side should have, `excluded` empty where it counts."""
    active = prompts.loc[prompts["active"], "id"]
    sides, asked = {}, []
    for side, key in (("a", a), ("b", b)):
        rows = table[(table["checkpoint"] == key) & among(table["prompt_id"], active)]
        sides[side] = rows.set_index(["prompt_id", "draw"])[["text", "flag", "error"]].add_suffix(f"_{side}")
        asked.append(rows[["prompt_id", "draw"]])
    index = _asked(pd.concat(asked), active)
    joined = pd.DataFrame(index=index).join(sides["a"]).join(sides["b"]).reset_index()
    for side in ("a", "b"):
        joined[f"flag_{side}"] = joined[f"flag_{side}"].fillna("missing")
        joined[f"text_{side}"] = joined[f"text_{side}"].fillna("")
        joined[f"error_{side}"] = joined[f"error_{side}"].fillna("")
    reasons = [
        "; ".join(f"{side} {flag}" for side, flag in (("A", fa), ("B", fb)) if flag in EXCLUDING)
        for fa, fb in zip(joined["flag_a"], joined["flag_b"], strict=True)
    ]
    joined["excluded"] = pd.Series(reasons, index=joined.index, dtype=str)
    return joined


def _asked(answered: pd.DataFrame, active: "pd.Series[str]") -> pd.MultiIndex:
    """Prompts in their order, each with the draws that either side has of it.

    Draws are names, a seed perhaps: none is expected for being smaller than another. A prompt that has none was to
    have a first one.
    """
    place = pd.Series(np.arange(len(active)), index=active)
    none = active[~among(active, answered["prompt_id"])]
    rows = pd.concat([answered, pd.DataFrame({"prompt_id": none, "draw": 0})]).drop_duplicates()
    ordered = rows.assign(place=rows["prompt_id"].map(place)).sort_values(["place", "draw"])
    return pd.MultiIndex.from_frame(ordered[["prompt_id", "draw"]])


def draws(rows: pd.DataFrame) -> int:
    """The most answers that one prompt has among these rows of one checkpoint."""
    return int(rows["prompt_id"].value_counts().max()) if len(rows) else 0


def kept(paired: pd.DataFrame) -> pd.DataFrame:
    """The pairs that count: those with an answer on both sides."""
    return paired[paired["excluded"] == ""]


class Texts:
    """The texts of some rows, which name prompt, checkpoint and draw; a part of them is made at a time."""

    def __init__(self, table: pd.DataFrame, rows: pd.DataFrame) -> None:
        self._texts = table["text"]
        self._place = pd.MultiIndex.from_frame(table[KEY]).get_indexer(pd.MultiIndex.from_frame(rows[KEY]))

    def of(self, rows: Ints) -> list[str]:
        """By the rows' numbers; empty where there is no answer."""
        place = self._place[rows]
        found = self._texts.take(place.clip(min=0))
        return [str(text) if at >= 0 else "" for text, at in zip(found, place.tolist(), strict=True)]


def texts(table: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    """The answers' texts in the order of `rows`, which name prompt, checkpoint and draw; empty where none is."""
    answers = table.set_index(KEY)["text"]
    return [str(text) for text in answers.reindex(pd.MultiIndex.from_frame(rows[KEY]), fill_value="")]


def counts(table: pd.DataFrame, checkpoint: str, expected: int) -> dict[str, int]:
    """How many answers of a checkpoint are stored, and how many are of each troubled kind."""
    rows = table[table["checkpoint"] == checkpoint]
    by_flag = rows["flag"].value_counts()
    answered = len(rows) - int(by_flag.get("failed", 0))
    return {
        "stored": answered,
        **{name: int(by_flag.get(name, 0)) for name in FLAGS},
        "missing": max(0, expected - len(rows)),
    }


def compare_flags(paired: pd.DataFrame) -> pd.DataFrame:
    """Whether one side has more of a kind of trouble: a sign test over prompts, a row a flag."""
    rows = []
    for name in (*FLAGS, "missing"):
        hits = paired.assign(a=paired["flag_a"] == name, b=paired["flag_b"] == name)
        # By the share of a prompt's draws, since the prompt is the unit of every test.
        by_prompt = hits.groupby("prompt_id")[["a", "b"]].mean()
        more_a = int((by_prompt["a"] > by_prompt["b"]).sum())
        more_b = int((by_prompt["b"] > by_prompt["a"]).sum())
        p = float(stats.mcnemar(more_a, more_b))
        rows.append({"flag": name, "a": int(hits["a"].sum()), "b": int(hits["b"].sum()), "p": p})
    return pd.DataFrame(rows)
