"""Answers collected elsewhere: long or wide tables become prompts and responses of a study.

Long: `prompt, checkpoint, response[, category, tags, draw, finish_reason]`. Wide: `prompt, response_a,
response_b[, category, tags]`. Promises that a file with one bad row, or with a checkpoint that has no place in the
study, changes nothing at all, and that text comes back as it stood in the file. Does not promise as much of a
process that is killed half-way: importing the same file again completes it.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from diffing.common import files, tables
from diffing.common.columns import mapped
from diffing.common.errors import UserError
from diffing.models.providers import Checkpoint
from diffing.study import prompts, responses, study
from diffing.study.study import Exists, Study

# As data sets call these columns, the most telling name first: a table may have an instruction and an input.
PROMPT_NAMES = ("prompt", "instruction", "question", "input", "text")
RESPONSE_NAMES = ("response", "output", "answer", "completion")
CHECKPOINT_NAMES = ("checkpoint", "model", "generator")

PROMPT_COLUMNS = ("prompt", "messages", "category", "tags", "active")


class Answers(NamedTuple):
    """A file's content in our words."""

    prompts: pd.DataFrame
    """`text, messages, category, tags`, one row a prompt."""
    responses: pd.DataFrame
    """Rows of the response schema; `checkpoint` holds the file's own names."""
    checkpoints: list[str]
    """The file's names, in order of appearance."""


def load(path: Path, columns: Mapping[str, str] | None = None) -> Answers:
    """A file's answers; `columns` maps our names to the file's."""
    return of_table(tables.read(path), path, columns)


def guessed(there: Sequence[str]) -> dict[str, str]:
    """Which of a table's columns is which of ours, as far as their names tell."""
    names = {"prompt": PROMPT_NAMES, "response": RESPONSE_NAMES, "checkpoint": CHECKPOINT_NAMES}
    names |= {ours: (ours,) for ours in ("response_a", "response_b", "category", "draw", "tags")}
    found = {ours: next((name for name in guesses if name in there), None) for ours, guesses in names.items()}
    return {ours: theirs for ours, theirs in found.items() if theirs is not None}


def of_table(table: pd.DataFrame, path: Path, columns: Mapping[str, str] | None = None) -> Answers:
    """The answers in a table that was read from a file of this name."""
    if columns and "response" in columns:
        # Said to have an answer a row: what else could be read as two in a row is not asked for.
        table = table.drop(
            columns=[c for c in ("response_a", "response_b") if c != columns["response"]], errors="ignore"
        )
    table = _long(tables.take(table, columns or {}, path), path)
    if "messages" not in table:
        table["messages"] = ""
    blank = (table["prompt"].str.strip() == "") & (table["messages"].str.strip() == "")
    if bool(blank.any()):
        raise UserError(f"'{path.name}' has no prompt in row {_first(blank)}; fill it or drop the row.")
    blank = table["checkpoint"].str.strip() == ""
    if bool(blank.any()):
        raise UserError(f"'{path.name}' names no checkpoint in row {_first(blank)}; fill it or drop the row.")
    talks = table.index[table["messages"] != ""]
    table.loc[talks, "messages"] = [
        prompts.check_messages(table.at[row, "messages"], f"'{path.name}' row {row + 1}") for row in talks
    ]
    # A conversation is the prompt, whatever stands beside it as text.
    table["prompt_id"] = prompts.ids(table["prompt"], table["messages"])
    table["draw"] = [_draw(value, row, path) for row, value in enumerate(table["draw"], start=1)]
    repeated = table.duplicated(responses.KEY, keep="first")
    if bool(repeated.any()):
        row = _first(repeated)
        key = table.loc[row - 1, responses.KEY]
        first = _first((table[responses.KEY] == key).all(axis=1))
        raise UserError(
            f"'{path.name}' answers the same prompt for '{key['checkpoint']}' in rows {first} and {row}; "
            "drop one, or tell draws apart in a column 'draw'."
        )
    asked = table.loc[~table["prompt_id"].duplicated(), [c for c in PROMPT_COLUMNS if c in table]]
    return Answers(
        asked.rename(columns={"prompt": "text"}).reset_index(drop=True),
        _responses(table),
        list(dict.fromkeys(table["checkpoint"])),
    )


def into(
    name: str, answers: Answers, match: Mapping[str, str] | None = None, add_checkpoints: bool = False
) -> Study:
    """Put answers into a study, which is made where there is none."""
    renamed = [(match or {}).get(theirs, theirs) for theirs in answers.checkpoints]
    if name not in study.names():
        keys = [_slug(theirs) for theirs in renamed]
        checkpoints = [_imported(r, k) for r, k in zip(renamed, keys, strict=True)]
        try:
            return Study.create(name, checkpoints, answers.prompts, _keyed(answers, keys))
        except Exists:
            # Else another import has just made it, and these answers go into it.
            if name not in study.names():
                raise
    target = Study.open(name)
    with target.held():
        settings = target.reread()
        keys = _known_keys(target, renamed, add_checkpoints)
        # By key: two names of the file may have been matched to one new checkpoint.
        added = {key: theirs for theirs, key in zip(renamed, keys, strict=True) if key not in _keys(target)}
        fresh = [_imported(theirs, key) for key, theirs in added.items()]
        old = target.prompts()
        table = pd.concat([old, answers.prompts], ignore_index=True) if len(old) else answers.prompts
        settings = settings.model_copy(update={"checkpoints": [*target.checkpoints, *fresh]})
        target.add_import(settings, table, _keyed(answers, keys))
    return target


