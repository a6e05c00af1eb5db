"""A step's part run outside the study's jobs: its progress told to a terminal, and a wish to end heeded.

On a network disk no lock holds, and a job is one: what shares work runs without. A signal to end, which schedulers
send before they take a machine away, lets the part put away what it has; a second one ends it at once.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from diffing.common.errors import Cancelled
from diffing.jobs.job import JobStatus
from diffing.jobs.run import ENDING

Watch = Callable[[JobStatus], None]


class Alone:
    """A `Progress` for one process that nobody else looks at."""

    def __init__(self, study: str, kind: str, watch: Watch, say: Callable[[str], None]) -> None:
        self.status = JobStatus(id="", kind=kind, study=study, state="running")
        self.stopped = False
        self._watch, self._say = watch, say

    def update(self, done: int, total: int, unit: str = "", cost: float | None = None, note: str = "") -> None:
        told = {"done": done, "total": total, "unit": unit, "cost": cost, "note": note}
        self.status = self.status.model_copy(update=told)
        self._watch(self.status)

    def check(self) -> None:
        if self.stopped:
            raise Cancelled

    def billed(self, key: str, dollars: float) -> None:
        """Nothing that runs so is paid for by the reply."""
        raise NotImplementedError(f"{self.status.kind} in shares bills nothing")

    def over(self) -> None:
        """Nothing to say: there is no job."""

    def log(self, line: str) -> None:
        self._say(line)

    @contextmanager
    def heeding(self) -> Iterator[None]:
        """Signals to end are heeded so for the block."""
        if threading.current_thread() is not threading.main_thread():
            # Python hears signals there alone.
            yield
            return

        def stop(*_: object) -> None:
            if self.stopped:
                raise KeyboardInterrupt
            self.stopped = True

        before = {number: signal.getsignal(number) for number in ENDING}
        heard = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
        for number in heard:
            signal.signal(number, stop)
        try:
            yield
        finally:
            for number in heard:
                signal.signal(number, before[number] or signal.SIG_DFL)
