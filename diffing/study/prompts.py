"""Prompts: the table, the bundled set, imports, and the split into discovery and held-out.

A prompt is a text or a conversation; its id is a hash of its content, so the same prompt is the same row in
every study. Promises that equal content never stands twice in a study's table. Near-duplicates are reported and
kept: whether they are one prompt is for a person to say.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from diffing.common import columns, damage, escape, files, json_rows, noted, tables
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.study import alike

COLUMNS = ["id", "category", "tags", "text", "messages", "split", "active"]
BUNDLED = Path(__file__).parents[1] / "starter" / "prompts.csv"
ROLES = ("system", "user", "assistant")
TEXT_NAMES = ("text", "prompt", "question", "instruction", "input")
"""Column names taken for the prompt when nothing is mapped, in this order."""
LONGEST = 2**20
"""Bytes of a prompt's row that is looked for by itself: a longer one is found in the whole table."""


class Imported(NamedTuple):
    """What an import would add, and what it noticed."""

    table: pd.DataFrame
    """New prompts only."""
    duplicates: list[str]
    """Texts that the file repeats or the study has already; left out."""
    near: list[tuple[str, str, int]]
    """(new text, text it resembles, similarity in percent); kept."""


def empty() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=bool if name == "active" else "str") for name in COLUMNS})


def bundled() -> pd.DataFrame:
    """The set that ships with the project, written to show behaviour rather than topics."""
    return tables.read(BUNDLED)


def prompt_id(text: str, messages: str) -> str:
    """Hash of what is sent, whichever way it is written; neither category nor tags are part of it."""
    turns = conversation(text, messages)
    # 12 digits are 48 bits: among ten thousand prompts the chance that any two meet is 2 in 10 million.
    return files.content_hash(turns[0]["content"] if _is_one_question(turns) else turns, 12)


def discovery(table: pd.DataFrame) -> pd.Series:
    """Which rows are of prompts that labels, drafts and examples may be made from: held-out ones stay unseen."""
    return table["split"] == "discovery"


def split_of(identifier: str, held_out: float) -> str:
    """`held-out` for about this share of all ids, by a hash that depends on the id alone."""
    # A hash and no draw: a prompt stays on its side whatever is added or removed, and in every study. The word in
    # front makes the splits by different hashes independent of each other.
    share = int(files.content_hash(["split", identifier], 8), 16) / 16**8
    return "held-out" if share < held_out else "discovery"


def half_of(identifier: str) -> str:
    """`write` or `score`: which half of the discovery prompts a label is written from or scored on."""
    return "write" if int(files.content_hash(["half", identifier], 8), 16) % 2 == 0 else "score"


def conversation(text: str, messages: str) -> list[dict[str, str]]:
    """The messages that are sent for a prompt, without a system prompt of the study."""
    return json.loads(messages) if messages else [{"role": "user", "content": text}]


def _is_one_question(turns: list[dict[str, str]]) -> bool:
    return len(turns) == 1 and turns[0]["role"] == "user"


def check_messages(messages: str, where: str) -> str:
    """A conversation as canonical JSON text, or a `UserError` that says what is wrong with it."""
    try:
        value = json.loads(messages)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else json_rows.reason(error)
        raise UserError(f"{where}: the conversation is not JSON ({reason}); mend it.") from error
    fine = isinstance(value, list) and all(
        isinstance(m, dict) and m.get("role") in ROLES and isinstance(m.get("content"), str) for m in value
    )
    if not fine or not value or value[-1]["role"] != "user" or not value[-1]["content"].strip():
        raise UserError(
            f"{where}: a conversation is a list of {{role, content}} that ends with the user's turn; mend it."
        )
    return json.dumps(
        [{"role": m["role"], "content": tables.clean(m["content"])} for m in value], ensure_ascii=False
    )


def normal(table: pd.DataFrame, held_out: float) -> pd.DataFrame:
    """The schema's columns; ids and split follow from the content, and a repeated prompt stands once."""
    return _identified(table, held_out).drop_duplicates("id").reset_index(drop=True)


