"""What agents' jobs have cost here and may still cost: one purse a home, on disk, for every server there is.

A file in `config/` has a line for each job that an agent started. Promises that nothing is started which could
take the sum over the limit, as each paid job runs under a limit of its own that is set aside until it ends; that
two servers at once share one purse; and that a restart goes on with what is left: only a person's `--refill`
begins anew. A job that was killed, or whose folder is gone, counts with all that was set aside for it, since what
was on its way may have been billed. What an endpoint bills that states no prices is unknown here as everywhere.
"""

from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from diffing import jobs
from diffing.common import damage, files
from diffing.common.errors import UserError
from diffing.common.step import first_fault
from diffing.common.words import dollars
from diffing.jobs.job import Job, JobStatus
from diffing.study.study import Study

LEAST = 0.01
"""Dollars under which no paid step is begun: the first call of a model without a stated price is made before
anybody knows what it costs, and with less than this it might pass the limit."""


class Entry(BaseModel):
    """A job that an agent started."""

    model_config = ConfigDict(extra="forbid")

    study: str
    job: str = ""
    """Empty until it was started; so it stays where the server was killed in between."""
    agent: str
    cap: float
    """Dollars set aside for it; 0 of a step that costs nothing."""
    spent: float | None = None
    """None while it runs."""


class Ledger(BaseModel):
    """The file's content."""

    model_config = ConfigDict(extra="forbid")

    since: str
    entries: list[Entry] = []


class Standing(BaseModel):
    """A purse in figures."""

    limit: float
    spent: float
    """Since `since`, by all servers of this home."""
    set_aside: float
    """For jobs that run."""
    left: float
    since: str


class Purse:
    """The purse of this home under one server's limit; every call reads the file as it is now."""

    def __init__(self, limit: float) -> None:
        self.limit = limit

    @property
    def path(self) -> Path:
        return files.home() / "config" / "agents.json"

    def refill(self) -> None:
        """Count from now on: what runs is still set aside."""
        with files.locked(self._lock()):
            running = [entry for entry in self._settled().entries if entry.spent is None]
            self._write(Ledger(since=files.now(), entries=running))

    def standing(self) -> Standing:
        with files.locked(self._lock()):
            return self._standing(self._settled())

    def cap_of(self, study: Study, job: str) -> float | None:
        """What was set aside for a job; None of one that no agent started."""
        with files.locked(self._lock()):
            entries = self._read().entries
        return next((each.cap for each in entries if (each.study, each.job) == (study.name, job)), None)

    def start(
        self, study: Study, agent: str, paid: bool, wish: float | None, begin: Callable[[float | None], Job]
    ) -> Job:
        """Start a job inside what is left; `begin` is told its limit in dollars, None of a step without costs."""
        with files.locked(self._lock()):
            ledger = self._settled()
            cap = self._cap(self._standing(ledger), wish) if paid else None
            entry = Entry(study=study.name, agent=agent, cap=cap or 0.0)
            # Before the job: one that is started and stands nowhere could be paid for twice over.
            self._write(Ledger(since=ledger.since, entries=[*ledger.entries, entry]))
            try:
                job = begin(cap)
            except BaseException:
                self._write(ledger)
                raise
            entry.job = job.id
            self._write(Ledger(since=ledger.since, entries=[*ledger.entries, entry]))
            return job

    def _cap(self, standing: Standing, wish: float | None) -> float:
        if standing.left < LEAST:
            aside = f", {dollars(standing.set_aside)} set aside for jobs that run" if standing.set_aside else ""
            spent = f"{dollars(standing.spent)} spent{aside}"
            raise UserError(
                f"The agents' budget of {dollars(self.limit)} is used up ({spent}); "
                "a person gives more with 'python -m diffing agents --max-dollars', or --refill to count anew."
            )
        if wish is not None and wish > standing.left:
            raise UserError(
                f"Of the agents' budget of {dollars(self.limit)} there is {dollars(standing.left)} left, and "
                f"{dollars(wish)} was asked for; ask for less."
            )
        return standing.left if wish is None else wish

    def _standing(self, ledger: Ledger) -> Standing:
        spent = sum(entry.spent or 0.0 for entry in ledger.entries)
        aside = sum(entry.cap for entry in ledger.entries if entry.spent is None)
        left = max(0.0, self.limit - spent - aside)
        return Standing(limit=self.limit, spent=spent, set_aside=aside, left=left, since=ledger.since)

    def _settled(self) -> Ledger:
        """The ledger with the bills of jobs that have ended by now."""
        ledger = self._read()
        open_ones = [entry for entry in ledger.entries if entry.spent is None]
        for entry in open_ones:
            entry.spent = _bill(entry)
        if any(entry.spent is not None for entry in open_ones):
            self._write(ledger)
        return ledger

    def _read(self) -> Ledger:
        if not self.path.exists():
            return Ledger(since=files.now())
        try:
            return Ledger.model_validate(files.read_json(self.path))
        except (ValidationError, damage.Damaged) as error:
            fault = first_fault(error) if isinstance(error, ValidationError) else str(error)
            raise UserError(
                f"'{self.path.name}' in config, which says what agents have spent, cannot be read ({fault}); look "
                "at it, and delete it to count anew."
            ) from error

    def _write(self, ledger: Ledger) -> None:
        files.write_json(self.path, ledger.model_dump())

    def _lock(self) -> Path:
        self.path.parent.mkdir(mode=files.PRIVATE_FOLDER, exist_ok=True)
        return self.path.with_suffix(".lock")


def _bill(entry: Entry) -> float | None:
    """What a job cost; None while it runs."""
    try:
        status = jobs.find(Study.open(entry.study), entry.job).status()
    except UserError:
        # Its study was renamed or deleted, or it was never written down that it began.
        return entry.cap
    if status.state == "running":
        return None
    return max(_cost(status), entry.cap) if status.state == "dead" else _cost(status)


def _cost(status: JobStatus) -> float:
    told = (status.result or {}).get("cost")
    return max(status.cost or 0.0, float(told) if isinstance(told, int | float) else 0.0)
