"""Chat transcripts: conversations that end with the answer, as lists of messages.

One conversation stands in a line of JSON lines, in a member of a JSON list, or is the whole file. What comes
before the user's last turn, and that turn, is the prompt; what comes after it is the answer. Also what a table
holds in a column of conversations. A checkpoint is named by `checkpoint`, `model` or `generator` beside them.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from diffing.common import tables
from diffing.common.errors import UserError
from diffing.common.loose import items, record, words
from diffing.models import speech
from diffing.study.logs import chat
from diffing.study.logs.head import Head
from diffing.study.logs.row import Row, Source, score

COLUMNS = ("messages", "conversation", "conversations", "transcript", "turns")
NAMES = ("checkpoint", "model", "generator", "model_name")
ANSWERS = ("response", "output", "answer", "completion", "response_a")


def recognises(head: Head) -> bool:
    if isinstance(head.first, list):
        return _is_talk(head.first)
    return isinstance(head.first, dict) and (bool(speech.role(head.first)) or _is_talk(_messages(head.first)))


def read(source: Source) -> Iterator[Row]:
    turns: list[Any] = []
    for number, value in enumerate(tables.json_values(source.path)):
        if isinstance(value, dict) and speech.role(value) and not _messages(value):
            # The file is one conversation.
            turns.append(value)
            continue
        row = _row(record(value), items(value) or _messages(value), source)
        if row is None:
            source.leave_out("conversations without a question and an answer")
        else:
            yield row._replace(sample=row.sample or f"{number:09d}")
    if turns:
        whole = _row({}, turns, source)
        if whole is None:
            raise UserError(
                f"'{source.name}' is a conversation without a question and an answer; check its roles."
            )
        yield whole


def in_table(table: pd.DataFrame) -> str:
    """The column of a table that holds whole conversations; empty where there is none."""
    if any(name in table for name in ANSWERS):
        return ""
    for name in COLUMNS:
        if name in table and len(table) and _is_talk(chat.turns_in(str(table[name].iloc[0]))):
            return name
    return ""


def rows(source: Source, table: pd.DataFrame, column: str) -> Iterator[Row]:
    """A table's conversations."""
    for number, value in enumerate(table.to_dict("records")):
        row = _row(value, chat.turns_in(str(value[column])), source)
        if row is None:
            source.leave_out("conversations without a question and an answer")
        else:
            yield row._replace(sample=row.sample or f"{number:09d}")


def _messages(value: Any) -> list[Any]:
    return next((found for name in COLUMNS if (found := items(record(value).get(name)))), [])


def _is_talk(messages: list[Any]) -> bool:
    """Whether it is a conversation that ends with somebody other than the user."""
    roles = [speech.role(record(message)) for message in messages]
    return bool(roles) and all(roles) and "user" in roles and roles[-1] in ("assistant", "tool")


def _row(beside: dict[str, Any], messages: list[Any], source: Source) -> Row | None:
    prompt, answers = chat.parted(messages)
    if not prompt or not answers:
        return None
    said = speech.answer(answers)
    named = next((words(beside[name]) for name in NAMES if beside.get(name)), "")
    numbers = {name: score(beside[name]) for name in source.measures if beside.get(name) not in (None, "")}
    if lost := list(numbers.values()).count(None):
        source.leave_out("scores that are no number", lost)
    draw = words(beside.get("draw")).strip().removesuffix(".0")
    return Row(
        named,
        said.text,
        messages=prompt,
        draw=tables.number(draw) or 0,
        # A draw that is named is one of the same question.
        sample="0" if draw else "",
        category=words(beside.get("category")),
        tags=words(beside.get("tags")),
        reasoning=said.reasoning,
        tools=said.tools,
        finish_reason=words(beside.get("finish_reason")),
        measures={name: number for name, number in numbers.items() if number is not None},
    )
