"""What a step is told and what it tells: its options in their own shape, and its progress.

A step is a module with `Options` and `run(study, options, progress)`; it knows neither who called it nor where it
runs. Holds no list of steps: `jobs` has that.
"""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from diffing.common.errors import UserError


class Settings(BaseModel):
    """Base of all that people write down: unknown fields are an error, so that a typing slip is seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Options = TypeVar("Options", bound=BaseModel)
Result = dict[str, Any]
"""What a step hands back: plain values, as they stand in the job's record."""


def checked(kind: str, shape: type[Options], options: Mapping[str, Any]) -> Options:
    """What a step is told, in its own shape; a `UserError` names the first thing that does not fit."""
    try:
        return shape.model_validate(dict(options))
    except ValidationError as error:
        raise UserError(f"{kind} cannot run: {first_fault(error)}; change it.") from error


def first_fault(error: ValidationError) -> str:
    """The first thing that pydantic found wrong, as half a sentence."""
    # One at a time: whoever mends a slip runs the step again, and most faults after the first follow from it.
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"])
    # pydantic puts this before the sentences of our own validators.
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


class Progress(Protocol):
    """What a step tells while it works."""

    def update(self, done: int, total: int, unit: str = "", cost: float | None = None, note: str = "") -> None: ...

    def check(self) -> None:
        """Raises `Cancelled` once the user has asked to stop."""

    def log(self, line: str) -> None: ...
