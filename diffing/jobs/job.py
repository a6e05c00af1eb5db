"""One job's folder: what it was asked, how far it is, how it ended.

Reads files only. A job is alive while its lock is held; how it ended is a field that its worker wrote. Starts
nothing: `run` does.
"""

import logging
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from diffing.common import damage, files, who, words
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.study.study import Study

logger = logging.getLogger(__name__)

State = Literal["running", "done", "failed", "cancelled", "dead"]


class JobStatus(BaseModel):
    """What a page or a terminal shows of a job."""

    id: str
    kind: str
    study: str
    state: State
    done: int = 0
    total: int = 0
    unit: str = ""
    cost: float | None = None
    """Dollars spent by this job so far, where that is known."""
    note: str = ""
    started: str = ""
    by: str = ""
    """Who started it; empty for the owner of the folder."""
    seconds: float = 0.0
    """How long it has run."""
    rate: float | None = None
    """Units a second since it began."""
    eta: float | None = None
    """Seconds left at that rate."""
    error: str = ""
    result: dict[str, Any] | None = None

    def in_words(self) -> str:
        """One line on how far the job is."""
        parts = [f"{self.done:,}/{self.total:,} {self.unit}".strip()]
        if self.rate:
            parts.append(f"{self.rate:,.1f}/s")
        if self.eta is not None and self.state == "running":
            parts.append(f"{words.duration(self.eta)} left")
        if self.cost is not None:
            parts.append(words.dollars(self.cost))
        if self.note:
            parts.append(self.note)
        return " · ".join(parts)


class Job:
    """One job's folder; every call reads the files as they are now."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = folder.name

    @property
    def spec(self) -> dict[str, Any]:
        """What the job was asked; where that is damaged, what its folder's name tells."""
        try:
            return self.told
        except Damaged as error:
            logger.warning("%s", error)
            return {"study": self.folder.parents[1].name, "options": {}, "then": [], "by": ""} | self._by_name()

    @property
    def told(self) -> dict[str, Any]:
        """What the job was asked, to do it; `Damaged` where that cannot be read."""
        path, again = self.folder / "spec.json", "start the job again"
        found = files.read_json(path, again)
        with damage.reading(path, again):
            return {
                "then": [],
                "by": "",
                **{name: found[name] for name in ("kind", "study", "options", "created")},
                **found,
            }

    def _by_name(self) -> dict[str, Any]:
        day, clock, *rest = (self.id + "---").split("-")
        return {"kind": rest[0], "created": f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}"}

    def _progress(self) -> dict[str, Any]:
        """What the worker wrote last; it writes it anew, so a damaged one costs what it said and no more."""
        path = self.folder / "progress.json"
        try:
            found = files.read_json(path) if path.exists() else {}
            JobStatus.model_validate({"id": "", "kind": "", "study": "", "state": "running"} | found)
            return dict(found)
        except (Damaged, ValidationError, TypeError) as error:
            logger.warning("%s", error)
            return {"note": "its progress.json is damaged"}

    def status(self) -> JobStatus:
        alive = files.is_locked(self.folder / "lock")
        spec = self.spec
        # Read after the lock: a worker that ended in between has written its outcome before it let go.
        progress = self._progress()
        state: State = progress.get("state", "running")
        if alive:
            # A worker that has written its outcome still holds its step until it lets go.
            state = "running"
        elif state == "running":
            state = "dead"
        base = {name: spec[name] for name in ("kind", "study", "by")} | {"id": self.id, "started": spec["created"]}
        return JobStatus.model_validate(base | progress | {"state": state})

    def cancel(self) -> None:
        """Ask the job to stop at its next chance; what it has stored stays."""
        who.needs_editor()
        (self.folder / "cancel").touch()

    def log_tail(self, lines: int = 20) -> list[str]:
        path = self.folder / "log.txt"
        if not path.is_file():
            return []
        with path.open("rb") as file:
            # A log may be large, and 200 bytes are more than most lines have: of longer ones fewer are shown.
            file.seek(max(0, path.stat().st_size - 200 * lines))
            return file.read().decode("utf-8", "replace").splitlines()[-lines:]

    def wait(self, timeout: float | None = None) -> JobStatus:
        """Block until the job is no longer running, or the time is up."""
        end = None if timeout is None else time.monotonic() + timeout
        while (status := self.status()).state == "running" and (end is None or time.monotonic() < end):
            # Nothing tells of the end of a process that is not a child; ten looks a second go unnoticed.
            time.sleep(0.1)
        return status


def jobs_dir(study: Study) -> Path:
    return study.folder / "jobs"


def recent(study: Study) -> list[Job]:
    """All jobs of a study, the newest first: by their numbers, whatever the clock said."""
    # A spec that is gone takes its job from nobody's eyes; a hidden folder is no job yet.
    folders = {path.parent for name in ("spec.json", "lock") for path in jobs_dir(study).glob(f"[!.]*/{name}")}
    return [Job(folder) for folder in sorted(folders, key=_turn, reverse=True)]


def put(fresh: Path, study: Study, kind: str, created: datetime) -> Job:
    """Let a whole new folder be the study's next job, named by its date, its kind and its number."""
    root = jobs_dir(study)
    # Steps of two kinds may begin at the same moment.
    with files.locked(root / "number.lock"):
        number = 1 + max((_number(path) for path in root.iterdir()), default=0)
        folder = root / f"{created:%Y%m%d-%H%M%S}-{kind}-n{number}"
        fresh.rename(folder)
        return Job(folder)


def _number(folder: Path) -> int:
    """A job's number in its study, from 1; 0 for one of an older version, which ends in four digits of hex."""
    number = re.search(r"-n(\d+)$", folder.name)
    return int(number[1]) if number else 0


def _turn(folder: Path) -> tuple[int, int]:
    # Jobs of older versions were before all that are numbered; among them the date of the spec decides, which was
    # written once.
    spec = folder / "spec.json"
    number = _number(folder)
    return number, 0 if number else (spec if spec.exists() else folder).stat().st_mtime_ns


def find(study: Study, job_id: str) -> Job:
    for job in recent(study):
        if job.id == job_id:
            return job
    raise UserError(f"Study '{study.name}' has no job '{job_id}'; 'jobs {study.name}' lists them.")


def running(study: Study, kind: str) -> Job | None:
    """The job of this kind that is alive now."""
    for job in recent(study):
        if job.spec["kind"] == kind and files.is_locked(job.folder / "lock"):
            return job
    return None
