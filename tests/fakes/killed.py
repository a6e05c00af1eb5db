"""Jobs killed at random moments, again and again until they end by themselves, and what became of them.

The moments and signals are drawn from a seed; when exactly a signal arrives is the machine's business, and no
verdict hangs on it. A job counts as survived where everything is as an undisturbed run leaves it, nothing that was
stored was asked again, the ledger holds what the stored replies were billed, and nothing is left lying about.
"""

import itertools
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diffing import jobs, status
from diffing.study import spendings
from diffing.study.study import Study, names
from tests.fakes import kills, processes
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.warm import Ended, Order, Warm

SIGNALS = [signal.SIGKILL] * 12 + [signal.SIGTERM] * 2 + [signal.SIGINT, signal.SIGHUP, signal.SIGSTOP]
"""What is drawn from: mostly the one that nobody can hear. A stopped process goes on after a moment."""
ENOUGH = 8
"""Kills of one job, after which it is left in peace."""
PAUSE = 0.05
"""Seconds that a stopped process stands still."""


@dataclass
class Tally:
    """What became of the kills of one kind."""

    kills: int = 0
    in_the_work: int = 0
    survived: int = 0
    faults: list[str] = field(default_factory=list)
    """What was wrong after a job had been killed and had ended."""

    @property
    def lost(self) -> int:
        return self.kills - self.survived

    def join(self, other: "Tally") -> None:
        self.kills += other.kills
        self.in_the_work += other.in_the_work
        self.survived += other.survived


class Ground:
    """Studies to begin from, as an undisturbed run of each kind leaves them."""

    def __init__(self, root: Path, warm: Warm, server: OpenAIServer, whole: bool = False) -> None:
        self.root, self.warm, self.server, self.whole = root, warm, server, whole
        self.homes: dict[str, Path] = {}
        self.seconds: dict[str, float] = {}
        self.wanted: dict[str, dict[str, Any]] = {}
        self._steps: dict[str, int] = {}
        self._copies = itertools.count()

    def base(self, kind: str) -> Path:
        """The home that a kind begins from."""
        before = kills.KINDS[kind].before
        if before in kills.KINDS:
            return self.undisturbed(before)
        if before not in self.homes:
            home = self.root / f"before-{before}"
            if before == "damaged":
                kills.damage(kills.copied(self.undisturbed("report"), home))
            else:
                with kills.at(home):
                    kills.MADE[before](self.server.url)
            self.homes[before] = home
        return self.homes[before]

    def undisturbed(self, kind: str) -> Path:
        """The home as a kind leaves it when nobody kills it."""
        if kind not in self.homes:
            home = kills.copied(self.base(kind), self.root / f"after-{kind}")
            self.warm.begin(self.order(kind, home))
            began = time.monotonic()
            ended = self.warm.ended()
            self.seconds[kind] = time.monotonic() - began
            assert ended is not None and ended.outcome == "done", ended
            self._steps[kind] = ended.steps
            self.homes[kind], self.wanted[kind] = home, kills.look(home)
        return self.homes[kind]

    def steps(self, kind: str) -> int:
        """How many changes on the disk an undisturbed run makes."""
        self.undisturbed(kind)
        return self._steps[kind]

    def copy(self, kind: str) -> Path:
        """A fresh home to begin from, never at a place where another one was: some things are remembered by it."""
        return kills.copied(self.base(kind), self.root / f"{next(self._copies)}")

    def order(self, kind: str, home: Path, step: int = 0) -> Order:
        return Order(kind, str(home), self.server.url, step, self.whole)

    def killed(self, kind: str, chance: random.Random, tally: Tally, detached: bool = False) -> None:
        """A fresh copy of the study; its job is killed until it ends by itself, and judged.

        `detached`: the first of its runs is a process of its own, as the dashboard starts it.
        """
        self.undisturbed(kind)
        home = self.copy(kind)
        watched, before = Watched(self, kind, home), tally.kills
        for turn in range(ENOUGH):
            number, moment = chance.choice(SIGNALS), chance.uniform(0, self.seconds[kind])
            one = self._detached if detached and turn == 0 else self._child
            ended, hit = watched.run(lambda: one(kind, home, number, moment))  # noqa: B023  # run at once
            tally.kills += 1
            tally.in_the_work += hit
            if ended.outcome.startswith("done"):
                break
        else:
            watched.run(lambda: (self.warm.run(self.order(kind, home)), False))
        faults = [*watched.faults, *self.faults(kind, home)]
        tally.survived += 0 if faults else tally.kills - before
        tally.faults += faults
        shutil.rmtree(home)

    def _child(self, kind: str, home: Path, number: int, moment: float) -> tuple[Ended, bool]:
        """One run with one signal, and whether that came while it worked."""
        process = self.warm.begin(self.order(kind, home))
        ended = self.warm.ended(moment)
        if ended is not None:
            return ended, False
        send(process, number)
        ended = self.warm.ended()
        assert ended is not None
        return ended, number == signal.SIGSTOP or not ended.outcome.startswith("done")

    def _detached(self, kind: str, home: Path, number: int, moment: float) -> tuple[Ended, bool]:
        """The same with a process of its own; its moments are counted from when it says that it works."""
        how = kills.KINDS[kind]
        assert how.options is not None
        with kills.at(home):
            job = jobs.start(Study.open(kills.NAME), how.step or kind, how.options(self.server.url))
            process = processes.worker_of(job)
            processes.until((job.folder / "progress.json").exists, "at work")
            # It imports the step only now.
            told = job.wait(self.seconds[kind] + moment)
            alive = told.state == "running"
            if alive:
                send(process, number)
                told = job.wait(processes.PATIENCE)
        outcome = "" if told.state == "dead" else f"{told.state} {told.error}".strip()
        return Ended(0, outcome, 0), alive and (number == signal.SIGSTOP or not outcome.startswith("done"))

    def faults(self, kind: str, home: Path) -> list[str]:
        """What is wrong with a home whose job has ended by itself."""
        shown, wanted = kills.look(home), self.wanted[kind]
        faults = [f"{name} differs" for name in sorted({*shown, *wanted}) if shown.get(name) != wanted.get(name)]
        faults += [f"{name} is left" for name in kills.left(home)]
        before, spent_before = kills.billed(self.base(kind)), spent_in(self.base(kind))
        billed = {number: dollars for number, dollars in kills.billed(home).items() if number not in before}
        sent = {number: kills.cost(self.server.calls[number - 1]) for number in billed}
        spent = spent_in(home) - spent_before
        if billed != sent or spent != sum(sent.values()):
            faults.append(f"the ledger holds {spent} of {sum(sent.values())} dollars that were billed")
        return [f"{kind}: {fault}" for fault in faults]


