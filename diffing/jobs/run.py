"""Steps run as jobs, here or in a process of their own: with progress, cancel, and the truth after any crash.

A job is a folder `studies/<study>/jobs/<id>/` with `spec.json`, `progress.json`, `log.txt` and `lock`. The worker
holds two locks for its whole life: its own and its step's. Promises that a step runs at most once at a time on a
study, that a killed job is seen as dead at once, and that the first signal to end is a cancel, which waits for
what is paid for. Resuming is the steps' own business: each does only what is missing. Needs a local disk (flock).
"""

import fcntl
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from importlib import import_module
from typing import IO, Any

from pydantic import BaseModel

from diffing.common import damage, files, who
from diffing.common.errors import Busy, Cancelled, UserError
from diffing.common.escape import visible
from diffing.common.step import Result, checked
from diffing.common.who import Person
from diffing.jobs.job import Job, JobStatus, State, jobs_dir, put, running
from diffing.models import claims
from diffing.models.chat import GRACE_SECONDS
from diffing.study.spendings import Spendings
from diffing.study.study import Study, sweep

logger = logging.getLogger(__name__)

STEPS = {
    "prompts": "diffing.study.prompt_writer",
    "collect": "diffing.diff.until_certain",
    "encode": "diffing.reader.encode",
    "diff": "diffing.diff.compute",
    "label": "diffing.labels.labelling",
    "draft": "diffing.findings.drafting",
    "baseline": "diffing.findings.baseline",
    "verify": "diffing.findings.verification",
    "ask": "diffing.findings.asking",
    "report": "diffing.report.folder",
    "inside": "diffing.whitebox.inside",
    "relevance": "diffing.findings.relevance",
    "dictionary": "diffing.whitebox.dictionaries.job",
    "latents": "diffing.whitebox.dictionaries.judging",
}
"""Kinds of job, and the module whose `run(study, options, progress)` does each."""

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals by which people, systems and closed terminals ask a process to end."""
STOPPING = (
    f"Stopping: what is on its way, and may be paid for, is waited for up to {GRACE_SECONDS:.0f} s and stored. "
    "Asked once more, it ends at once."
)


PARTING = 1.0
"""Seconds for the system to close all that a killed process had open: it takes some thousandths."""

Told = BaseModel | Mapping[str, Any] | None
"""A step's options, in its own shape or as plain values; None takes the usual ones."""


def start(study: Study, kind: str, options: Told = None, then: Sequence[str] = ()) -> Job:
    """Start a step in a process that outlives this one; `then` names steps that follow once it is done."""
    with _claimed(study, kind, options, then) as (job, locks):
        with (job.folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "diffing.jobs.worker", str(job.folder), *(str(f.fileno()) for f in locks)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A closed terminal, or Ctrl-C in it, ends its whole session.
                start_new_session=True,
                # The worker inherits the locks already held, so there is no moment at which it looks dead.
                pass_fds=[f.fileno() for f in locks],
                # So that `-m` finds this very package. The home is passed on whole: from here a relative one would
                # be another.
                cwd=files.PROJECT,
                env=os.environ | {"DIFFING_HOME": str(files.home()), "PYTHONUNBUFFERED": "1"},
            )
        # Waited for, or it would stay behind as a zombie as long as this process lives.
        threading.Thread(target=process.wait, daemon=True).start()
        return job


def follow(job: Job) -> None:
    """Start the step that was to come after this one, unless another has started it by now."""
    spec = job.spec
    kind, *rest = spec["then"] or [""]
    if kind:
        # In the name of whoever started the first, and may have logged out by now.
        with suppress(Busy), who.acts(Person(spec["by"], "owner")):
            start(Study.open(spec["study"]), kind, then=rest)


