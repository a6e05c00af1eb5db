"""The first process of a kernel: it puts up its walls, then becomes the kernel.

Run as `python -m diffing.agents.workshop.enter TOLD` by `walls` only, whose `Told` it takes as JSON; loads nothing
but the standard library, so that there is nothing of the server's in it. Promises that it ends with the process
that started it and that no wall that was asked for is left out: where one cannot be put up it says so and runs
nothing.
"""

import json
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from diffing.agents.workshop import calls, landlock, spaces

FIRST = "1000"
"""What the system is told when memory runs out: end this process before any other."""


def main(told: dict[str, Any]) -> None:
    """Become the program that was asked for, behind the walls that were asked for."""
    spaces.dies_with_parent()
    if os.getppid() != told["parent"]:
        sys.exit("The process that wanted this one has ended.")
    walls, read, write = told["walls"], told["read"], told["write"]
    # Not on every system is one allowed to say so.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST)
    # What a broken process leaves would hold all that it had in memory.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    spaced = "namespaces" in walls
    if spaced:
        spaces.enter(told["root"], read, write, told["network"])
    if walls:
        spaces.drop_rights()
        calls.no_new_rights()
    os.chdir(told["folder"])
    if "landlock" in walls or (spaced and landlock.version() >= landlock.LEAST):
        # In a world of its own there are no others' processes in /proc.
        own = ["/proc", "/dev", "/tmp"] if spaced else [f"/proc/{os.getpid()}"]
        devices = [f"/dev/{name}" for name in spaces.DEVICES]
        landlock.restrict([*read, *own], [*write, *(["/tmp", "/dev/shm", "/proc"] if spaced else []), *devices])
    if "calls" in walls:
        calls.refuse(sockets=not spaced and not told["network"])
    os.execve(told["program"][0], told["program"], os.environ)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
