"""What is said of a file that cannot be read or written: which one, what is wrong with it, what to do.

Holds the error for damaged files, the block in which a named file is read, and the words for what a disk, a
database or a table can answer. Promises one sentence each, with paths as they stand under the home folder.
Knows no step: whoever reads a derived file passes the command that makes it anew.
"""

import errno
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from diffing.common.errors import Cancelled, UserError

READING = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, NotImplementedError),
    *(MemoryError, RecursionError, AssertionError, EOFError, pa.ArrowException, sqlite3.DatabaseError),
)
"""What parsers raise on bytes that nobody wrote: a flipped length makes a table ask for all memory there is."""

DISK = {
    errno.ENOSPC: "the disk is full; free some space and run it again, what is stored stays",
    errno.EDQUOT: "your quota of the disk is used up; free some space and run it again, what is stored stays",
    errno.EFBIG: "the file may not grow that large here; raise the limit (ulimit -f) and run it again",
    errno.EROFS: "the disk is read-only; make it writable, or set DIFFING_HOME to a folder that is",
    errno.EACCES: "you may not do that there; change its permissions, or set DIFFING_HOME to a folder of yours",
    errno.EPERM: "you may not do that there; change its permissions, or set DIFFING_HOME to a folder of yours",
    errno.ENOTDIR: "a file stands where a folder must be; move it away",
    errno.EISDIR: "a folder stands where a file must be; move it away",
    errno.EIO: "the disk does not answer; look after it, then run it again",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n) and run it again",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}
"""What the system's commonest refusals mean here, and what helps."""


class Damaged(UserError):
    """A file that is not what was written: its path, what is wrong, and what to do about it."""

    def __init__(self, path: Path, fault: str, again: str = "") -> None:
        self.path, self.fault = path, fault
        super().__init__(f"'{shown(path)}' is damaged ({fault}); {again or _remedy(path)}.")


def shown(path: Path) -> str:
    """A path from the home folder on; as it is where it lies elsewhere."""
    for root in (_home(), _home().resolve()):
        if path.is_relative_to(root):
            return str(path.relative_to(root))
    return str(path)


def anew(command: str) -> str:
    """The remedy for a derived file."""
    return f"it is made anew by `python -m diffing {command}`"


@contextmanager
def reading(path: Path, again: str = "") -> Iterator[None]:
    """A block that reads one file: whatever is wrong with it is said of it."""
    try:
        yield
    except (UserError, Cancelled):
        raise
    except READING as error:
        raise Damaged(path, reason(error), again) from error


def reason(error: BaseException) -> str:
    """What is wrong, as half a sentence."""
    if isinstance(error, FileNotFoundError):
        return "it is gone"
    if isinstance(error, OSError) and error.errno:
        return DISK.get(error.errno, os.strerror(error.errno).lower()).split(";")[0]
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON at line {error.lineno}"
    said = " ".join(str(error).split()).encode("utf-8", "replace").decode()[:160]
    return said or type(error).__name__


def in_words(error: BaseException) -> str | None:
    """One sentence on a fault of the disk or of a database; None for what is a defect of this program."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError) and error.errno:
        name = error.filename if isinstance(error.filename, str) else ""
        where = f"'{shown(Path(name))}'" if name else "A file"
        if isinstance(error, FileNotFoundError):
            return f"{where} is not there; check the path, or run the step that makes it."
        said = DISK.get(error.errno) or f"{os.strerror(error.errno).lower()}; mend that and run it again"
        return f"{where} cannot be read or written: {said}."
    if isinstance(error, sqlite3.DatabaseError):
        # SQLite names no file; both databases lie in the cache.
        return f"A database in 'cache' cannot be used ({reason(error)}); move it away, it is made anew."
    if isinstance(error, pa.ArrowException):
        return f"A table cannot be read or written ({reason(error)}); write it again."
    if isinstance(error, MemoryError):
        return "The memory is used up; close something else, or choose less to do at once."
    return None


@contextmanager
def told() -> Iterator[None]:
    """A block whose faults of disk and files come out as `UserError`, so that the next study can go on."""
    try:
        yield
    except (UserError, Cancelled):
        raise
    except Exception as error:
        said = in_words(error)
        if said is None:
            raise
        raise UserError(said) from error


def _remedy(path: Path) -> str:
    """Of an original: in a study there is a command that saves what can be read."""
    parts = Path(shown(path)).parts
    if len(parts) > 2 and parts[0] == "studies":
        return f"`python -m diffing repair {parts[1]}` shows what can be saved"
    return "put a whole one in its place"


def _home() -> Path:
    # `files` stands on this module.
    return Path(os.environ.get("DIFFING_HOME") or Path(__file__).resolve().parents[2])
