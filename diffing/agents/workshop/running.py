"""One cell on a kernel's line, from the sending of its code to its end.

Promises that a cell is interrupted at its limit or when somebody asks for it, that one which does not heed that
ends with its kernel, and that a kernel's death ends it at once. Knows no notebook: what a cell shows is handed on
as it comes.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from diffing.agents.workshop.cells import State
from diffing.agents.workshop.kernel import Line, Message
from diffing.common import words

GRACE = 10.0
"""Seconds in which an interrupted cell ends by itself, before its kernel is ended."""
LOOK = 0.2
"""Seconds after which a wish to interrupt, and a kernel's death, is noticed."""
LAST = 2.0
"""Seconds in which, after its answer, the last of what a cell showed comes in."""
NEW = "variables and imports of earlier cells are gone"


class Ended(NamedTuple):
    """How a cell ended."""

    state: State
    note: str = ""
    kernel: bool = True
    """Whether the kernel can go on; else whoever holds it ends it."""


class Running:
    """A cell that was sent to a kernel."""

    def __init__(
        self, line: Line, limit: float, stopped: Callable[[], bool], take: Callable[[Message], None]
    ) -> None:
        self._line, self._limit, self._stopped, self._take = line, limit, stopped, take
        self._began = time.monotonic()
        self._outcome: State = "done"
        self._answered: float | None = None
        self._idle = False
        self._why = ""
        self._ending: float | None = None
        """Since when it is being interrupted."""

    def to_its_end(self, code: str) -> Ended:
        asked = self._line.send(code)
        while not (self._answered is not None and self._idle):
            message = self._line.next(LOOK)
            if message is not None and message.asked == asked:
                self._heard(message)
            elif message is None and not self._line.alive():
                return self._died()
            now = time.monotonic()
            if self._answered is not None and now - self._answered > LAST:
                self._line.reopen()
                return Ended(
                    self._outcome, "A part of what it showed was lost: one piece was too large to be told."
                )
            if self._ending is None and (self._stopped() or now - self._began > self._limit):
                limit = f" at its limit of {words.duration(self._limit)}"
                self._why = f"It was interrupted{'' if self._stopped() else limit}"
                self._ending = now
                self._line.interrupt()
            if self._ending is not None and now - self._ending > GRACE:
                note = f"{self._why}, did not heed it, and its kernel was ended: {NEW}."
                return Ended("interrupted", note, kernel=False)
        return Ended(self._outcome) if self._ending is None else Ended("interrupted", f"{self._why}.")

    def _heard(self, message: Message) -> None:
        if message.reply:
            self._answered = time.monotonic()
            self._outcome = "done" if message.content.get("status") == "ok" else "failed"
        elif message.kind == "status":
            self._idle = message.content.get("execution_state") == "idle"
        else:
            self._take(message)

    def _died(self) -> Ended:
        how = self._line.died()
        if self._ending is not None:
            return Ended("interrupted", f"{self._why}, and its kernel ended ({how}): {NEW}.", kernel=False)
        return Ended(
            "died",
            f"The kernel died while this cell ran: {how}; the next cell starts another, and {NEW}.",
            kernel=False,
        )
