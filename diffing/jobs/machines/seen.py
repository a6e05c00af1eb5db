"""What the workers of other machines tell of themselves: one small file each, replaced whole every few seconds.

Works on network disks: each worker writes its own file and no other, without a lock. Whether a worker is alive
cannot be known from here; a file that was not renewed for a while says that it is silent, and no more.
"""

import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from diffing.common import files
from diffing.common.errors import Cancelled
from diffing.study.study import Study

EVERY = 2.0
"""Seconds between two writings: often enough for who looks, rare enough for a disk that a thousand write to."""
SILENT = 120.0
"""Seconds without a word after which a worker is called silent: a network disk may show a file half a minute late,
and clocks of machines differ by seconds. Chosen by eye."""

FOLDER, BEATS = "shares", "beats"
"""Of a study: what several machines make together, not joined yet; and within it, what they tell of themselves."""

Doing = Literal["running", "done", "failed", "cancelled"]


class Beat(BaseModel):
    """One worker as it last told of itself."""

    part: str
    """What it works on, as `share 3/16`."""
    machine: str
    device: str = ""
    state: Doing = "running"
    done: int = 0
    total: int = 0
    unit: str = ""
    rate: float | None = None
    """Units a second."""
    failures: dict[str, int] = {}
    """How many failed, by reason."""
    again: int = 0
    """Parts that were done a second time, as their first worker was lost."""
    again_seconds: float = 0.0
    """What that cost."""
    error: str = ""
    silent: float = 0.0
    """Seconds since it last told; 0 where it has ended or told just now."""

    def in_words(self) -> str:
        """One line."""
        said = [f"{self.part} on {self.machine}" + (f" ({self.device})" if self.device else "")]
        said.append("silent" if self.silent else self.state)
        if self.total:
            said.append(f"{self.done:,}/{self.total:,} {self.unit}".strip())
        if self.rate:
            said.append(f"{self.rate:,.1f}/s")
        said += [f"{number:,} failed: {reason}" for reason, number in self.failures.items()]
        if self.again:
            said.append(f"{self.again:,} done again, {self.again_seconds:,.0f} s of work")
        return " · ".join([*said, self.error] if self.error else said)


def machine() -> str:
    """This machine's name."""
    return socket.gethostname() or "unnamed"


class Post:
    """Writes one worker's beats; `end` has the last word."""

    def __init__(self, folder: Path, name: str, part: str, device: str = "", where: str = "") -> None:
        """`where`: the machine of whom it tells; this one unless named."""
        self.path = folder / f"{name}.json"
        self.beat = Beat(part=part, machine=where or machine(), device=device)
        self._told = float("-inf")
        self._began = time.monotonic()
        self._first: int | None = None
        self._write()

    def update(self, done: int, total: int, unit: str) -> None:
        self._first = done if self._first is None else self._first
        if done == self._first:
            # Loading is no part of the pace.
            self._began = time.monotonic()
        seconds = time.monotonic() - self._began
        rate = (done - self._first) / seconds if done > self._first and seconds > 0 else None
        self.beat = self.beat.model_copy(update={"done": done, "total": total, "unit": unit, "rate": rate})
        if time.monotonic() - self._told > EVERY:
            self._write()

    def failed(self, reasons: Mapping[str, int]) -> None:
        self.beat = self.beat.model_copy(update={"failures": dict(reasons)})

    def lost(self, times: int, seconds: float) -> None:
        """A part of its own had been begun by others before, who were lost."""
        now = {"again": self.beat.again + times, "again_seconds": self.beat.again_seconds + seconds}
        self.beat = self.beat.model_copy(update=now)

    def end(self, state: Doing, error: str = "") -> None:
        self.beat = self.beat.model_copy(update={"state": state, "error": error})
        self._write()

    def _write(self) -> None:
        self._told = time.monotonic()
        # Each time: whoever joins what was done takes the folder away.
        self.path.parent.mkdir(mode=files.PRIVATE_FOLDER, parents=True, exist_ok=True)
        # Not `files.replacing`, which takes a lock: none holds on a network disk.
        fresh = self.path.with_suffix(".part")
        with open(fresh, "w", encoding="utf-8", opener=files.private) as file:
            file.write(self.beat.model_dump_json())
        fresh.replace(self.path)


@contextmanager
def posted(folder: Path, name: str, part: str, device: str = "") -> Iterator[Post]:
    """A worker tells of itself for the block, and at its end how that ended."""
    post = Post(folder, name, part, device)
    try:
        yield post
    except BaseException as error:
        stopped = isinstance(error, Cancelled | KeyboardInterrupt)
        post.end("cancelled" if stopped else "failed", "" if stopped else str(error))
        raise
    post.end("done")


def of(study: Study) -> list[Beat]:
    """Everybody who works on a study beside its jobs, or did since it was last joined."""
    return [beat for folder in sorted((study.folder / FOLDER).glob(f"*/{BEATS}")) for beat in all_in(folder)]


def all_in(folder: Path) -> list[Beat]:
    """Every worker that told of itself in a folder, by part and machine."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            beat = Beat.model_validate(json.loads(path.read_text(encoding="utf-8")))
            since = time.time() - path.stat().st_mtime
        except (OSError, ValueError, ValidationError):
            # Half written by a machine that died, or taken away just now: it tells nothing.
            continue
        silent = since if beat.state == "running" and since > SILENT else 0.0
        found.append(beat.model_copy(update={"silent": silent}))
    return found
