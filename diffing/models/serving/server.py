"""One server: started under a keeper, waited for, watched, ended.

Listens on 127.0.0.1 alone and takes a key that was made for the run, which goes to it through its environment: it
stands in no argument, file or log. Promises that it ends with this process, however that ends, and that a start
that fails says so in the server's own last words.
"""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from diffing.common import files, tables
from diffing.common.errors import UserError
from diffing.models import providers
from diffing.models.serving.keeper import GRACE_SECONDS

HERE = "127.0.0.1"
LOOK_SECONDS = 0.25
"""How often a server that loads is looked at."""
PORTS = 4
"""Ports that are tried: another program may take one in the moment between its choice and the server's start."""
TAKEN = re.compile("address already in use", re.IGNORECASE)
FAULT = re.compile(r"\b\w*(?:Error|Exception)\b|\berror:|out of memory|Killed")
STAMP = re.compile(r"^(?:\([^)]*pid=\d+\)\s*)?(?:(?:INFO|WARNING|ERROR|CRITICAL)\s+[\d-]+ [\d:]+ \[[^\]]*\]\s?)?")
"""What vLLM puts before its lines."""
LINES, LONG = 4, 240
"""Of a server's last words, and characters of each: enough to see the cause, which stands in one of them."""
NOT_ITS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
"""What would send it into this project's environment."""
QUIET = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
"""It tells its makers of each start otherwise."""

Command = Callable[[int], Sequence[str]]
"""The command line, given a port."""


class Server:
    """A server that may run; `url` is where."""

    def __init__(self, command: Command, environment: Mapping[str, str], key: str, log: Path, told: str) -> None:
        """`environment`: what it gets beside this process's own; `told`: what it serves, in words."""
        self.told = told
        self.log = log
        self.url = ""
        self._command, self._environment, self._key = command, dict(environment), key
        self._keeper: subprocess.Popen[bytes] | None = None
        self._pipe = -1

    def start(self, most: float, look: Callable[[float], None]) -> None:
        """Until it answers, for at most so many seconds; `look` is told how long it has taken, and may raise."""
        for attempt in range(PORTS):
            self._begin(_free_port())
            try:
                if self._wait(most, look):
                    return
            except BaseException:
                self.stop()
                raise
            words = self._words()
            self.stop()
            if not TAKEN.search("\n".join(words)) or attempt == PORTS - 1:
                raise UserError(
                    f"vLLM ended while it loaded {self.told}: {self._said()} (its log: {self.log}); mend that, or "
                    "leave out --serve."
                )

    def _begin(self, port: int) -> None:
        self.url = f"http://{HERE}:{port}/v1"
        ours, self._pipe = os.pipe()
        keys = {each.key_env for each in providers.PROVIDERS.values()}
        inherited = {name: value for name, value in os.environ.items() if name not in (*NOT_ITS, *keys)}
        mine = {"VLLM_API_KEY": self._key, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"} | QUIET | self._environment
        if token := providers.key_of("HF_TOKEN"):
            mine["HF_TOKEN"] = token
        with open(self.log, "wb", opener=files.private) as log:
            keeper = [sys.executable, "-m", "diffing.models.serving.keeper", str(ours), "--"]
            self._keeper = subprocess.Popen(
                [*keeper, *self._command(port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A group that can be ended as a whole, and that Ctrl-C does not reach: the run ends it.
                start_new_session=True,
                pass_fds=[ours],
                cwd=files.PROJECT,
                env=inherited | mine,
            )
        os.close(ours)

    def _wait(self, most: float, look: Callable[[float], None]) -> bool:
        """Whether it answers; false where it has ended."""
        begun = time.monotonic()
        while self.alive:
            if self._healthy():
                # Another program might have taken the port: ours would have ended over that.
                return self.alive
            waited = time.monotonic() - begun
            if waited > most:
                raise UserError(
                    f"vLLM did not come up with {self.told} within {most:,.0f} s ({self._said()}; its log: "
                    f"{self.log}); give it longer with --wait, or leave out --serve."
                )
            look(waited)
            time.sleep(LOOK_SECONDS)
        return False

    @property
    def alive(self) -> bool:
        return self._keeper is not None and self._keeper.poll() is None

    def stop(self) -> None:
        """End it and all that it started; nothing where it does not run."""
        if self._keeper is None:
            return
        os.close(self._pipe)
        try:
            # Twice its own patience: by then it has ended the group.
            self._keeper.wait(2 * GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._keeper.pid, 9)
            self._keeper.wait()
        self._keeper = None

    def ended(self) -> UserError:
        """What to say of it where it ended by itself in the midst of the work."""
        return UserError(
            f"vLLM, which served {self.told}, has ended: {self._said()} (its log: {self.log}); what was answered "
            "is stored, run it again to go on."
        )

    def version(self) -> str:
        """As it says itself; empty where it says nothing of the kind."""
        found = re.search(r'"version"\s*:\s*"([^"]{1,60})"', self._got("/version") or "")
        return tables.clean(found[1]) if found else ""

    def _healthy(self) -> bool:
        return self._got("/health") is not None

    def _got(self, path: str) -> str | None:
        """A page's text; None where it is not answered with success."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self.url.removesuffix("/v1") + path, timeout=2) as reply:
                return str(reply.read(10_000).decode("utf-8", "replace"))
        except (OSError, urllib.error.URLError, ValueError):
            return None

    def _words(self) -> list[str]:
        """The lines at the end of its log, without what stands before each."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 100_000))
            lines = file.read().decode("utf-8", "replace").splitlines()
        return [clean for line in lines if (clean := tables.clean(STAMP.sub("", line)).strip())]

    def _said(self) -> str:
        """Its last words on what went wrong, else its last words."""
        lines = self._words()
        faults = list(dict.fromkeys(line for line in lines if FAULT.search(line)))
        said = (faults or lines)[-LINES:]
        return " / ".join(line[:LONG] for line in said).replace(self._key, "[key]") or "it said nothing"


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((HERE, 0))
        return int(one.getsockname()[1])
