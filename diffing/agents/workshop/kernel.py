"""A Python kernel on this machine: a process behind walls, and the line that cells go in and messages come out on.

Speaks Jupyter's protocol through `jupyter_client`, over sockets in a private folder that only this account opens.
Promises that the kernel's environment holds what was named and nothing else, that it ends when this process ends,
however that ends, and that a message too large to be told is dropped instead of filling this process. `Line` is
what a notebook asks of a kernel wherever it runs. One thread uses a line at a time.
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

from diffing.agents.workshop import walls
from diffing.agents.workshop.walls import Limits, Protection
from diffing.common import files
from diffing.common.errors import UserError

START = 60.0
"""Seconds for a kernel to answer: it takes two, and a busy machine may take many times that."""
LARGEST = 32 * 2**20
"""Bytes of a message: far above a picture, far below what would hurt."""
SHARED = (
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LD_LIBRARY_PATH",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TZ",
)
"""Variables that a kernel takes from here: a list of what it may have, since any other may hold a key."""
FOLDERS = {"TMPDIR": "tmp", "IPYTHONDIR": "ipython", "MPLCONFIGDIR": "matplotlib"}
"""By the variable that names it: what a kernel keeps for itself, matplotlib's list of fonts among it."""
SCRATCH = "diffing-kernel-"
CONNECTION = "line/kernel.json"
"""In a kernel's private folder: where its sockets are and how its messages are signed."""
LOGGED = 2_000
"""Characters of what a kernel's process said that are quoted where it did not start."""


class Message(NamedTuple):
    """One message of a kernel."""

    kind: str
    content: dict[str, Any]
    asked: str
    """The request that it answers."""
    reply: bool
    """Whether it is the answer itself, and not something that was shown meanwhile."""
    whole: dict[str, Any]


class Line(Protocol):
    """A running kernel, wherever it is."""

    protection: Protection

    def send(self, code: str, silent: bool = False) -> str:
        """Have it run a cell; returns the request's number."""

    def next(self, wait: float) -> Message | None:
        """The next message, or None after that many seconds."""

    def interrupt(self) -> None: ...

    def reopen(self) -> None:
        """Have its messages again after one was lost."""

    def alive(self) -> bool: ...

    def died(self) -> str:
        """How it ended, as half a sentence."""

    def close(self) -> None:
        """End it at once."""


class Place(NamedTuple):
    """Where a kernel lives on this machine."""

    python: Path
    """The interpreter that it is."""
    folder: Path
    """Where it works."""
    read: tuple[Path, ...]
    write: tuple[Path, ...]
    own: Path
    """What it needs for itself: its home, its temporary files, its settings."""
    network: bool = False


def environment(place: Place, exposed: Mapping[str, str]) -> dict[str, str]:
    """All that a kernel's process finds in its environment."""
    shared = {name: value for name, value in os.environ.items() if name in SHARED}
    path = [place.python.parent, "/usr/local/bin", "/usr/bin", "/bin"]
    return {
        **shared,
        "PATH": os.pathsep.join(str(each) for each in path),
        **own(place.own),
        **exposed,
    }


