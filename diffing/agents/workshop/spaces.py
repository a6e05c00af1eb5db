"""A world of its own for a process, by Linux's namespaces: files, processes, network and rights.

Used by `enter` on its own process, so it loads nothing but the standard library. Promises that whoever goes on
after `enter` sees the places it was given and no other file, no process but its own, no network unless asked, and
has no rights over the machine, also where an administrator started it. It needs neither rights nor a helper
program, but a system that lets its users do this (`kernel.unprivileged_userns_clone`, AppArmor's profile for it).
"""

import ctypes
import os
import select
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

USER, MOUNTS, PROCESSES, IPC, NAME, NETWORK = 1 << 28, 1 << 17, 1 << 29, 1 << 27, 1 << 26, 1 << 30
BIND, RECURSIVE, PRIVATE = 1 << 12, 1 << 14, 1 << 18
NO_SUID, NO_DEVICES, NO_PROGRAMS = 1 << 1, 1 << 2, 1 << 3
READ_ONLY_TREE, HARMLESS_TREE = 0b001, 0b110
"""Of a whole tree of mounts: nothing is changed; no program gains rights and no file is a device."""
SET_TREE, PIVOT = 442, {"x86_64": 155, "aarch64": 41}
WHOLE_TREE, HERE, DETACH = 0x8000, -100, 2
DEATH_SIGNAL, DROP_RIGHT, CLEAR_AMBIENT = 1, 24, (47, 4, 0, 0, 0)
RIGHTS = 64
"""More than there are: dropping one that is unknown only fails."""
DEVICES = ("null", "zero", "full", "random", "urandom")
ROOM = "size=256m,mode=755"
"""Of the memory that the root of the new world may take: it holds the mount points and what is put in /tmp."""

_libc = ctypes.CDLL(None, use_errno=True)


def enter(root: str, read: Sequence[str], write: Sequence[str], network: bool) -> None:
    """Go on in a new world below the empty folder `root`; the process that called stays outside and waits."""
    user, group = os.geteuid(), os.getegid()
    _done(_libc.unshare(USER | MOUNTS | PROCESSES | IPC | NAME | (0 if network else NETWORK)), "unshare")
    for file, words in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        Path(f"/proc/self/{file}").write_text(words)
    alive, held = os.pipe()
    first = os.fork()
    if first:
        _wait(first, alive)
    os.close(held)
    dies_with_parent()
    # Had the parent died before that was asked for, its end of the pipe is closed.
    if select.select([alive], [], [], 0)[0]:
        os._exit(1)
    os.close(alive)
    _files(Path(root), read, write)
    second = os.fork()
    if second:
        # The first process of such a world gets no signal that it does not ask for and inherits all orphans, so
        # another does the work.
        _wait(second)
    dies_with_parent()


def dies_with_parent() -> None:
    """The system kills this process when the one that started it ends, however it ends."""
    _done(_libc.prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0), "prctl")


def drop_rights() -> None:
    """No program that this process becomes has an administrator's rights."""
    # Each fails where it has none to drop, or where there is no such right: either way it has it no more.
    for right in range(RIGHTS):
        _libc.prctl(DROP_RIGHT, right, 0, 0, 0)
    _libc.prctl(*CLEAR_AMBIENT)


def _wait(child: int, *close: int) -> NoReturn:
    for handle in close:
        os.close(handle)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while True:
        ended, status = os.wait()
        if ended == child:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _files(root: Path, read: Sequence[str], write: Sequence[str]) -> None:
    _mount("none", "/", "", RECURSIVE | PRIVATE)
    _mount("tmpfs", str(root), "tmpfs", NO_SUID | NO_DEVICES, ROOM)
    # A folder before what lies in it, so that the inner one is not covered.
    for place in sorted({*read, *write}):
        above = [str(each) for each in Path(place).parents]
        # What lies in a folder that is there already need not be put there again, unless it may be changed.
        if place in write or not any(each in read for each in above):
            _bind(root, Path(place), place not in write)
    (root / "proc").mkdir()
    _mount("proc", str(root / "proc"), "proc", NO_SUID | NO_DEVICES | NO_PROGRAMS)
    for name in DEVICES:
        _bind(root, Path("/dev") / name, False, devices=True)
    (root / "dev" / "shm").mkdir()
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        (root / "dev" / name).symlink_to(f"/proc/self/{target}")
    (root / "tmp").mkdir(exist_ok=True)
    os.chdir(root)
    _done(_libc.syscall(PIVOT[os.uname().machine], b".", b"."), "pivot_root")
    # The old root lies over the new one now.
    _done(_libc.umount2(b".", DETACH), "umount")
    os.chdir("/")


def _bind(root: Path, place: Path, still: bool, devices: bool = False) -> None:
    target = root / str(place).lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink():
        target.symlink_to(place.readlink())
        return
    if place.is_dir():
        target.mkdir(exist_ok=True)
    else:
        target.touch()
    _mount(str(place), str(target), "", BIND | RECURSIVE)
    if not devices:
        _still(target, HARMLESS_TREE | (READ_ONLY_TREE if still else 0))


def _still(target: Path, flags: int) -> None:
    rules = (ctypes.c_uint64 * 4)(flags, 0, 0, 0)
    told = _libc.syscall(
        SET_TREE, HERE, os.fsencode(target), WHOLE_TREE, ctypes.byref(rules), ctypes.sizeof(rules)
    )
    _done(told, f"mount_setattr {target}")


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    words = [os.fsencode(each) if each else None for each in (source, target, kind, data)]
    _done(_libc.mount(*words[:3], ctypes.c_ulong(flags), words[3]), f"mount {target}")


def _done(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
