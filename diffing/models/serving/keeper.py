"""The process that stands over a server: `python -m diffing.models.serving.keeper PIPE -- COMMAND …`.

Leads a process group of its own, in which the server and all that it starts live, and reads a pipe of which only
the run holds the other end. However the run ends, also by a kill, the system closes that end: then the whole group
is asked to end, and is ended. Promises that no server outlives its run. Says nothing; the server's words go where
its own would go.
"""

import os
import select
import signal
import subprocess
import sys
import time

LOOK_SECONDS = 0.2
"""How often it looks whether the server is still there."""
GRACE_SECONDS = 10.0
"""For a server that was asked to end: it frees a GPU's memory meanwhile, which takes vLLM a few seconds."""


def main(pipe: int, command: list[str]) -> None:
    # By a function and not ignored: a server would inherit that it ignores the signal.
    signal.signal(signal.SIGTERM, lambda *_: None)
    # `Popen` closes the pipe in the child: the server has no part in it.
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    while child.poll() is None:
        # Nothing is ever written to it; it can be read once its other end is closed.
        if select.select([pipe], [], [], LOOK_SECONDS)[0]:
            os.killpg(0, signal.SIGTERM)
            end = time.monotonic() + GRACE_SECONDS
            while child.poll() is None and time.monotonic() < end:
                time.sleep(LOOK_SECONDS / 4)
            break
    # What a server leaves behind when it dies, its engine for one, goes with this process.
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[3:])
