"""System calls that a process may not make, by a filter that Linux keeps for it and for all that it starts.

Used by `enter` on its own process, so it loads nothing but the standard library. What is refused looks into other
processes, takes keys from the system's own store, or, with `sockets`, reaches anything outside: other machines,
this one's ports, and sockets in the file system such as a container engine's. Made for x86-64 and 64-bit ARM; on
another machine `refuse` raises.
"""

import ctypes
import errno
import os
import platform
import struct
from typing import Any

LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
NUMBER, MACHINE, ARGUMENT = 0, 4, 16
"""Where in the record that a filter reads the call's number, the machine's kind and the first argument stand."""
ALLOW, FAIL, KILL = 0x7FFF0000, 0x00050000, 0x80000000
OTHER_ABI = 0x40000000
"""From this number on the calls are those of another table, which names the same calls again."""
UNIX = 1
"""The family of sockets within the machine: the notebook's own, which it listens on, are of it."""
FILTER, NO_NEW_RIGHTS, MODE = 22, 38, 2

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
NEVER = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    # It opens, connects and reads without a call that could be filtered.
    "io_uring_setup": (425, 425),
    # More rights in a space of its own are more ways to find a hole in the system.
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "pivot_root": (155, 41),
    "open_by_handle_at": (304, 265),
}
"""By machine, in the order of `MACHINES`."""
CONNECT, SOCKET = (42, 203), (41, 198)


def refuse(sockets: bool) -> None:
    """Refuse these calls from now on; with `sockets` everything that leads out of the process, too."""
    which = list(MACHINES).index(platform.machine())
    lines = _filter(which, sockets)
    code = b"".join(struct.pack("HBBI", *line) for line in lines)
    kept = ctypes.create_string_buffer(code)
    # The length, and where it lies: with the gap that C leaves between the two.
    told = struct.pack("HxxxxxxP", len(lines), ctypes.addressof(kept))
    _ordered(FILTER, MODE, ctypes.create_string_buffer(told), 0, 0)


def no_new_rights() -> None:
    """No program that is run from now on gains rights; else only an administrator may put up these walls."""
    _ordered(NO_NEW_RIGHTS, 1, 0, 0, 0)


def _ordered(*order: Any) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(*order):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl: {os.strerror(number)}")


Line = tuple[int, int, int, int]
"""An instruction: what it does, how far it jumps if so and if not, and with which number."""


def _filter(which: int, sockets: bool) -> list[Line]:
    denied = FAIL | errno.EPERM
    # Under this word ZeroMQ, on which kernels stand, does without; under any other it breaks off.
    unknown = FAIL | errno.EOPNOTSUPP
    lines: list[Line] = [
        (LOAD, 0, 0, MACHINE),
        (EQUAL, 1, 0, list(MACHINES.values())[which]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, 0, 1, OTHER_ABI),
        (RETURN, 0, 0, denied),
    ]
    for numbers in (*NEVER.values(), *([CONNECT] if sockets else [])):
        lines += [(EQUAL, 0, 1, numbers[which]), (RETURN, 0, 0, denied)]
    if sockets:
        lines += [
            (EQUAL, 0, 3, SOCKET[which]),
            (LOAD, 0, 0, ARGUMENT),
            (EQUAL, 1, 0, UNIX),
            (RETURN, 0, 0, unknown),
        ]
    return [*lines, (RETURN, 0, 0, ALLOW)]
