"""Jobs: long steps in a process of their own, with progress, cancel, resume, and the truth after any crash.

A job is a folder `studies/<study>/jobs/<id>/` with `spec.json`, `progress.json`, `log.txt` and `lock`. The worker
holds two locks for its whole life: its own and its step's. Liveness is the lock; the outcome is a field that the
worker wrote. Promises that a step runs at most once at a time on a study and that a killed job is seen as dead
at once. Resuming is the steps' own business: each does only what is missing. Needs a local disk (flock).
"""

import fcntl
import os
import secrets
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from diffing.common import files
from diffing.common.errors import Busy, Cancelled, UserError
from diffing.study.study import Study, first_fault

STEPS = {
    "prompts": "diffing.study.prompt_writer",
    "collect": "diffing.study.collect",
    "encode": "diffing.reader.encode",
    "diff": "diffing.diff.compute",
    "label": "diffing.labels.labelling",
    "draft": "diffing.findings.drafting",
    "baseline": "diffing.findings.baseline",
    "verify": "diffing.findings.verification",
    "report": "diffing.report.folder",
}
"""Kinds of job, and the module whose `run(study, options, progress)` does each."""

State = Literal["running", "done", "failed", "cancelled", "dead"]
Options = TypeVar("Options", bound=BaseModel)


def checked(kind: str, shape: type[Options], options: dict[str, Any]) -> Options:
    """What a step is told, in its own shape; a `UserError` names the first thing that does not fit."""
    try:
        return shape.model_validate(options)
    except ValidationError as error:
        raise UserError(f"{kind} cannot run: {first_fault(error)}; change it.") from error


class Progress(Protocol):
    """What a step tells while it works."""

    def update(self, done: int, total: int, unit: str = "", cost: float | None = None, note: str = "") -> None: ...

    def check(self) -> None:
        """Raises `Cancelled` once the user has asked to stop."""

    def log(self, line: str) -> None: ...


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
    seconds: float = 0.0
    """How long it has run."""
    rate: float | None = None
    """Units a second since it began."""
    eta: float | None = None
    """Seconds left at that rate."""
    error: str = ""
    result: dict[str, Any] | None = None


class Job:
    """One job's folder; every call reads the files as they are now."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = folder.name

    @property
    def spec(self) -> dict[str, Any]:
        return dict(files.read_json(self.folder / "spec.json"))

    def status(self) -> JobStatus:
        alive = files.is_locked(self.folder / "lock")
        spec, path = self.spec, self.folder / "progress.json"
        # Read after the lock: a worker that ended in between has written its outcome before it let go.
        told = files.read_json(path) if path.exists() else {}
        state: State = told.get("state", "running")
        if alive:
            # A worker that has written its outcome still holds its step until it lets go.
            state = "running"
        elif state == "running":
            state = "dead"
        base = {"id": self.id, "kind": spec["kind"], "study": spec["study"], "started": spec["created"]}
        return JobStatus.model_validate(base | told | {"state": state})

    def cancel(self) -> None:
        """Ask the job to stop at its next chance; what it has stored stays."""
        (self.folder / "cancel").touch()

    def log_tail(self, lines: int = 20) -> list[str]:
        path = self.folder / "log.txt"
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 200 * lines))
            return file.read().decode("utf-8", "replace").splitlines()[-lines:]

    def wait(self, timeout: float | None = None) -> JobStatus:
        """Block until the job is no longer running, or the time is up."""
        end = None if timeout is None else time.monotonic() + timeout
        while (status := self.status()).state == "running" and (end is None or time.monotonic() < end):
            time.sleep(0.1)
        return status


def jobs_dir(study: Study) -> Path:
    return study.folder / "jobs"


def recent(study: Study) -> list[Job]:
    """All jobs of a study, the newest first."""
    specs = sorted(jobs_dir(study).glob("*/spec.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return [Job(path.parent) for path in specs]


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


def start(study: Study, kind: str, options: dict[str, Any] | None = None, then: Sequence[str] = ()) -> Job:
    """Start a step in a process that outlives this one; `then` names steps that follow once it is done."""
    with _claimed(study, kind, options or {}, then) as (job, locks):
        with (job.folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "diffing.jobs.worker", str(job.folder), *(str(f.fileno()) for f in locks)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                # The worker inherits the locks already held, so there is no moment at which it looks dead.
                pass_fds=[f.fileno() for f in locks],
                cwd=files.PROJECT,
                env=os.environ | {"DIFFING_HOME": str(files.home()), "PYTHONUNBUFFERED": "1"},
            )
        # Waited for, or it would stay behind as a zombie as long as this process lives.
        threading.Thread(target=process.wait, daemon=True).start()
        return job


def follow(job: Job) -> None:
    """Start the step that was to come after this one, unless another has started it by now."""
    spec = job.spec
    kind, *rest = spec.get("then") or [""]
    if kind:
        with suppress(Busy):
            start(Study.open(spec["study"]), kind, then=rest)


def run_here(
    study: Study,
    kind: str,
    options: dict[str, Any] | None = None,
    watch: Callable[[JobStatus], None] | None = None,
) -> JobStatus:
    """Run a step in this process, with the same folder, locks and outcome as a detached one."""
    with _claimed(study, kind, options or {}) as (job, _):
        return execute(job, watch)


def execute(job: Job, watch: Callable[[JobStatus], None] | None = None) -> JobStatus:
    """Do a claimed job's work in this process and write its outcome; the caller holds the locks."""
    spec = job.spec
    reporter = Reporter(job, watch)
    try:
        study = Study.open(spec["study"])
        run = import_module(STEPS[spec["kind"]]).run
        reporter.finish("done", result=run(study, spec["options"], reporter))
    except (Cancelled, KeyboardInterrupt):
        reporter.finish("cancelled")
    except UserError as error:
        reporter.log(str(error))
        reporter.finish("failed", str(error))
    except Exception as error:
        # The job's own boundary: whatever broke is told in its status and stands whole in its log.
        reporter.log(traceback.format_exc())
        reporter.finish("failed", f"{type(error).__name__}: {error}")
    return reporter.status


