"""Work on a Ray cluster: one that is started for it and ends with it, or the one that a person names.

All that knows Ray runs in a process of its own (`conductor`): where a cluster's head dies, Ray ends the process
that was connected to it, and here that is a sentence. Promises to join no cluster but the one that was named,
none without a token, and none that lets in whoever has none; that a worker which is lost costs its part in hand
and no other; and that parts, told as JSON, are all that travels. Which worker does what, and so in whose company
an answer is read, is not promised.
"""

import json
import os
import re
import secrets
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Self

from diffing.common import files
from diffing.common.errors import UserError
from diffing.jobs.machines.door import Look, Outcome, Part

PORT = 6379
"""Of a cluster's head, where `ray start --head` puts it."""
QUIET = 60.0
"""Seconds without a word from the conductor, which says something every second, after which it hangs: Ray itself
waits for a head for a minute unless told otherwise."""
HEAD = 5
"""Seconds for which Ray looks for a head that is gone before it gives up: a restart of one is not waited for, as
starting the job again costs little."""
KNOCK = 60.0
"""Seconds for an answer to a knock; it takes four where the cluster is there."""
TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


class Ray:
    """Workers on a Ray cluster that have loaded what `work` names."""

    def __init__(self, on: str, work: str, told: Mapping[str, Any], gpus_each: float = 1.0) -> None:
        """`on` is `ray` or the address of a cluster's head; `gpus_each` is what one worker takes of them."""
        if find_spec("ray") is None:
            raise UserError("Ray is not installed here; install it with 'make extras'.")
        self.address = address(on)
        self._spec = {"address": self.address, "work": work, "told": dict(told), "gpus": gpus_each}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        env = environment(self.address)
        if self.address:
            knock(self.address, env)
        read, write = os.pipe()
        self._errors: IO[bytes] = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "diffing.jobs.machines.conductor", str(write)],
            stdin=subprocess.PIPE,
            # Ray and what it starts talk here; what counts goes through the pipe.
            stdout=self._errors,
            stderr=self._errors,
            pass_fds=[write],
            cwd=files.PROJECT,
            env=env,
        )
        os.close(write)
        self._told = os.fdopen(read, "rb", buffering=0)
        self._half = b""
        self._say(self._spec)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None and self._process.stdin is not None
        with suppress(BrokenPipeError):
            # Its end is the conductor's, which takes a cluster of our own down with it.
            self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._told.close()
        self._errors.close()

    def run(self, parts: Sequence[Part], look: Look) -> Iterator[Outcome]:
        self._say({"parts": [[part.key, dict(part.what)] for part in parts]})
        left = {part.key: part.what for part in parts}
        while left:
            for told in self._heard(look):
                if "error" in told:
                    raise UserError(str(told["error"]))
                if "key" in told and told["key"] in left:
                    yield Outcome(what=left.pop(told["key"]), **told)

    def _say(self, value: Any) -> None:
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(value).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._gone() from error

    def _heard(self, look: Look) -> Iterator[dict[str, Any]]:
        """What the conductor says next; an error where it ended or hangs."""
        end = time.monotonic() + QUIET
        while not select.select([self._told], [], [], 0.2)[0]:
            look()
            if time.monotonic() > end:
                raise self._gone()
        look()
        data = self._told.read(2**16)
        if not data:
            raise self._gone()
        *lines, self._half = (self._half + data).split(b"\n")
        yield from (json.loads(line) for line in lines)

    def _gone(self) -> UserError:
        """The cluster, or who spoke with it, is no more."""
        where = f"The Ray cluster at {self.address}" if self.address else "The Ray cluster of this run"
        return UserError(
            f"{where} is gone{self._last_words()}; what was done is stored, and the same command goes on from "
            "there."
        )

    def _last_words(self) -> str:
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - 20_000))
        lines = self._errors.read().decode("utf-8", "replace").splitlines()
        faults = [line for line in lines if re.match(r"\w*(Error|Exception)\b", line)]
        return f" ({faults[-1][:200]})" if faults else ""


def address(on: str) -> str:
    """The head's address, written as `ray://HOST`, `ray://HOST:PORT` or `HOST:PORT`; empty for one of our own."""
    if on == "ray":
        return ""
    found = re.fullmatch(r"(?:ray://)?(\[[0-9A-Fa-f:]+\]|[\w.-]+)(?::(\d{1,5}))?", on)
    if found is None or (found[2] is None and not on.startswith("ray://")) or on == "ray://auto":
        raise UserError(
            f"'{on}' names no place to work; write ray for a cluster of this machine alone, or ray://HOST:PORT."
        )
    return f"{found[1]}:{found[2] or PORT}"


def environment(address: str) -> dict[str, str]:
    """What Ray is told beside its arguments; an error where there is no token for a cluster that others made."""
    # A cluster that some setting of this machine names is none that a person named.
    env = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    env |= {"DIFFING_HOME": str(files.home()), "RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
    env |= {"RAY_gcs_rpc_server_reconnect_timeout_s": str(HEAD), "PYTHONUNBUFFERED": "1"}
    if not address:
        # Ours alone, and gone with the run: nobody else is ever to know it.
        env = {name: value for name, value in env.items() if name not in TOKENS}
        # Ray would have its workers wait for everything else that runs on the machine.
        return env | {"RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_worker_niceness": "0"}
    kept = Path.home() / ".ray" / "auth_token"
    if not any(os.environ.get(name) for name in TOKENS) and not kept.is_file():
        raise UserError(
            f"There is no token for the Ray cluster at {address}; start the cluster with RAY_AUTH_MODE=token, and "
            "give its token in RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH."
        )
    return env


def knock(address: str, env: Mapping[str, str]) -> None:
    """Whether the cluster is there, takes our token, and takes no other; an error where not."""
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        raise UserError(
            f"Nothing answers at {address} ({error.strerror or error}); start the cluster's head there, or name "
            "the address that 'ray start --head' printed."
        ) from error
    other = {name: value for name, value in env.items() if name not in TOKENS}
    other |= {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
    command = [sys.executable, "-m", "diffing.jobs.machines.knock", address]
    # Both at once: each takes seconds, most of them for loading Ray.
    asked = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=each, cwd=files.PROJECT)
        for each in (env, other)
    ]
    try:
        ours, anybodys = (one.communicate(timeout=KNOCK)[0].decode().strip() for one in asked)
    except subprocess.TimeoutExpired as error:
        raise UserError(f"What answers at {address} is no Ray cluster of this version; name another.") from error
    finally:
        for one in asked:
            one.kill()
            one.wait()
    if anybodys == "in":
        raise UserError(
            f"The Ray cluster at {address} lets in whoever asks, and whoever gets in runs what they like; "
            "start it with RAY_AUTH_MODE=token."
        )
    if ours == "refused":
        raise UserError(
            f"The Ray cluster at {address} does not take our token; it is another's, or RAY_AUTH_TOKEN is not the "
            "cluster's."
        )
    if ours != "in":
        raise UserError(f"What answers at {address} is no Ray cluster of this version ({ours or 'no word'}).")
