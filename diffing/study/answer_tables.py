"""Tables of answers: long or wide, or with a conversation in each row, made into one row an answer.

Long: `prompt, checkpoint, response[, category, tags, draw, finish_reason, reasoning, tools]`. Wide: `prompt,
response_a, response_b[, category, tags]`, or a prompt and two columns of answers that are called as their
checkpoints. What `export` wrote names its prompts by id, and is read with the export's prompts. Promises one
sentence, with its row, on what is wrong with a table, and that text comes back as it stood in the file.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from diffing.common import tables
from diffing.common.errors import UserError
from diffing.study import prompts, responses
from diffing.study.logs.row import score

# As data sets call these columns, the most telling name first: a table may have an instruction and an input.
PROMPT_NAMES = ("prompt", "instruction", "question", "input", "text")
RESPONSE_NAMES = ("response", "output", "answer", "completion")
CHECKPOINT_NAMES = ("checkpoint", "model", "generator")
OPTIONAL = ("category", "tags", "draw", "finish_reason")
BESIDE = (*OPTIONAL, "id", "prompt_id", "split", "active", "messages")
"""Columns that are no answers, whatever else a table has."""
EXPORTED = {"prompt_id", "checkpoint", "text"}
"""Columns of a study's own answers, as `export` writes them."""
PROMPTS = {"id", "text", "split", "active"}
"""And of its prompts."""


def guessed(there: Sequence[str]) -> dict[str, str]:
    """Which of a table's columns is which of ours, as far as their names tell."""
    names = {"prompt": PROMPT_NAMES, "response": RESPONSE_NAMES, "checkpoint": CHECKPOINT_NAMES}
    names |= {ours: (ours,) for ours in ("response_a", "response_b", "category", "draw", "tags")}
    found = {ours: next((name for name in guesses if name in there), None) for ours, guesses in names.items()}
    return {ours: theirs for ours, theirs in found.items() if theirs is not None}


def two_answers(table: pd.DataFrame, measures: Sequence[str] = (), prompt: str = "") -> dict[str, str]:
    """Two columns of answers by our names, of a table with a row a prompt; empty where it is no such table.

    Told by what is left: a prompt, what may stand beside it, and two columns of text of any other name.
    """
    there = [str(name) for name in table]
    prompt = prompt or next((name for name in PROMPT_NAMES if name in there), "")
    if prompt not in there or {*RESPONSE_NAMES, *CHECKPOINT_NAMES, "response_a", "response_b"} & {*there}:
        return {}
    left = [name for name in there if name not in (prompt, *BESIDE, *measures)]
    if len(left) != 2 or any(table[name].map(score).notna().all() for name in left):
        return {}
    return dict(zip(("response_a", "response_b"), left, strict=True))


def holds_prompts(path: Path) -> bool:
    """Whether a file is what a study asks, as `export` writes it, and holds no answers."""
    if path.suffix != ".csv" or not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        names = {name.strip().strip('"') for name in file.readline(10_000).split(",")}
    return names >= PROMPTS and "checkpoint" not in names


def with_prompts(table: pd.DataFrame, name: str, beside: Sequence[Path]) -> pd.DataFrame:
    """Answers that name their prompts by id, with these from a file beside them; others as they are."""
    if not {*table} >= EXPORTED or {"prompt", "messages", "response"} & {*table}:
        return table
    files = [path for path in beside if holds_prompts(path)]
    if not files:
        raise UserError(
            f"'{name}' names its prompts by id alone; bring the prompts that were exported with it, in the same "
            "import."
        )
    asked = pd.concat([tables.read(path) for path in files]).drop_duplicates("id")
    asked = asked.rename(columns={"id": "prompt_id", "text": "prompt"})
    kept = [column for column in ("prompt_id", "prompt", "messages", "category", "tags") if column in asked]
    unknown = ~table["prompt_id"].isin(asked["prompt_id"])
    if bool(unknown.any()):
        raise UserError(
            f"'{name}' answers a prompt in row {first(unknown)} that '{files[0].name}' does not hold; bring the "
            "prompts that were exported with it."
        )
    return table.rename(columns={"text": "response"}).merge(asked[kept], on="prompt_id", how="left")


def taken(table: pd.DataFrame, columns: Mapping[str, str], path: Path) -> pd.DataFrame:
    """A table with our names in place of the file's."""
    if "response" in columns:
        # Said to have an answer a row: what else could be read as two in a row is not asked for.
        others = [c for c in ("response_a", "response_b") if c != columns["response"]]
        table = table.drop(columns=others, errors="ignore")
    return tables.take(table, columns, path)


