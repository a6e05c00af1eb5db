"""What stands between a kernel and everything else on the machine: which walls there are here, and what they keep.

Chooses, in this order: namespaces, Landlock, nothing; a container is asked for by name (`containers`). Promises
that what `Protection` a kernel has is what was tried on this machine, and that one without walls is started only
where that was said. What each keeps stands in `KEEPS`, and what it does not: a kernel without walls runs as you.
"""

import ctypes
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from diffing.common import files
from diffing.common.errors import UserError

Protection = Literal["container", "namespaces", "Landlock", "plain", "elsewhere"]

KEEPS: dict[Protection, str] = {
    "container": "in a container: it sees its image and its own folders, no process of this machine and no "
    "network unless asked",
    "namespaces": "behind walls of the system (namespaces, Landlock where there is one, and a filter of system "
    "calls): it sees Python, its packages and its own folders, no other process and no network unless asked",
    "Landlock": "behind walls of the system (Landlock and a filter of system calls): it opens Python, its "
    "packages and its own folders alone, and reaches no network and no other process; it can see that a file "
    "exists, not what is in it",
    "plain": "WITHOUT walls: the code can read whatever you can, keys in files and held-out answers among it; "
    "only its environment holds none",
    "elsewhere": "on another machine: it reaches nothing here; what that machine holds, it can read",
}
"""What is said of a kernel, in its status and in the documents."""

SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/opt/cuda", "/nix/store")
"""Where a system keeps programs and libraries: nobody's data."""
CONFIG = (
    "alternatives",
    "fonts",
    "group",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "passwd",
    "ssl/certs",
    "timezone",
)
"""Of `/etc`: what programs look up. Of its other files some hold passwords."""
NETWORK = ("hosts", "resolv.conf", "services", "protocols")
"""Of `/etc`: what is needed to reach another machine."""
PROBE = 20.0
"""Seconds for a wall to be tried: it takes a tenth of one, and a hanging system must not hold the server."""
NOT_DUMPABLE = 4


class Limits(NamedTuple):
    """What a process behind walls may reach."""

    read: Sequence[Path]
    write: Sequence[Path]
    network: bool = False


def system(python: Path, network: bool = False) -> list[Path]:
    """What every program needs, and the Python that is run: its own folders and nobody's data."""
    etc = [Path("/etc") / name for name in (*CONFIG, *(NETWORK if network else ()))]
    # As one file they are often a link to where the system keeps them at run time.
    homes = [python.parents[1], *(Path(each).resolve() for each in (sys.prefix, sys.base_prefix))]
    return [place for place in dict.fromkeys([*map(Path, SYSTEM), *etc, *homes]) if os.path.lexists(place)]


def command(protection: Protection, limits: Limits, root: Path, folder: Path, program: Sequence[str]) -> list[str]:
    """The command line of a program behind these walls; `root` is an empty folder, `folder` where it works."""
    if protection not in WALLS:
        raise ValueError(protection)
    _check(limits)
    told = {
        "parent": os.getpid(),
        "walls": WALLS[protection],
        "root": str(root),
        # Landlock follows no link, so what one leads to is given as well.
        "read": [str(place) for place in _with_targets(limits.read)],
        "write": [str(place.resolve()) for place in limits.write],
        "network": limits.network,
        "folder": str(folder.resolve()),
        "program": list(program),
    }
    # Without `site`, which runs what packages ask it to run at every start.
    return [sys.executable, "-S", "-m", "diffing.agents.workshop.enter", json.dumps(told)]


WALLS: Mapping[Protection, list[str]] = {
    "namespaces": ["namespaces", "calls"],
    "Landlock": ["landlock", "calls"],
    "plain": [],
}
"""What `enter` puts up; within namespaces it adds Landlock where that is there."""


def _with_targets(places: Sequence[Path]) -> list[Path]:
    found = [each for place in places for each in (place, place.resolve())]
    return [each for each in dict.fromkeys(found) if os.path.lexists(each)]


def _check(limits: Limits) -> None:
    """No wall helps where the studies lie within what must be open."""
    for secret in (files.studies_dir(), files.cache_dir()):
        for place in (*limits.read, *limits.write):
            if secret.resolve().is_relative_to(place.resolve()):
                raise UserError(
                    f"A kernel needs '{place}', and '{secret}' lies within it; set DIFFING_HOME to another folder."
                )


def best(network: bool = False) -> tuple[Protection, dict[Protection, str]]:
    """The best protection that this machine has, and why not each better one."""
    why: dict[Protection, str] = {}
    for each in ("namespaces", "Landlock"):
        if network and each == "Landlock":
            why["Landlock"] = "with a network it would leave the sockets of other programs within reach"
        elif not (fault := trouble(each)):
            return each, why
        else:
            why[each] = fault
    return "plain", why


@lru_cache
def trouble(protection: Protection) -> str:
    """Why this machine does not have a protection, as half a sentence; empty where it has. Tried once."""
    if sys.platform != "linux":
        return "only Linux has it"
    with tempfile.TemporaryDirectory() as folder:
        root, work = Path(folder, "root"), Path(folder, "work")
        root.mkdir()
        work.mkdir()
        python = Path(sys.executable)
        limits = Limits(system(python), [work])
        line = command(protection, limits, root, work, [str(python), "-S", "-c", "pass"])
        try:
            told = subprocess.run(
                line, cwd=files.PROJECT, env={}, capture_output=True, text=True, timeout=PROBE, check=False
            )
        except subprocess.TimeoutExpired:
            return f"it did not answer within {PROBE:.0f} s"
    return "" if told.returncode == 0 else (told.stderr.strip().splitlines() or ["it failed without a word"])[-1]


def close_memory() -> None:
    """Nobody of the same account looks into this process's memory and environment any more.

    For a server whose kernel has no walls; no help where the account is the administrator's.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(NOT_DUMPABLE, 0, 0, 0, 0)
