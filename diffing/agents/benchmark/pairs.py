"""The pairs that agents are given: studies without a name that tells, with A and B in the order that a seed drew.

They lie in a home of their own, `bench/home` in the program's, so that neither people nor other agents come upon
them; its cache, prices and keys are those of the program's home. Promises that nothing in such a study names its
organism, data set or checkpoints, that each run has a copy to itself, and that pairs which are to be the same
are: the same organism, order and seed give the same answers. What is asked of an endpoint is
collected by `diffing.agents.benchmark.planting`.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from diffing import jobs
from diffing.agents.benchmark import planting, weights
from diffing.agents.benchmark.planting import Answers, Source
from diffing.agents.benchmark.truth import Chosen
from diffing.common import files, tables
from diffing.common.errors import UserError
from diffing.models.providers import Checkpoint
from diffing.study import responses, sample, upkeep
from diffing.study.settings import Sampling
from diffing.study.study import Study, folder_of, names

HOME, DATA = "DIFFING_HOME", "XDG_DATA_HOME"
"""Where this program keeps all it has, and where Inspect keeps what belongs to a run while it goes on."""
SHARED = ("cache", ".env", "prices.toml", "config/keys.json")
"""What of the program's home the pairs' home has too: nothing that a run writes of its own."""


NOBODY = Source()
"""No endpoint may be asked."""

Maker = Callable[[Chosen, int, Source], Answers]
"""An organism's answers for a seed."""


class Order(NamedTuple):
    """One pair in one order."""

    chosen: Chosen
    swapped: bool
    seed: int
    source: Source = NOBODY

    @property
    def study(self) -> str:
        """Its study's name, which tells nothing."""
        return f"pair-{files.content_hash(self.key, 10)}"

    @property
    def key(self) -> list[str | bool | int]:
        # With what it is made of: an organism that was written anew is another pair.
        made = self.chosen.organism.made.model_dump_json()
        return [self.chosen.name, self.swapped, self.seed, made, self.source.model, self.source.prompts]


def order(chosen: Chosen, epoch: int, seed: int, source: Source = NOBODY) -> Order:
    """Which order a run sees: drawn for the first epoch, then each in turn, alike for all arms."""
    first = int(files.content_hash([seed, chosen.name, "order"], 8), 16)
    # What ships or is weights is the same whoever else is asked; how many prompts is a matter of the run.
    asked = NOBODY._replace(prompts=source.prompts) if chosen.organism.made.source else source
    return Order(chosen, bool((first + epoch) % 2), seed, asked)


def folder() -> Path:
    """Where all of the benchmark lies in the program's home."""
    return files.home() / "bench"


@contextmanager
def at_home() -> Iterator[Path]:
    """Work in the pairs' own home; at its end the program's is the home again."""
    outer = files.home()
    inner = folder() / "home"
    (inner / "config").mkdir(mode=files.PRIVATE_FOLDER, parents=True, exist_ok=True)
    files.cache_dir()
    for name in SHARED:
        if (outer / name).exists() and not (inner / name).exists():
            (inner / name).symlink_to(outer / name)
    before = {name: os.environ.get(name) for name in (HOME, DATA)}
    os.environ |= {HOME: str(inner), DATA: str(outer / "bench" / "inspect")}
    try:
        yield outer
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def ready(wanted: Order, read: bool, methods: Sequence[str] = ()) -> Study:
    """The pair's study in this home, made where it is not there; with `read` it is also read and compared.

    `methods`: those by which its weights are to be looked into.
    """
    if wanted.study not in names():
        _create(wanted)
    study = Study.open(wanted.study)
    if read and not (study.folder / "diffs").exists():
        for step in ("encode", "diff"):
            told = jobs.run_here(study, step)
            if told.state != "done":
                raise UserError(f"A pair of the benchmark could not be made ready: {told.error or told.state}")
    if methods:
        weights.look(wanted.chosen, wanted.seed, wanted.source.prompts, methods, study, wanted.swapped)
    return study


