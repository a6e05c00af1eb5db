"""The file of expected changes: what may change, which way, by how much, until when, and who said why.

TOML, a `[[change]]` each, so that it is read and reviewed like code. Promises that a change passes only in the
direction and the range that were written, that one that has expired allows nothing, and that a file with a slip in
it allows nothing at all.
"""

import math
import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal, NamedTuple

import tomli_w
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from diffing.common import outfile, tables
from diffing.common.errors import UserError
from diffing.common.step import Settings, first_fault
from diffing.common.words import interval, points
from diffing.gate.items import Item

LARGEST = 1_000_000
"""Bytes of the file: ten thousand changes. Nobody has reviewed more."""
WIDER = 2.0
"""Times its interval's half width that a written range reaches to each side: the next release's figure has an
error too, and two of the same size move by 1.4 times as much."""
HEADER = """\
# What may change between A and B. `python -m diffing check` lets these pass, and says when one did not come.
# id or name: what `check` calls it. direction: who has more of it. low, high: B minus A (0.1 is ten answers in a
# hundred). Also: note = "why", expires = 2027-01-31, and in a series at = "v3", the checkpoint at which it came.
"""


class Change(Settings):
    """One that is expected."""

    id: str = ""
    name: str = ""
    direction: Literal["A", "B"]
    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)
    at: str = ""
    """In a series, the checkpoint at which it is expected."""
    note: str = Field(default="", max_length=500)
    expires: date | None = None
    """The last day on which it allows anything."""

    @model_validator(mode="after")
    def _whole(self) -> "Change":
        if bool(self.id) == bool(self.name):
            raise ValueError("it needs an id or a name, and not both")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("low is above high")
        return self

    @property
    def called(self) -> str:
        return self.id or self.name

    def means(self, item: Item) -> bool:
        """Whether it is of this item."""
        return self.id == item.id if self.id else self.name == item.name

    def against(self, item: Item, today: date) -> str:
        """Why it does not let an item of its own pass; empty where it does."""
        if self.expires is not None and today > self.expires:
            return f"was expected until {self.expires}, which is over"
        if item.direction != self.direction:
            return f"was expected with more on {self.direction}"
        if self.at and item.at != self.at:
            return f"was expected at {self.at}, and came {f'at {item.at}' if item.at else 'all along'}"
        low, high = (-math.inf if self.low is None else self.low), (math.inf if self.high is None else self.high)
        if not low <= item.delta <= high:
            return f"was expected with B-A {self.range}, and is {points(item.delta)}"
        return ""

    @property
    def range(self) -> str:
        """In points, as people read it."""
        if self.low is not None and self.high is not None:
            return f"from {interval(self.low, self.high)} points"
        if self.low is not None:
            return f"of at least {points(self.low)} points"
        return f"of at most {points(self.high)} points" if self.high is not None else "of any size"


class File(Settings):
    """All of it."""

    change: list[Change] = []


class Absent(NamedTuple):
    """An expected change that did not come."""

    change: Change
    why: str


def read(path: Path) -> list[Change]:
    """The changes of a file; a `UserError` where it cannot be read or one of them is not sound."""
    try:
        content = path.read_bytes() if path.stat().st_size <= LARGEST else b"#" * (LARGEST + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"'{path}' cannot be read as a file of expected changes ({reason}).") from error
    return parsed(content, str(path))


def parsed(content: bytes, name: str) -> list[Change]:
    """The same of a file's content."""
    if len(content) > LARGEST:
        raise UserError(f"'{name}' has more than {LARGEST:,} bytes; a file of expected changes is short.")
    try:
        told = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"'{name}' cannot be read as a file of expected changes ({error}).") from error
    try:
        return TypeAdapter(File).validate_python(told).change
    except ValidationError as error:
        raise UserError(
            f"'{name}' is no file of expected changes: {first_fault(error)}; docs/ci.md shows one."
        ) from error


def today() -> date:
    return datetime.now(UTC).date()


def absent(changes: Sequence[Change], found: Sequence[Item], failing: Sequence[Item]) -> list[Absent]:
    """The expected changes of which nothing is to be seen, or too little for the rule, or the contrary."""
    out = []
    for change in changes:
        if any(change.means(item) and item.direction == change.direction for item in failing):
            continue
        there = next((item for item in found if change.means(item)), None)
        if there is None:
            why = "nothing of that id or name is among what was compared"
        else:
            why = f"B-A is {points(there.delta)} points [{interval(there.ci_low, there.ci_high)}]"
        out.append(Absent(change, why))
    return out


def text(kept: Sequence[Change], items: Sequence[Item]) -> str:
    """A file of what was written before and still holds, and of further things as they are now."""
    changes: list[dict[str, object]] = [change.model_dump(exclude_defaults=True) for change in kept]
    for item in items:
        half = WIDER * max(item.ci_high - item.delta, item.delta - item.ci_low)
        entry: dict[str, object] = {"id": tables.clean(item.id), "direction": item.direction}
        if not math.isnan(half):
            low, high = item.delta - half, item.delta + half
            # A change to the other side is another change.
            low, high = (low, min(high, 0.0)) if item.direction == "A" else (max(low, 0.0), high)
            entry |= {"low": math.floor(round(100 * low, 6)) / 100, "high": math.ceil(round(100 * high, 6)) / 100}
        changes.append(entry | ({"at": item.at} if item.at else {}) | {"note": ""})
    return HEADER + ("\n" + tomli_w.dumps({"change": changes}) if changes else "")


def write(path: Path, kept: Sequence[Change], items: Sequence[Item]) -> None:
    """The same as a file, in place of another of that name."""
    with outfile.replacing(path) as temporary:
        temporary.write_text(text(kept, items), encoding="utf-8")
