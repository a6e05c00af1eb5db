"""The benchmark run: arms times organisms times epochs as tasks of inspect_ai, under limits, in logs that resume.

`plan` says what would be run and what that takes at most, and spends nothing; `run` hands it to Inspect's
`eval_set`, which goes on after a crash where it stood and tries anew what failed. Promises that every arm sees the
same pairs in the same order of A and B, that a run which breaks off costs itself and no other, and that the logs
stand under `bench/logs/NAME` of the home, readable with Inspect's own viewer and by `import`. Needs inspect_ai.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field

from diffing.agents.benchmark import arms, asked, claim, pairs, planting, scoring, toolbox, truth, words
from diffing.agents.benchmark.arms import Arm
from diffing.agents.benchmark.planting import Source
from diffing.agents.benchmark.truth import Chosen
from diffing.common import files, who
from diffing.common.errors import UserError
from diffing.common.step import Settings
from diffing.models.providers import Price

if TYPE_CHECKING:
    from inspect_ai import Task
    from inspect_ai.model import Model

    from diffing.agents.server import Server

LOGS = "logs"
ONCE = 30_000
"""Tokens of a call that reads pairs, at most: what it is shown, the words around it and ten claims."""
JUDGED = (900, 300)
"""Tokens of a question to the judge and of its reply, about: ten changes and a claim; two numbers."""
READY = "The pair is ready."


class Options(Settings):
    """What one run of the benchmark is told."""

    arms: list[str] = list(arms.USUAL)
    organisms: list[str] = []
    """By name; empty takes all of `tiers`."""
    tiers: list[int] = [0]
    model: str = ""
    judge: str = ""
    """Who says which change a claim means where that cannot be counted; empty: nobody, and such claims stay
    unjudged."""
    verifier: str = ""
    """Who judges claims on held-out prompts that cannot be counted; empty: nobody."""
    epochs: int = Field(default=5, ge=1, le=100)
    framing: words.Framing = "neutral"
    seed: int = Field(default=0, ge=0, lt=2**32)
    messages: int = Field(default=80, ge=4, le=1000)
    """Of a run, the model's and the tools' together: some 38 calls."""
    tokens: int = Field(default=300_000, ge=1000)
    """Of a run, in and out."""
    dollars: float | None = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Of a run; None sets no limit."""
    minutes: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    pairs_from: str = ""
    """The endpoint whose answers pairs are made of where they do not ship."""
    prompts: int = Field(default=planting.PROMPTS, ge=20, le=300)
    """That it is asked for each pair."""
    pair_dollars: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Of one such pair, at most."""
    at_once: int = Field(default=4, ge=1, le=64)
    name: str = Field(default="", pattern=r"^[\w.-]{0,60}$")
    """Of the folder of logs; a run of the same name goes on there."""

    @property
    def source(self) -> Source:
        return Source(self.pairs_from, self.prompts, self.pair_dollars)


class Planned(NamedTuple):
    """One arm with its organisms."""

    arm: Arm
    chosen: list[Chosen]


@dataclass(frozen=True)
class Taking:
    """What a plan takes at most."""

    runs: int
    calls: int
    tokens: int
    dollars: float | None
    """None where a price is unknown."""
    left_out: list[str]
    """Arms that have nothing to look at in some organism."""


def plan(options: Options) -> list[Planned]:
    """Which arms look at which organisms."""
    wanted = truth.chosen(truth.known(), options.organisms, options.tiers)
    if unmade := [each.name for each in wanted if each.organism.made.by not in pairs.MAKERS]:
        raise UserError(f"The organism '{unmade[0]}' cannot be made here yet; choose others with --organism.")
    found = [arms.named(name) for name in dict.fromkeys(options.arms)]
    planned = [Planned(arm, [each for each in wanted if arm.fits(each.organism)]) for arm in found]
    if not any(each.chosen for each in planned):
        raise UserError(
            "No arm has anything to look at here: what stands in weights needs an organism of weights."
        )
    return planned


def taking(
    options: Options, price: Price | None = None, judge: Price | None = None, pair: Price | None = None
) -> Taking:
    """Calls, tokens and dollars of a run, at most; of pairs that are to be collected about. Spends nothing."""
    planned = plan(options)
    asked_for = {each.name for arm in planned for each in arm.chosen if not each.organism.made.source}
    runs = 0
    # The side without an organism is asked once for all pairs.
    answers = options.prompts * (len(asked_for) + 1) if asked_for else 0
    calls, tokens = answers, answers * (planting.USUAL + planting.TOKENS)
    dollars = answers * pair.of(planting.USUAL, planting.TOKENS) if pair else 0.0
    for arm, chosen in planned:
        here = len(chosen) * options.epochs
        runs += here
        if arm.way == "person":
            continue
        calls += here * (1 if arm.way == "once" else options.messages // 2)
        each = min(ONCE, options.tokens) if arm.way == "once" else options.tokens
        tokens += here * each
        # As if all were written, since nobody knows the parts; the limit in dollars is kept besides.
        most = price.tokens_out * each if price else 0.0
        dollars += here * (most if options.dollars is None else min(most, options.dollars))
        if options.judge:
            asked_of = sum(not each.organism.null for each in chosen) * options.epochs
            questions = asked_of * (2 * claim.MOST + 1)
            calls += questions
            tokens += questions * sum(JUDGED)
            dollars += questions * judge.of(*JUDGED) if judge else 0.0
    unknown = price is None or bool(options.judge and judge is None) or bool(asked_for and pair is None)
    left_out = [each.arm.name for each in planned if len(each.chosen) < max(len(p.chosen) for p in planned)]
    return Taking(runs, calls, tokens, None if unknown else dollars, left_out)


def logs(name: str) -> Path:
    """The folder of a run's logs."""
    return pairs.folder() / LOGS / name


