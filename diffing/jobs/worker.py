"""The process of a detached job: `python -m diffing.jobs.worker FOLDER LOCK LOCK`.

Started by `diffing.jobs.start` only, with the locks of the step and the job already held on inherited file
descriptors; they are let go when the process ends, however it ends.
"""

import fcntl
import logging
import os
import sys
from pathlib import Path

from diffing.common.escape import visible
from diffing.jobs import run
from diffing.jobs.job import Job


class Harmless(logging.Formatter):
    """What libraries say, which may quote a server's words."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def main(folder: Path, locks: list[int]) -> None:
    # To standard error, which is the job's log.
    handler = logging.StreamHandler()
    handler.setFormatter(Harmless("%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for lock in locks:
        # A child of this worker must not keep the lock after the worker is gone.
        os.set_inheritable(lock, False)
    job = Job(folder)
    try:
        with run.heeding_signals(job):
            state = run.execute(job).state
        if state == "done":
            # Before the locks go, so that a page sees one of the two steps running at any time.
            run.follow(job)
    finally:
        # Not left to the end of the process, which takes a while. Unlocking also frees what a forked child holds.
        for lock in locks:
            fcntl.flock(lock, fcntl.LOCK_UN)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(number) for number in sys.argv[2:]])