def _keyed(answers: Answers, keys: Sequence[str]) -> pd.DataFrame:
    """The rows with the study's keys in place of the file's names."""
    names = dict(zip(answers.checkpoints, keys, strict=True))
    return answers.responses.assign(checkpoint=answers.responses["checkpoint"].map(names))


def _long(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Either shape as long rows with `prompt, checkpoint, response, category, tags, draw, finish_reason`."""
    here = ", ".join(map(str, table.columns))
    if "prompt" not in table and "messages" not in table:
        table = _renamed(table, "prompt", PROMPT_NAMES, path, here)
    if "prompt" not in table:
        table["prompt"] = ""
    for name in ("category", "tags", "draw", "finish_reason"):
        if name not in table:
            table[name] = ""
    if {"response_a", "response_b"} <= set(table.columns):
        kept = [c for c in ("prompt", "messages", "category", "tags", "draw", "finish_reason") if c in table]
        sides = [
            table[kept].assign(checkpoint=side, response=table[f"response_{side}"], row=range(len(table)))
            for side in ("a", "b")
        ]
        # Side by side again, A before B: a stable sort keeps the order in which they were joined.
        return pd.concat(sides).sort_values("row", kind="stable").reset_index(drop=True)
    if "response" not in table:
        table = _renamed(table, "response", RESPONSE_NAMES, path, here)
    if "checkpoint" not in table:
        table = _renamed(table, "checkpoint", CHECKPOINT_NAMES, path, here)
    return table.reset_index(drop=True)


def _renamed(table: pd.DataFrame, ours: str, guesses: Sequence[str], path: Path, here: str) -> pd.DataFrame:
    for guess in guesses:
        if guess in table:
            return table.rename(columns={guess: ours})
    raise UserError(
        f"'{path.name}' has no column '{ours}' (it has: {here}); say which one it is with --column {ours}=NAME."
    )


def _draw(value: str, row: int, path: Path) -> int:
    if not value.strip():
        return 0
    # A spreadsheet or a column with gaps may have made 1 into 1.0. A draw may be named by its seed.
    number = tables.number(value.strip().removesuffix(".0"))
    if number is None:
        raise UserError(f"'{path.name}' has the draw '{value[:40]}' in row {row}; draws are numbers from 0.")
    return number


def _responses(table: pd.DataFrame) -> pd.DataFrame:
    rows = table[[*responses.KEY, "finish_reason"]].copy()
    rows["text"] = table["response"]
    rows["flag"] = mapped(
        lambda text, reason: responses.flag(text, reason, ""), rows["text"], rows["finish_reason"]
    )
    rows["created"] = files.now()
    return rows


def _known_keys(target: Study, names: Sequence[str], add: bool) -> list[str]:
    """The study's keys for a file's checkpoint names, which may be keys or names."""
    # A key goes before a name, as the study's own word for a checkpoint.
    by_name = {c.name: c.key for c in target.checkpoints} | {c.key: c.key for c in target.checkpoints}
    for theirs in names:
        if theirs not in by_name and not add:
            known = ", ".join(_keys(target))
            raise UserError(
                f"Study '{target.name}' has no checkpoint '{theirs}' (it has {known}); match it with "
                f"--match '{theirs}=KEY' or add it with --add-checkpoints."
            )
    keys = [by_name.get(theirs) or _slug(theirs) for theirs in names]
    owners = {key: key for key in _keys(target)}
    for theirs, key in zip(names, keys, strict=True):
        # 'a b' and 'a-b' are two checkpoints, and one key cannot stand for both.
        if theirs not in by_name and owners.setdefault(key, theirs) != theirs:
            raise UserError(
                f"'{theirs}' and '{owners[key]}' would both have the key '{key}'; tell them apart with "
                f"--match '{theirs}=KEY'."
            )
    return keys


def _keys(target: Study) -> list[str]:
    return [c.key for c in target.checkpoints]


def _imported(name: str, key: str) -> Checkpoint:
    return Checkpoint(key=key, name=name, source="import")


def _slug(name: str) -> str:
    # As `providers.NAME` wants it.
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:64] or "checkpoint"


def _first(mask: pd.Series) -> int:
    """Number, from 1, of the first row where the mask holds."""
    return int(mask.to_numpy().argmax()) + 1
