"""A collection: a pile of texts as a study of one checkpoint, whose texts are its answers.

Each text answers a prompt of its own, which names where it came from unless its file says what was asked. Takes a
folder of text files (a text a file), one text file (a text a paragraph), a table or another tool's log of a single
model. Promises that a file whose texts are of several models is refused: that is a study, which `import` brings.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from diffing.common import bounds, tables
from diffing.common.errors import UserError
from diffing.common.paths import expanded
from diffing.study import answer_tables, imports, study
from diffing.study.imports import Answers
from diffing.study.logs import folders, formats
from diffing.study.study import Exists, Study

TEXT_FILES = (".txt", ".md", ".markdown")
TEXT_NAMES = ("text", *answer_tables.RESPONSE_NAMES, "content", "body", "document")
"""As tables call the column of their texts, the most telling name first."""
ASKED_NAMES = tuple(name for name in answer_tables.PROMPT_NAMES if name != "text")
PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
PATH = re.compile(r"[\w.~/\\-]*(?:/|\.(?:txt|md|markdown|csv|tsv|jsonl?|parquet|eval))(?:\.gz|\.xz)?")
"""What nobody would want read as a text."""
MOST_FILES = 100_000


def read(path: Path, name: str = "", columns: Mapping[str, str] | None = None) -> Study:
    """Make the collection that a file or folder holds; it is called as the file unless named."""
    called = name or _named(path)
    if called in study.names():
        raise Exists(called)
    made = answers(path, columns or {})
    keys = dict.fromkeys(made.responses["checkpoint"])
    if len(keys) > 1:
        raise UserError(
            f"'{path.name}' holds answers of {len(keys)} models, as {' and '.join([*keys][:2])}; bring it as a "
            f"study with `python -m diffing import NAME {path.name}`."
        )
    return imports.into(called, made, collection=True)


def is_there(text: str) -> bool:
    """Whether what was typed is a file or folder, and not a text; one that looks like a path has to be there."""
    try:
        there = expanded(text).exists()
    except (OSError, ValueError):
        # Too long for a path, or no path at all.
        return False
    if not there and PATH.fullmatch(text):
        raise UserError(f"There is no file or folder '{text}'; check the path.")
    return there


def answers(path: Path, columns: Mapping[str, str]) -> Answers:
    """The texts of a file or folder as answers."""
    texts = text_files(path) if path.is_dir() else []
    if texts:
        return imports.of_table(_of_files(path, texts), path)
    if path.suffix.lower() in TEXT_FILES:
        return imports.of_table(_of_paragraphs(path), path)
    if not columns and formats.of(path) != formats.TABLE:
        return imports.load_all([path])
    return imports.of_table(_of_table(path, columns), path)


def text_files(folder: Path) -> list[Path]:
    """The text files in a folder and in those below it, by name; hidden ones are left out."""
    found = [
        each
        for each in sorted(folder.rglob("*"))
        if each.suffix.lower() in TEXT_FILES
        and each.is_file()
        and not any(part.startswith(".") for part in each.relative_to(folder).parts)
    ]
    if len(found) > MOST_FILES:
        raise UserError(f"'{folder.name}' holds more than {MOST_FILES:,} text files; bring fewer at once.")
    return found


def _of_files(folder: Path, texts: Sequence[Path]) -> pd.DataFrame:
    """A row a file; the folder that it lies in is its category."""
    rows = []
    for path in texts:
        place = path.relative_to(folder)
        category = "" if len(place.parts) == 1 else place.parent.as_posix()
        rows.append({"prompt": place.as_posix(), "response": _whole(path).strip(), "category": category})
    return _table(rows, folder.name)


def _of_paragraphs(path: Path) -> pd.DataFrame:
    parts = [part.strip() for part in PARAGRAPH.split(_whole(path))]
    rows = [
        {"prompt": f"{path.name}, paragraph {number}", "response": part, "category": ""}
        for number, part in enumerate((part for part in parts if part), start=1)
    ]
    return _table(rows, path.name)


def _whole(path: Path) -> str:
    most = bounds.limits()
    try:
        # Line breaks of any kind become one, as in a table's cells.
        with bounds.text(path, "", most) as stream:
            return stream.read().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UserError(f"'{path.name}' is not UTF-8 throughout; save it as UTF-8.") from error


def _table(rows: list[dict[str, str]], name: str) -> pd.DataFrame:
    table = pd.DataFrame([row for row in rows if row["response"]], columns=["prompt", "response", "category"])
    if table.empty:
        raise UserError(f"'{name}' holds no text; bring a file with at least one.")
    return table.assign(checkpoint="texts")


def _of_table(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    whole = tables.take(folders.table(path), columns, path)
    if "text" in columns or "response" in columns:
        text = "text" if "text" in columns else "response"
    else:
        text = next((each for each in TEXT_NAMES if each in whole), "")
    if not text:
        here = ", ".join(map(str, whole.columns))
        raise UserError(
            f"'{path.name}' has no column of texts (it has: {here}); say which one it is with --column text=NAME."
        )
    asked = "prompt" if "prompt" in columns else next((each for each in ASKED_NAMES if each in whole), "")
    checkpoint = next((each for each in answer_tables.CHECKPOINT_NAMES if each in whole), "")
    places = [f"{path.name}, row {number}" for number in range(1, len(whole) + 1)]
    table = pd.DataFrame({"prompt": whole[asked].str.strip() if asked else places, "response": whole[text]})
    table["prompt"] = table["prompt"].where(table["prompt"] != "", pd.Series(places))
    table["checkpoint"] = whole[checkpoint] if checkpoint else "texts"
    for name in ("category", "tags"):
        table[name] = whole.get(name, "")
    # Two texts of one prompt are two draws of it, in the order of the file.
    table["draw"] = table.groupby(["prompt", "checkpoint"]).cumcount().astype(str)
    return table


def _named(path: Path) -> str:
    return imports.slug(path.resolve().name.split(".")[0])