def _identified(table: pd.DataFrame, held_out: float) -> pd.DataFrame:
    """The schema's columns, row for row."""
    out = pd.DataFrame(index=range(len(table)))
    for name in ("category", "tags", "text", "messages"):
        out[name] = columns.texts(table[name].reset_index(drop=True)) if name in table else ""
    talks = out.index[out["messages"] != ""]
    turns = [json.loads(check_messages(out.at[row, "messages"], f"Prompt {row + 1}")) for row in talks]
    out.loc[talks, "text"] = [t[0]["content"] if _is_one_question(t) else "" for t in turns]
    out.loc[talks, "messages"] = ["" if _is_one_question(t) else json.dumps(t, ensure_ascii=False) for t in turns]
    blank = (out["messages"] == "") & (out["text"].str.strip() == "")
    if bool(blank.any()):
        raise UserError(f"Prompt {int(np.argmax(blank)) + 1} is empty; give it a text or a conversation.")
    out.insert(0, "id", ids(out["text"], out["messages"]))
    out["split"] = columns.mapped(lambda identifier: split_of(identifier, held_out), out["id"])
    active = table["active"].tolist() if "active" in table else [True] * len(table)
    out["active"] = [_is_yes(value) for value in active]
    return out


def ids(texts: "pd.Series[str]", messages: "pd.Series[str]") -> "pd.Series[str]":
    """Each row's `prompt_id`; what stands in many rows is hashed once."""
    made = pd.Series("", index=texts.index, dtype="str")
    for mask, column, of in (
        (messages == "", texts, lambda text: prompt_id(text, "")),
        (messages != "", messages, lambda talk: prompt_id("", talk)),
    ):
        if bool(mask.any()):
            codes, contents = pd.factorize(column[mask])
            hashed = columns.mapped(of, pd.Series(contents)).iloc[codes].array
            if bool(mask.all()):
                return pd.Series(hashed, index=texts.index)
            made[mask] = hashed
    return made


def _is_yes(value: Any) -> bool:
    """A spreadsheet may have rewritten the word."""
    return str(value).strip().lower() not in ("false", "0", "no")


def read(path: Path) -> pd.DataFrame:
    """A study's prompts; a person may have edited them, but not taken any away (`repair` accepts even that)."""
    known = noted.rows(path) or 0
    with damage.reading(path):
        content = path.read_text(encoding="utf-8")
    # A study may have no prompts yet: then its file is a header alone.
    table = empty() if content.strip() == ",".join(COLUMNS) else _table(path, content)
    if len(table) < known:
        raise Damaged(path, f"it holds {len(table):,} of the {known:,} prompts that were written")
    return table


def part(path: Path, ids: Sequence[str]) -> pd.DataFrame:
    """Some of a study's prompts, found by their ids at the beginnings of lines.

    An id is a hash of what the row says, and so a row that fits its id is the prompt itself. Where one is not
    found so, as in a file that a person has edited, the whole table is read.
    """
    with damage.reading(path):
        content = path.read_bytes()
    rows = []
    for wanted in ids:
        at = content.find(f"\n{wanted},".encode()) + 1
        # To the end of a row whose cells may have line breaks, and no further than a page of text.
        text = content[at : at + LONGEST].decode("utf-8", "ignore")
        row = next(csv.reader(io.StringIO(text, newline="")), []) if at else []
        if not content.startswith(",".join(COLUMNS).encode()) or len(row) != len(COLUMNS):
            break
        told = dict(zip(COLUMNS, row, strict=True))
        if prompt_id(told["text"], told["messages"]) != wanted:
            break
        rows.append(told | {"active": _is_yes(told["active"])})
    if len(rows) < len(ids):
        table = read(path)
        return table[table["id"].isin(list(ids))].reset_index(drop=True)
    return pd.DataFrame(rows, columns=COLUMNS)


def _table(path: Path, content: str) -> pd.DataFrame:
    try:
        table = tables.read(path, own=True)
    except UserError as error:
        raise Damaged(path, str(error).partition(";")[0]) from error
    absent = [name for name in COLUMNS if name not in table]
    if absent:
        raise Damaged(path, f"it has no column '{absent[0]}'")
    if "\0" in content and (row := _zeroed(table)):
        raise Damaged(path, f"row {row} holds zero bytes that nobody wrote")
    table["active"] = [_is_yes(value) for value in table["active"]]
    return table[COLUMNS]


