"""Files that a process may not open, by Linux's Landlock: it keeps what it is given and nothing can be added.

Used by `enter` on its own process, so it loads nothing but the standard library. Promises that after `restrict` no
file outside the given places is opened, listed, made, cut or removed by this process or any that it starts. Does
not hide that a file exists, nor keep its date and mode from being changed, nor close sockets that lie in the file
system: `calls` does that.
"""

import ctypes
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

CREATE, ADD, RESTRICT = 444, 445, 446
"""Numbers of the system calls, the same on every kind of machine."""
LEAST = 3
"""Of the interface's version: before it a file could still be cut to nothing."""

EXECUTE, WRITE, READ, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
TRUNCATE, DEVICE = 1 << 14, 1 << 15
LOOK = EXECUTE | READ | READ_DIR
OF_A_FILE = EXECUTE | WRITE | READ | TRUNCATE | DEVICE
SCOPES = 0b11
"""Abstract sockets of others may not be reached, and no process outside may be sent a signal."""

_libc = ctypes.CDLL(None, use_errno=True)


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def version() -> int:
    """Of the interface that this system has; 0 where it has none."""
    return max(0, int(_libc.syscall(CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def restrict(read: Iterable[str], write: Iterable[str]) -> None:
    """From now on this process reads and runs what lies in `read`, and changes what lies in `write`, alone."""
    known = version()
    if known < LEAST:
        raise OSError(f"Landlock of version {known}, and {LEAST} is needed")
    # Every right that this version knows: what is not handled stays allowed.
    handled = (1 << (16 if known >= 5 else 15)) - 1
    rules = _Ruleset(handled, 0, SCOPES if known >= 6 else 0)
    size = 24 if known >= 6 else 8
    ruleset = _called(_libc.syscall(CREATE, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0)))
    for places, rights in ((read, LOOK), (write, handled)):
        for place in places:
            with _opened(place) as found:
                # Of a file only the rights that files have can be given.
                kind = handled if stat.S_ISDIR(os.fstat(found).st_mode) else OF_A_FILE
                rule = _Beneath(rights & kind & handled, found)
                _called(_libc.syscall(ADD, ruleset, 1, ctypes.byref(rule), ctypes.c_uint32(0)))
    _called(_libc.syscall(RESTRICT, ruleset, ctypes.c_uint32(0)))
    os.close(ruleset)


@contextmanager
def _opened(place: str) -> Iterator[int]:
    found = os.open(Path(place), os.O_PATH | os.O_CLOEXEC)
    try:
        yield found
    finally:
        os.close(found)


def _called(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock: {os.strerror(number)}")
    return result