def own(folder: Path) -> dict[str, str]:
    """The variables that name a kernel's own folders, which `make` makes."""
    return {
        "HOME": str(folder),
        **{variable: str(folder / name) for variable, name in FOLDERS.items()},
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        # The person's own packages are no part of it.
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def make(folder: Path) -> None:
    """Make a kernel's own folders."""
    for name in FOLDERS.values():
        (folder / name).mkdir(mode=files.PRIVATE_FOLDER, parents=True, exist_ok=True)


def program(python: str, connection: str) -> list[str]:
    """A kernel's command line; it writes no history of commands."""
    return [python, "-m", "ipykernel_launcher", "-f", connection, "--HistoryManager.enabled=False"]


class Kernel:
    """A kernel whose process was started here."""

    def __init__(
        self, protection: Protection, scratch: Path, process: subprocess.Popen[bytes], stack: ExitStack
    ) -> None:
        self.protection = protection
        self.process = process
        self._log = scratch / "log.txt"
        self._stack = stack
        self._connection = str(scratch / CONNECTION)
        self._open()

    def _open(self) -> None:
        self._client = BlockingKernelClient(context=_bounded(), connection_file=self._connection)
        self._client.load_connection_file()
        self._client.start_channels(stdin=False, hb=False)
        self._poller = zmq.Poller()
        for channel in (self._client.iopub_channel, self._client.shell_channel):
            self._poller.register(channel.socket, zmq.POLLIN)

    def ready(self, check: Callable[[], None]) -> None:
        """Wait until it answers; `check` raises where nobody wants it any more."""
        # Both ways: its answer comes on one line, and what cells show on another, which may open later.
        asked, heard = set[str](), set[bool]()
        end = time.monotonic() + START
        while time.monotonic() < end:
            check()
            asked.add(self._client.kernel_info())
            if not self.alive():
                raise UserError(f"The notebook's kernel did not start: {self.said() or self.died()}")
            while (message := self.next(0.5)) is not None:
                if message.asked in asked:
                    heard.add(message.reply)
                if len(heard) == 2:
                    return
        raise UserError(
            f"The notebook's kernel did not answer within {START:.0f} s: {self.said() or 'it said nothing'}; "
            "look whether the machine is busy, and try again."
        )

    def send(self, code: str, silent: bool = False) -> str:
        return str(
            self._client.execute(
                code, silent=silent, store_history=not silent, allow_stdin=False, stop_on_error=False
            )
        )

    def next(self, wait: float) -> Message | None:
        for socket, _ in self._poller.poll(int(wait * 1000)):
            channel = self._client.shell_channel
            reply = socket is channel.socket
            # A message that is not signed as it should be is none: code in the kernel may send what it likes.
            with suppress(ValueError, KeyError, zmq.ZMQError):
                _, message = self._client.session.recv(socket, zmq.NOBLOCK)
                if message:
                    return message_of(message, reply)
        return None

    def reopen(self) -> None:
        # A socket that met a message too large is never connected again.
        self._shut()
        self._open()
        self.ready(lambda: None)

    def interrupt(self) -> None:
        self._client.session.send(self._client.control_channel.socket, "interrupt_request", {})

    def alive(self) -> bool:
        return self.process.poll() is None

    def died(self) -> str:
        # Walls tell the number of a signal as a shell does, by what is above 128 or as a byte's remainder.
        code = self.process.poll() or 0
        number = -code if code < 0 else 256 - code if code > 192 else 0
        with suppress(ValueError):
            if number:
                return f"it was ended by {signal.Signals(number).name}" + (
                    ", which the system does where memory runs out" if number == signal.SIGKILL else ""
                )
        return f"it ended with code {code}"

    def said(self) -> str:
        """The end of what its process said outside of any cell."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-LOGGED:].strip()

    def _shut(self) -> None:
        self._client.stop_channels()
        self._client.context.destroy(linger=0)

    def close(self) -> None:
        with suppress(ProcessLookupError):
            # Its own session: whatever it has started goes with it, also where there is no wall around them.
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        self._shut()
        self._stack.close()


def message_of(message: Mapping[str, Any], reply: bool) -> Message | None:
    """A message of Jupyter's protocol; None where it is not one."""
    header, parent = message.get("header") or {}, message.get("parent_header") or {}
    kind, content = header.get("msg_type", message.get("msg_type")), message.get("content")
    if not isinstance(kind, str) or not isinstance(content, dict):
        return None
    return Message(kind, content, str(parent.get("msg_id", "")), reply, {"content": content, "header": header})


def start(place: Place, protection: Protection, exposed: Mapping[str, str]) -> Kernel:
    """Start a kernel behind these walls."""
    make(place.own)

    def line(scratch: Path, connection: Path) -> list[str]:
        root = scratch / "root"
        root.mkdir()
        reads = (*walls.system(place.python, place.network), *place.read)
        limits = Limits(reads, (*place.write, place.own, connection.parent), place.network)
        return walls.command(protection, limits, root, place.folder, program(str(place.python), str(connection)))

    return spawn(protection, line, environment(place, exposed))


def spawn(
    protection: Protection,
    line: Callable[[Path, Path], list[str]],
    env: Mapping[str, str],
    gone: Callable[[Path], None] = lambda _: None,
) -> Kernel:
    """Run a kernel's command line, made for a private folder of its own and the file that names its sockets.

    `gone` is told that folder once the process has ended.
    """
    with ExitStack() as stack:
        # A short name: the path of a socket has no more than some hundred letters.
        scratch = stack.enter_context(files.fresh_folder(Path(tempfile.gettempdir()), SCRATCH))
        stack.callback(gone, scratch)
        sockets = scratch / "line"
        sockets.mkdir(mode=files.PRIVATE_FOLDER)
        # In files: what passes over TCP others on this machine could read, and a kernel may have no network.
        connection, _ = write_connection_file(
            str(scratch / CONNECTION), transport="ipc", ip=f"{sockets}/s", key=os.urandom(32).hex().encode()
        )
        with (scratch / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                line(scratch, Path(connection)),
                # Held as long as this process lives: a kernel in a container sees by it that it is wanted.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=files.PROJECT,
                env=dict(env),
            )
        return Kernel(protection, scratch, process, stack.pop_all())


def _bounded() -> "zmq.Context[zmq.Socket[bytes]]":
    """A context whose sockets take no message that is larger than `LARGEST`."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.setsockopt(zmq.MAXMSGSIZE, LARGEST)
    return context