class Reporter:
    """Writes a job's progress as it goes, at most four times a second."""

    def __init__(self, job: Job, watch: Callable[[JobStatus], None] | None = None) -> None:
        spec = job.spec
        self.job = job
        self.watch = watch
        self.stopped = False
        self.status = JobStatus(
            id=job.id, kind=spec["kind"], study=spec["study"], state="running", started=spec["created"]
        )
        self._begun = time.monotonic()
        self._first: int | None = None
        self._written = self._checked = float("-inf")
        self._write()

    def update(self, done: int, total: int, unit: str = "", cost: float | None = None, note: str = "") -> None:
        # The rate counts this run's work only: what was there already was not done now.
        self._first = done if self._first is None else self._first
        seconds = time.monotonic() - self._begun
        rate = (done - self._first) / seconds if done > self._first and seconds > 0 else None
        self.status = self.status.model_copy(
            update={
                "done": done, "total": total, "unit": unit, "cost": cost, "note": note,
                "seconds": round(seconds, 1), "rate": rate, "eta": (total - done) / rate if rate else None,
            }
        )  # fmt: skip
        if time.monotonic() - self._written > 0.25:
            self._write()

    def check(self) -> None:
        if not self.stopped and time.monotonic() - self._checked > 0.2:
            self._checked = time.monotonic()
            self.stopped = (self.job.folder / "cancel").exists()
        if self.stopped:
            raise Cancelled

    def log(self, line: str) -> None:
        with (self.job.folder / "log.txt").open("a", encoding="utf-8", errors="replace") as file:
            file.write(f"{datetime.now(UTC):%H:%M:%S} {line}\n")

    def finish(self, state: State, error: str = "", result: dict[str, Any] | None = None) -> None:
        seconds = round(time.monotonic() - self._begun, 1)
        self.status = self.status.model_copy(
            update={"state": state, "error": error, "result": result, "seconds": seconds, "eta": None}
        )
        self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        files.write_json(self.job.folder / "progress.json", self.status.model_dump())
        if self.watch is not None:
            self.watch(self.status)


@contextmanager
def _claimed(
    study: Study, kind: str, options: dict[str, Any], then: Sequence[str] = ()
) -> Iterator[tuple[Job, list[IO[bytes]]]]:
    """A new job's folder with its own and its step's lock held; refused while the step runs."""
    if kind not in STEPS:
        raise UserError(f"'{kind}' is no step; the steps are {', '.join(STEPS)}.")
    root = jobs_dir(study)
    root.mkdir(exist_ok=True)
    with ExitStack() as stack:
        step = stack.enter_context((root / f"{kind}.lock").open("ab"))
        try:
            fcntl.flock(step, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(
                f"'{kind}' is already running on study '{study.name}'; wait for it or cancel it "
                f"('jobs {study.name}' shows it)."
            ) from error
        created = datetime.now(UTC)
        job = Job(root / f"{created:%Y%m%d-%H%M%S}-{kind}-{secrets.token_hex(2)}")
        job.folder.mkdir()
        own = stack.enter_context((job.folder / "lock").open("ab"))
        fcntl.flock(own, fcntl.LOCK_EX)
        spec = {
            "kind": kind,
            "study": study.name,
            "options": options,
            "then": list(then),
            "created": created.isoformat(timespec="seconds"),
        }
        files.write_json(job.folder / "spec.json", spec)
        yield job, [step, own]
