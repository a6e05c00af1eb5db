"""Finds the process of a detached job, as a person would, in the process list."""

import time
from pathlib import Path

from diffing.jobs.job import Job


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
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for process, command in command_lines().items():
            if "diffing.jobs.worker" in command and str(job.folder) in command:
                return process
        time.sleep(0.01)
    raise AssertionError(f"no worker of {job.id} within 10 s")