def long(table: pd.DataFrame, name: str, alone: str = "", sides: Sequence[str] = ("a", "b")) -> pd.DataFrame:
    """Either shape as long rows; `alone` is the checkpoint of a table that names none, `sides` of a wide one."""
    here = ", ".join(map(str, table.columns))
    if "prompt" not in table and "messages" not in table:
        table = _renamed(table, "prompt", PROMPT_NAMES, name, here)
    if "prompt" not in table:
        table["prompt"] = ""
    for column in OPTIONAL:
        if column not in table:
            table[column] = ""
    if {"response_a", "response_b"} <= set(table.columns):
        return _sides(table, sides)
    if "response" not in table:
        # Where another column is the prompt, the text is the answer, as in what this program exports.
        table = _renamed(table, "response", (*RESPONSE_NAMES, "text"), name, here)
    if "checkpoint" not in table and alone and not set(CHECKPOINT_NAMES) & set(table.columns):
        table["checkpoint"] = alone
    if "checkpoint" not in table:
        table = _renamed(table, "checkpoint", CHECKPOINT_NAMES, name, here)
    return table.reset_index(drop=True)


def _sides(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """A wide table's rows, A's before B's."""
    wide = [name for name in table if name.endswith(("_a", "_b"))]
    kept = [name for name in table if name not in wide]
    sides = [
        table[kept].assign(
            **{name[:-2]: table[name] for name in wide if name.endswith(f"_{side}")},
            checkpoint=called,
            row=range(len(table)),
        )
        for side, called in zip("ab", names, strict=True)
    ]
    # Side by side again, A before B: a stable sort keeps the order in which they were joined.
    return pd.concat(sides).sort_values("row", kind="stable").drop(columns="row").reset_index(drop=True)


def checked(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Long rows with ids and draws; a `UserError` that names the row where one cannot be an answer."""
    if "messages" not in table:
        table["messages"] = ""
    blank = (table["prompt"].str.strip() == "") & (table["messages"].str.strip() == "")
    if bool(blank.any()):
        raise UserError(f"'{name}' has no prompt in row {first(blank)}; fill it or drop the row.")
    blank = table["checkpoint"].str.strip() == ""
    if bool(blank.any()):
        if bool(blank.all()):
            raise UserError(f"'{name}' does not say which model answers; name it with --as NAME.")
        raise UserError(f"'{name}' names no checkpoint in row {first(blank)}; fill it or drop the row.")
    talks = table.index[table["messages"] != ""]
    table.loc[talks, "messages"] = [
        prompts.check_messages(table.at[row, "messages"], f"'{name}' row {row + 1}") for row in talks
    ]
    # A conversation is the prompt, whatever stands beside it as text.
    table["prompt_id"] = prompts.ids(table["prompt"], table["messages"])
    table["draw"] = [_draw(value, row, name) for row, value in enumerate(table["draw"], start=1)]
    return table


def check_repeats(table: pd.DataFrame, name: str) -> None:
    """One row answers one draw of one prompt."""
    repeated = table.duplicated(responses.KEY, keep="first")
    if bool(repeated.any()):
        row = first(repeated)
        key = table.loc[row - 1, responses.KEY]
        before = first((table[responses.KEY] == key).all(axis=1))
        raise UserError(
            f"'{name}' answers the same prompt for '{key['checkpoint']}' in rows {before} and {row}; "
            "drop one, or tell draws apart in a column 'draw'."
        )


def measured(table: pd.DataFrame, names: Sequence[str], path: Path) -> tuple[pd.DataFrame, int]:
    """The numbers in some columns of long rows as `row, name, value, better`, and how many cells are none."""
    parts, lost = [], 0
    for name in names:
        if name not in table:
            here = ", ".join(map(str, table.columns))
            raise UserError(f"'{path.name}' has no column '{name}' (it has: {here}); name the right one.")
        found = [(row, score(cell)) for row, cell in enumerate(table[name]) if cell.strip()]
        fine = [(row, number) for row, number in found if number is not None]
        lost += len(found) - len(fine)
        parts.append(pd.DataFrame(fine, columns=["row", "value"]).assign(name=name, better=""))
    return pd.concat(parts, ignore_index=True) if parts else nothing_measured(), lost


def nothing_measured() -> pd.DataFrame:
    return pd.DataFrame({"row": [], "name": [], "value": [], "better": []})


def first(mask: "pd.Series[bool]") -> int:
    """Number, from 1, of the first row where the mask holds."""
    return int(mask.to_numpy().argmax()) + 1


def _renamed(table: pd.DataFrame, ours: str, guesses: Sequence[str], name: str, here: str) -> pd.DataFrame:
    for guess in guesses:
        if guess in table:
            return table.rename(columns={guess: ours})
    other = " or --as NAME" if ours == "checkpoint" else ""
    raise UserError(
        f"'{name}' has no column '{ours}' (it has: {here}); say which one it is with --column {ours}=NAME{other}."
    )


def _draw(value: str, row: int, name: str) -> int:
    if not value.strip():
        return 0
    # A spreadsheet or a column with gaps may have made 1 into 1.0. A draw may be named by its seed.
    number = tables.number(value.strip().removesuffix(".0"))
    if number is None:
        raise UserError(f"'{name}' has the draw '{value[:40]}' in row {row}; draws are numbers from 0.")
    return number
