"""How large an answer to an agent is, and how lists are handed over page by page.

A model pays for every token that it reads, and clients cut what is too long where they like. Promises that no
answer is taken for smaller than it is: a word counts a token for each three letters, any other ASCII character a
whole one, everything else by its bytes. Of the sample's answers that is a third more than 8,192 pieces make of
them, and the vocabularies of models that act as agents are ten times as large (`tests/agents/test_size.py`).
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from diffing.common.errors import UserError

MOST = 8_000
"""Tokens of one answer, the text and the same as data together: what a client reads whole, and a conversation can
hold dozens of."""
ROOM = 400
"""Tokens kept for what stands beside a page's rows: names, counts, the cursor."""
LONGEST = 400
"""Characters of a name, label or claim: what people read of one; longer ones are cut."""
WORD = re.compile(r" ?([A-Za-z]+)")
"""With the space before it, which vocabularies take in."""
Row = TypeVar("Row")


def tokens(text: str) -> int:
    """At least as many as a model would count."""
    words = [(match.end() - match.start(), len(match[1])) for match in WORD.finditer(text)]
    # UTF-8: one byte for each other ASCII character, up to four for a sign.
    others = len(text.encode("utf-8", "replace")) - sum(length for length, _ in words)
    return others + sum((letters + 2) // 3 for _, letters in words)


def whole(value: Any) -> int:
    """The same of data as it is sent: once as JSON and once as the text that says it."""
    return tokens(json.dumps(value, ensure_ascii=False)) + tokens(rendered(value))


def cut(text: object, longest: int = LONGEST) -> str:
    """A text of one line or more that is not too long to be one of many."""
    said = str(text)
    return said if len(said) <= longest else said[: longest - 1] + "…"


def page(
    rows: Sequence[Row], cursor: str, most: int, told: Callable[[Row], Any], room: int = ROOM
) -> tuple[list[Row], str]:
    """The rows from a cursor on that fit one answer, `most` at most, and the next cursor, empty at the end.

    `told` gives a row as it is sent. One that would fill an answer alone is not expected: texts are cut before.
    """
    start, used, chosen = place(cursor), room, list[Row]()
    for row in rows[start : start + most]:
        used += whole(told(row))
        if used > MOST and chosen:
            break
        chosen.append(row)
    end = start + len(chosen)
    return chosen, str(end) if end < len(rows) else ""


def place(cursor: str) -> int:
    """Where a page begins."""
    if cursor and not re.fullmatch(r"[0-9]{1,9}", cursor):
        raise UserError(
            f"'{cut(cursor, 40)}' is no cursor; give the `next_cursor` of the answer before, or none to begin."
        )
    return int(cursor or 0)


def rendered(value: Any) -> str:
    """Data as compact text, nothing left out: a line a field, tables with a head, for clients that read text."""
    return "\n".join(_lines(value, ""))


def _lines(value: Any, name: str) -> list[str]:
    if isinstance(value, dict):
        inner = [line for key, each in value.items() for line in _lines(each, key)]
        return [f"{name}:", *(f"  {line}" for line in inner)] if name else inner
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return [f"{name}:", *_table(value)]
    if isinstance(value, list):
        value = ", ".join(_cell(each) for each in value)
    said = _cell(value, lines=True)
    if said == "":
        # What is empty says nothing to whoever reads; as data it is there.
        return []
    return [f"{name}:", *said.split("\n")] if "\n" in said else [f"{name}: {said}"]


def _table(rows: list[dict[str, Any]]) -> list[str]:
    """Columns that are empty all the way down are left out."""
    names = [name for name in rows[0] if any(_cell(row.get(name)) for row in rows)]
    head = "\t".join(names)
    return [head, *("\t".join(_cell(row.get(name)) for name in names) for row in rows)]


def _cell(value: Any, lines: bool = False) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return "; ".join(f"{key} {_cell(each)}" for key, each in value.items() if _cell(each))
    if isinstance(value, list):
        return ", ".join(_cell(each) for each in value)
    said = str(value)
    return said if lines else said.replace("\n", "⏎").replace("\t", " ")
