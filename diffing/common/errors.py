"""The two kinds of trouble that a person is told about in one sentence, without a traceback.

Holds the error classes and nothing else. Anything that is not one of these is a defect of this program and
keeps its traceback.
"""

from typing import Any


class UserError(Exception):
    """Something the user can put right: names the thing, the fault and the remedy in one sentence."""


class Busy(UserError):
    """A step that is already running on the study, and so was not started a second time."""


class Cancelled(Exception):
    """Raised inside a running step after the user asked it to stop; never shown as a failure."""

    def __init__(self, result: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.result = result
        """What the step had done and spent by then, where it can tell."""