def _zeroed(table: pd.DataFrame) -> int | None:
    """The first row that a disk has filled with zeros: a prompt may hold some, but then its id fits them."""
    cells = table[COLUMNS].astype("str")
    holding = cells.apply(lambda column: column.str.contains("\0", regex=False)).any(axis=1)
    for number in np.flatnonzero(holding).tolist():
        row = cells.iloc[number]
        with suppress(ValueError):
            others = "".join(row[["id", "category", "tags", "split", "active"]])
            if "\0" not in others and prompt_id(row["text"], row["messages"]) == row["id"]:
                continue
        return int(number) + 1
    return None


def write(path: Path, table: pd.DataFrame) -> None:
    if len(table) < (noted.rows(path) or 0):
        noted.forget(path)
    with files.replacing(path) as temporary:
        tables.write_csv(temporary, table[COLUMNS])
    noted.note(path, len(table))


def load(path: Path, named: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Prompts from a user's file; `named` maps our names (text, messages, category, tags) to theirs."""
    table = tables.take(_restored(tables.read(path)), named or {}, path)
    if "text" not in table and "messages" not in table:
        guess = next((name for name in TEXT_NAMES if name in table), None)
        if guess is None:
            here = ", ".join(map(str, table.columns))
            raise UserError(
                f"'{path.name}' has no column 'text' or 'messages' (it has: {here}); "
                "say which one holds the prompt with --column text=NAME."
            )
        table = table.rename(columns={guess: "text"})
    blank = ~_content(table).str.strip().astype(bool)
    if bool(blank.any()):
        raise UserError(f"'{path.name}' has an empty prompt in row {int(np.argmax(blank)) + 1}; fill or drop it.")
    return table


def _restored(table: pd.DataFrame) -> pd.DataFrame:
    """Prompts of an export without the apostrophes before what a spreadsheet would run: where their ids say so."""
    if list(table.columns) != COLUMNS:
        return table
    plain = table.map(escape.uncell)
    ours = [
        not messages and prompt_id(text, "") == told
        for told, text, messages in zip(table["id"], plain["text"], table["messages"], strict=True)
    ]
    return plain.where(pd.Series(ours, index=table.index), table, axis=0)


def compare(new: pd.DataFrame, old: pd.DataFrame, held_out: float) -> Imported:
    """What of `new` is not in `old` yet, with duplicates left out and near-duplicates named."""
    table, repeated = lacking(new, old, held_out)
    return Imported(table, repeated, near_duplicates(table, old))


def lacking(new: pd.DataFrame, old: pd.DataFrame, held_out: float) -> tuple[pd.DataFrame, list[str]]:
    """What of `new` is not in `old` yet, and the texts of what is."""
    rows = _identified(new.reset_index(drop=True), held_out)
    repeated = rows["id"].isin(old["id"]) | rows["id"].duplicated()
    return rows[~repeated].reset_index(drop=True), _all_shown(rows[repeated])


def near_duplicates(table: pd.DataFrame, old: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Pairs of different prompts that read almost alike, at most one for each new prompt."""
    return alike.pairs(_all_shown(table), _all_shown(old))


def _all_shown(table: pd.DataFrame) -> list[str]:
    return [_shown(text, messages) for text, messages in zip(table["text"], table["messages"], strict=True)]


def shown(prompt: "pd.Series[Any]") -> str:
    """What a person reads in place of a prompt: its text, or its conversation turn by turn."""
    return _shown(prompt["text"], prompt["messages"])


def _shown(text: str, messages: str) -> str:
    if not messages:
        return str(text)
    return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in json.loads(messages))


def containing(table: pd.DataFrame, search: str) -> pd.Series:
    """Which prompts have these words in their text, their conversation or their tags, in capitals or not."""
    words = table["text"] + table["messages"] + table["tags"]
    return words.str.contains(search, case=False, regex=False)


def listed(
    table: pd.DataFrame, answers: pd.DataFrame, category: str | None, search: str, held_out: bool
) -> pd.DataFrame:
    """The active prompts of a category that a search finds, in themselves or in one of the `answers` to them.

    Held-out ones stay out unless they are asked for.
    """
    kept = table["active"] & (discovery(table) | held_out)
    if category:
        kept &= table["category"] == category
    if search:
        hits = answers.loc[answers["text"].str.contains(search, case=False, regex=False), "prompt_id"]
        kept &= containing(table, search) | table["id"].isin(hits)
    return table[kept]


def _content(table: pd.DataFrame) -> "pd.Series[str]":
    nothing = pd.Series("", index=table.index, dtype=object)
    return table.get("messages", nothing) + table.get("text", nothing)