def run_here(
    study: Study,
    kind: str,
    options: Told = None,
    watch: Callable[[JobStatus], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> JobStatus:
    """Run a step in this process, with the same folder, locks and outcome as a detached one.

    `say` is told once that the run has been asked to stop.
    """
    # Heeded before there is a job: one that was made and never began would look as if it had died.
    with heeding_signals() as ending, _claimed(study, kind, options) as (job, _):
        ending.of(job)
        return execute(job, watch, say)


class Ending:
    """Whether a run is to end, by signals: the first one cancels its job, a second one ends its work at once."""

    def __init__(self, job: Job | None = None) -> None:
        self._job = job
        self._wished = False

    def of(self, job: Job) -> None:
        """The run's job is there; a signal that came before is heeded now."""
        self._job = job
        if self._wished:
            job.cancel()

    def signal(self, *_: object) -> None:
        if self._wished or (self._job is not None and (self._job.folder / "cancel").exists()):
            raise KeyboardInterrupt
        self._wished = True
        if self._job is not None:
            self._job.cancel()


@contextmanager
def heeding_signals(job: Job | None = None) -> Iterator[Ending]:
    """Signals to end are heeded so for the block."""
    ending = Ending(job)
    if threading.current_thread() is not threading.main_thread():
        # Python hears signals there alone.
        yield ending
        return
    before = {number: signal.getsignal(number) for number in ENDING}
    # One that is ignored was meant to be: `nohup` does that.
    heard = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, ending.signal)
    try:
        yield ending
    finally:
        for number in heard:
            signal.signal(number, before[number] or signal.SIG_DFL)


def execute(
    job: Job, watch: Callable[[JobStatus], None] | None = None, say: Callable[[str], None] | None = None
) -> JobStatus:
    """Do a claimed job's work in this process and write its outcome; the caller holds the locks."""
    reporter = Reporter(job, watch, say)
    try:
        spec = job.told
        study = Study.open(spec["study"])
        # Here and not above: only the step that runs is loaded, and some take seconds.
        step = import_module(STEPS[spec["kind"]])
        options = checked(spec["kind"], step.Options, spec["options"])
        reporter.finish("done", result=step.run(study, options, reporter))
    except Cancelled as stop:
        reporter.finish("cancelled", result=stop.result)
    except KeyboardInterrupt:
        reporter.finish("cancelled")
    except UserError as error:
        reporter.log(str(error))
        reporter.finish("failed", str(error))
    except Exception as error:
        # The job's own boundary: whatever broke is told in its status and stands whole in its log.
        said = damage.in_words(error)
        reporter.log(traceback.format_exc())
        reporter.finish("failed", said or f"{type(error).__name__}: {error}")
    return reporter.status


class Reporter:
    """Writes a job's progress as it goes, at most four times a second: no eye follows more, and a step may report
    each of thousands of items."""

    def __init__(
        self,
        job: Job,
        watch: Callable[[JobStatus], None] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        spec = job.spec
        self.job = job
        self.watch = watch
        self.say = say
        self.stopped = False
        self.status = JobStatus(
            id=job.id,
            kind=spec["kind"],
            study=spec["study"],
            state="running",
            started=spec["created"],
            by=spec["by"],
        )
        self._begun = self._paced = time.monotonic()
        self._first: int | None = None
        self._written = self._checked = float("-inf")
        # At once, so that whoever looks sees a job that has begun.
        self._write()

    def update(self, done: int, total: int, unit: str = "", cost: float | None = None, note: str = "") -> None:
        # The rate counts this run's work only: what was there already was not done now.
        self._first = done if self._first is None else self._first
        now = time.monotonic()
        if done == self._first:
            # What is done before the first unit, loading a reader for one, says nothing of the pace.
            self._paced = now
        seconds, paced = now - self._begun, now - self._paced
        rate = (done - self._first) / paced if done > self._first and paced > 0 else None
        eta = (total - done) / rate if rate else None
        progress = {"done": done, "total": total, "unit": unit, "cost": cost, "note": note}
        pace = {"seconds": round(seconds, 1), "rate": rate, "eta": eta}
        self.status = self.status.model_copy(update=progress | pace)
        if time.monotonic() - self._written > 0.25:
            self._write()

    def check(self) -> None:
        # A step may ask at every token; the disk is asked five times a second.
        if not self.stopped and time.monotonic() - self._checked > 0.2:
            self._checked = time.monotonic()
            self.stopped = (self.job.folder / "cancel").exists()
            if self.stopped:
                self.log(STOPPING)
                # The terminal may be gone: that is what SIGHUP means.
                with suppress(OSError):
                    if self.say is not None:
                        self.say(STOPPING)
        if self.stopped:
            raise Cancelled

    def billed(self, key: str, dollars: float) -> None:
        self._spendings.add(key, dollars)

    @cached_property
    def _spendings(self) -> Spendings:
        return Spendings(Study.open(self.status.study))

    def over(self) -> None:
        # While its lock is held it still counts as running; killed after this, it was done.
        self.status = self.status.model_copy(update={"state": "done"})
        self._write()

    def log(self, line: str) -> None:
        try:
            with (self.job.folder / "log.txt").open("a", encoding="utf-8", errors="replace") as file:
                # Servers' and models' words come here, and people look at logs in a terminal.
                file.write(f"{datetime.now(UTC):%H:%M:%S} {visible(line)}\n")
        except OSError as error:
            # A log that cannot be written is no reason to lose what the step does.
            logger.warning("%s", damage.in_words(error))

    def finish(self, state: State, error: str = "", result: Result | None = None) -> None:
        seconds = round(time.monotonic() - self._begun, 1)
        self.status = self.status.model_copy(
            update={"state": state, "error": error, "result": result, "seconds": seconds, "eta": None}
        )
        try:
            self._write()
        except OSError as fault:
            # On a full disk the outcome cannot be kept, only told to whoever waits for it.
            logger.warning("%s", damage.in_words(fault))
            if self.watch is not None:
                self.watch(self.status)

    def _write(self) -> None:
        self._written = time.monotonic()
        files.write_json(self.job.folder / "progress.json", self.status.model_dump(), seal=True)
        if self.watch is not None:
            self.watch(self.status)


def _taken(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def plain(options: Told) -> dict[str, Any]:
    """What was told and no default, so that a default that changes later changes for a resumed job too."""
    if isinstance(options, BaseModel):
        return options.model_dump(mode="json", exclude_unset=True)
    return dict(options or {})


@contextmanager
def _claimed(
    study: Study, kind: str, options: Told, then: Sequence[str] = ()
) -> Iterator[tuple[Job, list[IO[bytes]]]]:
    """A new job's folder with its own and its step's lock held; refused while the step runs."""
    if kind not in STEPS:
        raise UserError(f"'{kind}' is no step; the steps are {', '.join(STEPS)}.")
    by = who.needs_editor().name
    files.tighten(study.folder)
    root = jobs_dir(study)
    root.mkdir(mode=files.PRIVATE_FOLDER, exist_ok=True)
    with ExitStack() as stack:
        # Not `files.locked`: the worker needs the open files, whose locks it inherits. Opened to append, as that
        # makes the file and harms none that is there.
        step = stack.enter_context((root / f"{kind}.lock").open("ab"))
        begun = time.monotonic()
        while not _taken(step):
            # A worker that was killed lets go of its own lock a moment before it does of the step's.
            if running(study, kind) or time.monotonic() - begun > PARTING:
                raise Busy(
                    f"'{kind}' is already running on study '{study.name}'; wait for it or cancel it "
                    f"('jobs {study.name}' shows it)."
                )
            time.sleep(0.01)
        created = datetime.now(UTC)
        # While the step's lock is held: what an earlier one of it left, and others whose owner is gone.
        sweep(study.folder)
        claims.sweep()
        spec = {
            "kind": kind,
            "study": study.name,
            "options": plain(options),
            "then": list(then),
            "by": by,
            "created": created.isoformat(timespec="seconds"),
        }
        # Put there whole and with its lock held: none is seen half made, nor as dead before it begins.
        with files.fresh_folder(root, ".new-") as fresh:
            own = stack.enter_context((fresh / "lock").open("ab"))
            fcntl.flock(own, fcntl.LOCK_EX)
            files.write_json(fresh / "spec.json", spec, seal=True)
            job = put(fresh, study, kind, created)
        yield job, [step, own]