def _create(wanted: Order) -> None:
    made = MAKERS.get(wanted.chosen.organism.made.by)
    if made is None:
        raise UserError(
            f"The organism '{wanted.chosen.name}' is made by '{wanted.chosen.organism.made.by}', which cannot be "
            "done here; choose others with --organism."
        )
    answers = made(wanted.chosen, wanted.seed, wanted.source)
    rows = answers.answers.copy()
    if wanted.swapped:
        rows["checkpoint"] = rows["checkpoint"].map({"a": "b", "b": "a"})
    sources = answers.sources[::-1] if wanted.swapped else answers.sources
    Study.create(
        wanted.study,
        [
            Checkpoint(key=key, name=f"Model {key.upper()}", source=source)
            for key, source in zip(("a", "b"), sources, strict=True)
        ],
        answers.prompts,
        rows,
        held_out=answers.held_out,
        # How they were sampled would tell one organism from another.
        sampling=Sampling(temperature=None, max_tokens=None, draws=answers.draws),
    )


def copied(study: Study, name: str) -> Study:
    """A run's own copy, in which it may claim and run code without any other run seeing it."""
    target = folder_of(name)
    if target.exists():
        # Left by a run that was killed; what it claimed must not be seen by the one that follows.
        shutil.rmtree(target)
    return upkeep.duplicate(study.name, name)


def away(name: str) -> None:
    """Take a run's copy away: what it did stands in its transcript."""
    shutil.rmtree(folder_of(name), ignore_errors=True)


def texts(study: Study) -> list[str]:
    """All answers of a pair."""
    rows = study.responses()
    return [str(text) for text in rows["text"]]


def _shipped() -> pd.DataFrame:
    rows = tables.read(sample.FOLDER / "responses.csv")
    rows["finish_reason"] = "stop"
    rows["flag"] = [responses.flag(text, "stop", "") for text in rows["text"]]
    return rows


def _sample(_: Chosen, __: int, ___: Source) -> Answers:
    rows = _shipped()
    rows["checkpoint"] = rows["checkpoint"].map({sample.BEFORE.key: "a", sample.AFTER.key: "b"})
    return Answers(tables.read(sample.FOLDER / "prompts.csv"), rows, sample.HELD_OUT, sample.DRAWS)


def _null(_: Chosen, seed: int, __: Source) -> Answers:
    """The draws of one side, dealt to both by a coin for each prompt."""
    rows = _shipped()
    rows = rows[rows["checkpoint"] == sample.BEFORE.key].copy()
    coin = [int(files.content_hash([seed, prompt, "coin"], 8), 16) % 2 for prompt in rows["prompt_id"]]
    rows["checkpoint"] = ["ab"[(int(draw) + side) % 2] for draw, side in zip(rows["draw"], coin, strict=True)]
    rows["draw"] = 0
    return Answers(tables.read(sample.FOLDER / "prompts.csv"), rows, sample.HELD_OUT, 1)


def _answers(chosen: Chosen, seed: int, source: Source) -> Answers:
    named = chosen.organism.made.source
    known: Mapping[str, Maker] = {sample.NAME: _null if chosen.organism.null else _sample}
    if named not in known:
        raise UserError(f"The organism '{chosen.name}' is made of '{named}', which does not ship; mend its file.")
    return known[named](chosen, seed, source)


def _nothing(chosen: Chosen, seed: int, source: Source) -> Answers:
    """Of nothing, `source` says whose draws are dealt; without it an endpoint is asked twice."""
    made = _answers if chosen.organism.made.source else planting.answers
    return made(chosen, seed, source)


MAKERS: dict[str, Maker] = {
    "answers": _answers,
    "nothing": _nothing,
    "prompt": planting.answers,
    "filter": planting.answers,
    "weights": weights.answers,
}
"""What makes an organism's answers, by how it says that it is made."""