def spent_in(home: Path) -> float:
    with kills.at(home):
        return spendings.total(Study.open(kills.NAME)) if kills.NAME in names() else 0.0


def send(process: int, number: int) -> None:
    os.kill(process, number)
    if number == signal.SIGSTOP:
        time.sleep(PAUSE)
        os.kill(process, signal.SIGCONT)


class Watched:
    """The runs of one job, with an eye on what each asks and says."""

    def __init__(self, ground: Ground, kind: str, home: Path) -> None:
        self.ground, self.kind, self.home = ground, kind, home
        self.first = len(ground.server.calls)
        self.before = {path.name for path in home.glob(f"studies/{kills.NAME}/jobs/*")}
        self.faults: list[str] = []

    def run(self, begin: Callable[[], tuple[Ended, bool]]) -> tuple[Ended, bool]:
        calls = self.ground.server.calls
        stored, so_far = [n for n in kills.billed(self.home) if n > self.first], len(calls)
        ended, hit = begin()
        known = [calls[number - 1].body for number in stored]
        twice = sum(call.body in known for call in calls[so_far:])
        if twice:
            self._say(f"{twice} stored replies were asked for again")
        if ended.outcome and not ended.outcome.startswith(("done", "cancelled")):
            self._say(f"it ended so: {ended.outcome}")
        state = self._seen(ended)
        kills.aged(self.home)
        # Killed when all was stored and said: nobody would begin it again.
        return ended._replace(outcome=ended.outcome or state), hit

    def _seen(self, ended: Ended) -> str:
        """What a person sees now: the study opens, nothing runs, and the last job ended as it did.

        "done" where that job is over, else nothing.
        """
        with kills.at(self.home):
            # A study whose making was killed is none yet, and a damaged one shows what is damaged.
            if kills.NAME not in names() or self.kind == "repair":
                return ""
            study = Study.open(kills.NAME)
            if status.of(study)["running"]:
                self._say("a job that is gone is said to run")
            how = kills.KINDS[self.kind]
            mine = [job.status() for job in jobs.recent(study)[:1] if job.spec["kind"] == (how.step or self.kind)]
        states = {told.state for told in mine if told.id not in self.before}
        # Killed while it wrote its outcome down, it may have been done.
        wanted = {ended.outcome.split(" ")[0]} if ended.outcome else {"dead", "done", "cancelled"}
        if not states <= wanted:
            self._say(f"a job that ended as {sorted(wanted)} is said to be {sorted(states)}")
        return "done" if states == {"done"} else ""

    def _say(self, fault: str) -> None:
        self.faults.append(f"{self.kind}: {fault}")


def at_steps(ground: Ground, kind: str, steps: Iterable[int]) -> list[str]:
    """A job ended before some of its changes on the disk, one at a time; what was wrong after the next run."""
    ground.undisturbed(kind)
    faults: list[str] = []
    for step in steps:
        home = ground.copy(kind)
        watched, order = Watched(ground, kind, home), ground.order(kind, home, step)
        for each in (order, order._replace(step=0)):
            watched.run(lambda: (ground.warm.run(each), False))  # noqa: B023  # run at once
        faults += [f"before step {step}: {fault}" for fault in [*watched.faults, *ground.faults(kind, home)]]
        shutil.rmtree(home)
    return faults
