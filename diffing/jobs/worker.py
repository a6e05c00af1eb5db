"""The process of a detached job: `python -m diffing.jobs.worker FOLDER LOCK LOCK`.

Started by `diffing.jobs.start` only, with the locks of the step and the job already held on inherited file
descriptors; they are let go when the process ends, however it ends.
"""

import fcntl
import logging
import os
import signal
import sys
from pathlib import Path

from diffing.jobs import run
from diffing.jobs.job import Job


def main(folder: Path, locks: list[int]) -> None:
    # To standard error, which is the job's log.
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    for lock in locks:
        # A child of this worker must not keep the lock after the worker is gone.
        os.set_inheritable(lock, False)
    job = Job(folder)
    # A polite end of the process is a cancel: the step stops at its next safe point.
    signal.signal(signal.SIGTERM, lambda *_: job.cancel())
    try:
        if run.execute(job).state == "done":
            # Before the locks go, so that a page sees one of the two steps running at any time.
            run.follow(job)
    finally:
        # Not left to the end of the process, which takes a while. Unlocking also frees what a forked child holds.
        for lock in locks:
            fcntl.flock(lock, fcntl.LOCK_UN)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(number) for number in sys.argv[2:]])
