"""What every log becomes: one row an answer, and how the values of a log are taken that may hold anything.

Promises that nothing here raises on a value of another kind than expected: it counts as absent.
"""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

MOST_DIGITS = 300
"""Digits of a number that is read: more do not fit into one."""


NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?")
YES_NO = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


class Row(NamedTuple):
    """One answer, in our words; all texts, empty where nothing is known."""

    checkpoint: str
    text: str
    prompt: str = ""
    messages: str = ""
    """A conversation as JSON, in place of a prompt."""
    sample: str = ""
    """What the log calls the prompt: two samples that ask the same are two draws of one prompt."""
    draw: int = 0
    """Which answer to this sample."""
    category: str = ""
    tags: str = ""
    reasoning: str = ""
    tools: str = ""
    """Calls with their results, as a JSON list."""
    finish_reason: str = ""
    error: str = ""
    model_served: str = ""
    tokens_in: str = ""
    tokens_out: str = ""
    cost: str = ""
    latency: str = ""
    measures: dict[str, float] = {}
    better: dict[str, bool] = {}
    """Whether more of a measure is better, where the log says so."""
    numbers_alone: bool = False
    """More measures of an answer that another row holds."""


TEXTS = tuple(name for name in Row._fields if name not in ("measures", "better", "numbers_alone"))
"""Fields that become columns of text."""


class Source(NamedTuple):
    """A file, and what its reader may need beside it."""

    path: Path
    beside: Sequence[Path]
    """The other files of the same import."""
    left_out: dict[str, int]
    """Why rows or numbers were left out, and how many: readers count here."""
    measures: Sequence[str] = ()
    """Names beside an answer that are measures, where the format has none of its own."""

    @property
    def name(self) -> str:
        return self.path.name

    def leave_out(self, why: str, number: int = 1) -> None:
        self.left_out[why] = self.left_out.get(why, 0) + number


def count(value: Any) -> str:
    """A whole number of tokens as text."""
    number = amount(value)
    return str(int(number)) if number is not None and 0 <= number < 1e15 else ""


def plain(value: Any) -> str:
    """A finite number as text."""
    number = amount(value)
    return "" if number is None else repr(number)


def score(value: Any) -> float | None:
    """A number, or a text that is one or says yes or no."""
    if not isinstance(value, str):
        return amount(value)
    told = value.strip().lower()
    return amount(float(told)) if NUMBER.fullmatch(told) else YES_NO.get(told)


def amount(value: Any) -> float | None:
    """A finite number, None where it is none; yes counts 1 and no counts 0."""
    if not isinstance(value, bool | int | float) or (
        isinstance(value, int) and value.bit_length() > MOST_DIGITS * 3
    ):
        return None
    number = float(value)
    return number if math.isfinite(number) else None
