"""What a step is told and what it tells: its options in their own shape, and its progress.

A step is a module with `Options` and `run(study, options, progress)`; it knows neither who called it nor where it
runs. Holds no list of steps: `jobs` has that.
"""

import math
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from diffing.common import tables
from diffing.common.errors import UserError
from diffing.common.escape import throughout

DEEPEST = 32
"""Levels that are looked through: what nests deeper than any setting does is left to its validator."""


class Settings(BaseModel):
    """Base of all that people write down: unknown fields are an error, so that a typing slip is seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _as_utf8(cls, told: Any) -> Any:
        # What a terminal hands over may hold half a character, which no file can.
        return throughout(tables.clean, told, DEEPEST)


Options = TypeVar("Options", bound=BaseModel)
Result = dict[str, Any]
"""What a step hands back: plain values, as they stand in the job's record."""


def checked(kind: str, shape: type[Options], options: Mapping[str, Any]) -> Options:
    """What a step is told, in its own shape; a `UserError` names the first thing that does not fit."""
    for name, value in options.items():
        # A limit of "nan" is neither reached nor kept, and one of "inf" is none.
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{kind} cannot run: {name} is no finite number; change it.")
    try:
        return shape.model_validate(dict(options))
    except ValidationError as error:
        raise UserError(f"{kind} cannot run: {first_fault(error)}; change it.") from error


FAULTS = {
    "missing": "is missing",
    "extra_forbidden": "there is no such setting",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "list_type": "must be a list",
    "dict_type": "must be a table of names and values",
    "model_type": "must be a table of names and values",
    "string_too_short": "must have {min_length} or more characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have at most {max_length} entries",
}
"""What pydantic finds wrong, by its kinds of faults, as a person would say it; of others its own words serve."""


def first_fault(error: ValidationError) -> str:
    """The first thing that pydantic found wrong, as half a sentence."""
    # One at a time: whoever mends a slip runs the step again, and most faults after the first follow from it.
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] in FAULTS:
        message = FAULTS[fault["type"]].format_map({k: _shown(v) for k, v in fault.get("ctx", {}).items()})
        given = fault["input"]
        # A number is shown, and no text: it may be a key that was put in the wrong place.
        if isinstance(given, int | float) and not isinstance(given, bool) and message.startswith("must be"):
            message = f"{message}, and is {_shown(given)}"
    else:
        # pydantic puts this before the sentences of our own validators.
        message = str(fault["msg"]).removeprefix("Value error, ")
    if where:
        return f"{where}: {message}"
    return f"it {message}" if message.startswith(("must", "is ")) else message


def _shown(value: Any) -> str:
    """A bound or a number as it would be written: 1 and not 1.0."""
    whole = isinstance(value, float) and value.is_integer()
    return f"{int(value) if whole else value:,}" if isinstance(value, int | float) else str(value)


class Progress(Protocol):
    """What a step tells while it works."""

    def update(self, done: int, total: int, unit: str = "", cost: float | None = None, note: str = "") -> None: ...

    def check(self) -> None:
        """Raises `Cancelled` once the user has asked to stop."""

    def billed(self, key: str, dollars: float) -> None:
        """A reply was paid for, in this run or one before it; the key keeps it from being counted twice."""

    def over(self) -> None:
        """All is stored: whatever happens from now on, this run was done.

        Said by steps that then put away what they would have needed to go on after a kill.
        """

    def log(self, line: str) -> None: ...
