"""A process that has imported all steps and forks a child for each order, so that a kill falls into a job's work.

A job that starts from nothing imports for seconds, and a kill at a random moment would mostly fall there. The
child does what a run in the foreground does, `jobs.run_here` for a step: the process that it comes from did
nothing but import, has no thread, and opened no file of a study. Two things are smaller than usual, so that a
short run has what a long one has: answers are written to the table every tenth of a second, and, unless told
otherwise, the reader is a fake one and a report has no charts and does not run its notebook.
`python -m tests.fakes.warm FD` is the process itself.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from diffing.common import files
from diffing.jobs.run import STEPS

HEAVY = (
    *("diffing.models.wire", "diffing.cli.checks", "diffing.status", "tests.fakes.kills"),
    *("pyarrow.dataset", "pyarrow.pandas_compat", "openai.resources.chat", "openai.resources.models"),
    *("anyio._backends._asyncio", "sklearn.cluster", "sklearn.feature_extraction.text"),
)
"""What steps import when they first need it, and what makes and judges the studies."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "sqlite3.connect"}
"""Names by which Python tells an audit hook of a change on the disk, before it happens; beside "open"."""
AT_STEP = 99
"""Exit status of a child that ended itself at a step on the disk."""


class Order(NamedTuple):
    """What a child is to do."""

    kind: str
    home: str
    url: str
    """Of the server that it asks."""
    step: int = 0
    """The change on the disk before which it ends as if killed; 0: none."""
    whole: bool = False
    """With charts and notebook."""


class Ended(NamedTuple):
    """How a child ended."""

    status: int
    """Exit status, negative for the signal that killed it."""
    outcome: str
    """A job's state, and what it said; empty where it did not get so far."""
    steps: int
    """Changes on the disk that it made, where it counted them."""


class Warm:
    """The process from outside; one order at a time."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "tests.fakes.warm", str(theirs.fileno())]
            self._process = subprocess.Popen(command, cwd=files.PROJECT, pass_fds=[theirs.fileno()])
        self._line = Connection(ours.detach())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        # It ends when nobody holds the other end any more.
        self._line.close()
        self._process.wait()

    def begin(self, order: Order) -> int:
        """Start a child; its process id once it is about to work."""
        self._line.send(order)
        told, process = self._line.recv()
        assert told == "begun"
        return int(process)

    def ended(self, seconds: float | None = None) -> Ended | None:
        """How the child ended; None where it goes on after that time."""
        outcome, steps = "", 0
        while seconds is None or self._line.poll(seconds):
            told, value = self._line.recv()
            if told == "ended":
                return Ended(value, outcome, steps)
            if told == "steps":
                steps = value
            else:
                outcome, seconds = value, None
        return None

    def run(self, order: Order) -> Ended:
        self.begin(order)
        ended = self.ended()
        assert ended is not None
        return ended


def main(line: Connection) -> None:
    """Fork a child for each order until nobody gives any."""
    for name in (*STEPS.values(), *HEAVY):
        import_module(name)
    while True:
        try:
            order = line.recv()
        except EOFError:
            return
        child = os.fork()
        if child == 0:
            _obey(order, line)
        _, status = os.waitpid(child, 0)
        line.send(("ended", os.waitstatus_to_exitcode(status)))


def _obey(order: Order, line: Connection) -> None:
    """The child's whole life."""
    kills = import_module("tests.fakes.kills")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    os.environ |= environment(Path(order.home))
    tempfile.tempdir = None
    # Of a child that is killed nobody reads what it complains of.
    logging.disable()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    kills.adapt(order.whole)
    count = _counted(order)
    line.send(("begun", os.getpid()))
    try:
        outcome = kills.work(order)
    except KeyboardInterrupt:
        # Before the run began or after it was over: how it ended stands in its job, if it has one.
        outcome = ""
    except BaseException:
        outcome = traceback.format_exc()
    line.send(("steps", count()))
    line.send(("outcome", outcome))
    # Not `sys.exit`: the work is over, and a kill after it should count as one after it.
    os._exit(0)


def environment(home: Path) -> dict[str, str]:
    """What points a process at a home, its temporary files included."""
    return {"DIFFING_HOME": str(home), "TMPDIR": str(home / "tmp"), "OMP_NUM_THREADS": "1"}


def _counted(order: Order) -> Callable[[], int]:
    """Count the changes on the disk from now on, and end before the one that the order names."""
    so_far = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal so_far
        if event == "open":
            path, _, flags = arguments
            changes = bool(flags & WRITING) and isinstance(path, str | Path) and str(path) != os.devnull
        else:
            changes = event in CHANGES
        if changes:
            so_far += 1
            if so_far == order.step:
                os._exit(AT_STEP)

    sys.addaudithook(hook)
    return lambda: so_far


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])))
