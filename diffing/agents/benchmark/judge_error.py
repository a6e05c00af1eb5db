"""The judge's own error: its grades beside those of sixty claims that were labelled by hand.

Claims and labels were written by one AI engineer of this project and by no people, so that agreement with them is
agreement with that engineer: `LABELLED` says so wherever a figure stands. Promises that the judge is asked just as
the benchmark asks it, in both orders and blind, and that what it gave no usable answer to is counted apart.
"""

import asyncio
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from pydantic import TypeAdapter

from diffing.agents.benchmark import grader, truth
from diffing.agents.benchmark.claim import Claim
from diffing.agents.benchmark.grading import TRUE, Judged
from diffing.agents.benchmark.truth import Item, Organism
from diffing.common import stats
from diffing.common.step import Settings

if TYPE_CHECKING:
    from inspect_ai.model import Model

FILE = Path(__file__).with_name("judge_pairs.toml")
LABELLED = "Labels: one AI engineer's, no person's."


@cache
def _known() -> dict[str, Organism]:
    """Those that ship: what the labels are about."""
    return truth.read()


class Pair(Settings):
    """A claim, and the grade that is right beside one item."""

    organism: str
    item: str
    text: str
    when: str = ""
    more: Literal["a", "b"]
    grade: Literal[0, 2, 3, 4, 5]
    kind: str
    """What is hard about it."""
    reason: str

    @property
    def claim(self) -> Claim:
        return Claim(text=self.text, when=self.when, more=self.more, confidence=0.5)

    @property
    def truth(self) -> Organism:
        """The organism with the triggers of its strength."""
        (chosen,) = truth.chosen(_known(), [self.organism])
        return chosen.organism.model_copy(update={"items": chosen.items})

    @property
    def beside(self) -> Item:
        return self.truth.item(self.item)


def pairs() -> list[Pair]:
    """All that ship."""
    told = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return TypeAdapter(list[Pair]).validate_python(told["pairs"])


class Said(NamedTuple):
    """What a judge made of one."""

    pair: Pair
    judged: Judged

    @property
    def grade(self) -> int:
        """Of the very item: a claim that was taken for another one means this one not."""
        meant = self.judged.meant
        return meant.grade if meant is not None and meant.item == self.pair.item else 0


async def ask(model: "Model", asked: Sequence[Pair]) -> list[Said]:
    """Every pair put to the judge in both orders."""
    judged = await asyncio.gather(*(grader.judged(model, each.truth, each.claim) for each in asked))
    return [Said(*each) for each in zip(asked, judged, strict=True)]


class Share(NamedTuple):
    """How many of how many, with Wilson's 95 % interval."""

    number: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        if not self.of:
            return 0.0, 1.0
        low, high = stats.wilson(np.array([self.number / self.of]), self.of)
        return float(low[0]), float(high[0])

    @property
    def words(self) -> str:
        low, high = self.interval
        return f"{self.number} of {self.of} ({low:.0%} to {high:.0%})"


class Error(NamedTuple):
    """A judge beside the labels."""

    same: Share
    """The very grade."""
    side: Share
    """Both call the claim true, from grade 3 on, or both do not."""
    near: Share
    """One grade apart at most; 0 and 2 are neighbours, as no claim has grade 1."""
    over: float
    """By how much it grades higher, in the mean."""
    torn: Share
    """The order changed what it said."""
    unjudged: int
    """Without a usable answer: in none of these."""


PLACES = {grade: place for place, grade in enumerate((0, 2, 3, 4, 5))}


def error(said: Sequence[Said]) -> Error:
    given = [each for each in said if not each.judged.unjudged]
    steps = [PLACES[each.grade] - PLACES[each.pair.grade] for each in given]
    sides = [(each.grade >= TRUE) == (each.pair.grade >= TRUE) for each in given]
    return Error(
        same=Share(sum(step == 0 for step in steps), len(given)),
        side=Share(sum(sides), len(given)),
        near=Share(sum(abs(step) <= 1 for step in steps), len(given)),
        over=float(np.mean(steps)) if steps else 0.0,
        torn=Share(sum(each.judged.torn for each in given), len(given)),
        unjudged=len(said) - len(given),
    )
