"""Who is asking a question right now: one request is on its way once per machine, whichever study asks.

A claim is a lock on a file that is named by the request's key. The system lets go of it when its process ends,
however it ends, so that a dead owner's claim is free at once. Needs a local disk (flock).
"""

import fcntl
import os
from pathlib import Path
from typing import IO, NamedTuple

from diffing.common import files

LOOK_SECONDS = 0.2
"""How often one who waits looks whether the reply has come: short beside any reply."""


class Claim(NamedTuple):
    """A request that this process alone may send."""

    path: Path
    file: IO[bytes]

    def release(self) -> None:
        # Removed while it is still locked: whoever opened it meanwhile finds that it stands there no more.
        self.path.unlink(missing_ok=True)
        self.file.close()


def take(key: str) -> Claim | None:
    """The claim to a request, or None where another holds it; its holder releases it."""
    path = files.cache_dir("claims") / key
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return Claim(path, file)
    except (BlockingIOError, FileNotFoundError):
        # Held by another, or let go between two of these lines; either way somebody looks again.
        pass
    file.close()
    return None


def sweep() -> None:
    """Take away files whose owners died between a reply's coming and its claim's end: nobody asks for it again."""
    for path in files.cache_dir("claims").iterdir():
        if (claim := take(path.name)) is not None:
            claim.release()