def names() -> list[str]:
    """All runs, the latest last."""
    there = (path for path in logs("").iterdir() if path.is_dir()) if logs("").is_dir() else ()
    return [path.name for path in sorted(there, key=lambda path: path.stat().st_mtime)]


def run(options: Options, model: "Model | None" = None, judge: "Model | None" = None) -> Path:
    """Run all that is planned and is not there yet; the folder of its logs."""
    from inspect_ai import eval_set

    from diffing.agents import server as serving
    from diffing.agents.terms import Terms

    who.needs_editor()
    planned = plan(options)
    asker = model or asked.model(options.model).model
    grader = judge or (asked.model(options.judge).model if options.judge else None)
    folder = logs(options.name or time.strftime("%Y-%m-%d-%H%M%S"))
    folder.mkdir(mode=files.PRIVATE_FOLDER, parents=True, exist_ok=True)
    with pairs.at_home():
        _make_ready(planned, options)
        server = serving.made(Terms(max_dollars=0.0))
        try:
            eval_set(
                [task(each, server, options, grader is not None) for each in planned if each.chosen],
                log_dir=str(folder),
                model=asker,
                model_roles={"grader": grader} if grader is not None else None,
                # What fails by itself, such as an endpoint that is away, is tried once more; the rest costs its
                # own run alone.
                retry_attempts=1,
                retry_on_error=1,
                fail_on_error=False,
                score_on_error=True,
                max_samples=options.at_once,
                max_tasks=1,
                display="none",
                # Doors to a run from outside, which nobody asked for.
                ctl_server=False,
                acp_server=False,
                log_level="warning",
            )
        finally:
            server.desk.close()
    return folder


def _make_ready(planned: Sequence[Planned], options: Options) -> None:
    """Every pair in every order that a run will ask for."""
    for arm, chosen in planned:
        for each in chosen:
            # Two orders, in turn.
            for epoch in range(1, min(options.epochs, 2) + 1):
                pairs.ready(pairs.order(each, epoch, options.seed, options.source), arm.compared, arm.methods)


def task(planned: Planned, server: "Server", options: Options, judged: bool) -> "Task":
    """One arm's task, a sample an organism."""
    from inspect_ai import Epochs, Task
    from inspect_ai.dataset import MemoryDataset, Sample

    arm = planned.arm
    samples = []
    for each in planned.chosen:
        told: dict[str, Any] = {
            "arm": arm.name,
            "framing": options.framing,
            "seed": options.seed,
            "strength": each.strength,
            # With the triggers of its strength.
            "organism": each.organism.model_copy(update={"items": each.items}).model_dump(mode="json"),
        }
        samples.append(Sample(id=each.name, input=READY, target=each.organism.sentence, metadata=told))
    return Task(
        name=f"bench-{arm.name.replace(':', '-')}-{options.framing}",
        dataset=MemoryDataset(samples, name="organisms"),
        setup=_ready(planned, server, options),
        solver=arms.solver(arm, server, options.framing),
        cleanup=_away,
        scorer=scoring.scorers(judged, options.verifier),
        epochs=Epochs(options.epochs, "mean"),
        message_limit=options.messages,
        token_limit=options.tokens,
        cost_limit=options.dollars,
        time_limit=round(options.minutes * 60),
        sandbox="docker" if arm.way == "person" else None,
        metadata={"arm": arm.name, "options": options.model_dump(mode="json")},
    )


def _ready(planned: Planned, server: "Server", options: Options) -> Any:
    """What gives a run its own copy of its pair."""
    from anyio import to_thread
    from inspect_ai.solver import solver
    from inspect_ai.util import sandbox, store

    known = {each.name: each for each in planned.chosen}

    def made() -> Any:
        async def solve(state: Any, _generate: Any) -> Any:
            order = pairs.order(known[str(state.sample_id)], state.epoch, options.seed, options.source)
            name = f"run-{files.content_hash([planned.arm.name, options.framing, *order.key, state.epoch], 10)}"
            study = await to_thread.run_sync(lambda: pairs.copied(pairs.ready(order, False), name))
            store().set(toolbox.STUDY, study.name)
            store().set(toolbox.SWAPPED, order.swapped)
            if planned.arm.way == "person":
                for path, text in arms.laid_out(server.desk, study).items():
                    await sandbox().write_file(path, text)
            return state

        return solve

    return solver(name="ready")(made)()


async def _away(state: Any) -> None:
    """The copy goes; what was done with it stands in the transcript."""
    name = state.store.get(toolbox.STUDY)
    if name:
        pairs.away(name)
