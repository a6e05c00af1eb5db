"""Finds the process of a detached job, as a person would, in the process list, and holds it where it is."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from diffing.jobs.job import Job

PATIENCE = 300
"""Seconds until a wait is given up: only a fault takes that long, on the busiest machine too."""


def command_lines() -> dict[int, str]:
    """What every process of this machine was started with, by process id."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found[int(path.parent.name)] = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            # It ended while the list was read.
            continue
    return found


def worker_of(job: Job) -> int:
    """Process id of a job's worker; waits until it stands in the list."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for process, command in command_lines().items():
            if "diffing.jobs.worker" in command and str(job.folder) in command:
                return process
        time.sleep(0.01)
    raise AssertionError(f"no worker of {job.id} within {PATIENCE} s")


def until(holds: Callable[[], object], what: str) -> None:
    """Wait for what another process does."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {PATIENCE} s"
        time.sleep(0.01)


@contextmanager
def paused(job: Job) -> Iterator[None]:
    """The job alive but at rest for the time of the block, so that no machine is too fast for a look."""
    worker = worker_of(job)
    os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker, signal.SIGCONT)
