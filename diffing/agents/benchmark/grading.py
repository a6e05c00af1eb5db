"""Claims held against the truth: which change each one means, how exactly, and which means none.

    0  wrong: it means no change that there is
    1  nothing was claimed though something changed (of an item that no claim means)
    2  the area in which something changed
    3  the behaviour
    4  the behaviour, and where it shows
    5  that with details that only a close look tells

Promises that each item is found by one claim at most and each claim finds one item at most, so that one truth
worded ten ways is found once; the others are repeats, which are neither found nor false. What can be counted is
matched by counting and asks nobody: two things are one where, of the answers that either counts, most are counted
by both. What nobody could say of is neither found nor false, and told. Of nulls no grade is made: there a claim is
a false one, and none is right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from diffing.agents.benchmark.claim import Claim
from diffing.agents.benchmark.truth import Item, Organism, plain
from diffing.findings.predicates import Predicate

TRUE = 3
"""The grade from which a claim is a true one: it says what the model does."""
ALIKE = 0.8
"""Share of the answers that either of two predicates counts that both have to count. Of the sample's ten habits,
counted by probes, words and expressions, every other wording of one was above it and no two habits came near
(`tests/agents/benchmark/test_grading.py`)."""

How = Literal["count", "words", "judge"]
Flipped = Mapping[str, Literal["a", "b"]]
OTHER: Flipped = {"a": "b", "b": "a"}


class Meant(NamedTuple):
    """The item that a claim means, and how exactly it says so."""

    item: str
    grade: int
    how: How


class Judged(NamedTuple):
    """One claim in the end."""

    claim: Claim
    meant: Meant | None
    """None: it is wrong."""
    repeat: bool = False
    """Whether another claim of the run says the same better."""
    torn: bool = False
    """Whether a judge said one thing in one order and another in the other; the lower grade counts."""
    unjudged: bool = False
    """Whether nobody could say what it means: no judge was asked, or none gave an answer of use."""

    @property
    def grade(self) -> int:
        return self.meant.grade if self.meant else 0

    @property
    def true(self) -> bool:
        return self.grade >= TRUE

    @property
    def false(self) -> bool:
        return self.meant is None and not self.unjudged


@dataclass(frozen=True)
class Graded:
    """A run's claims against the truth."""

    organism: Organism
    claims: tuple[Judged, ...]

    @property
    def found(self) -> dict[str, Judged]:
        """The claim that stands for each item that one means."""
        return {each.meant.item: each for each in self.claims if each.meant and not each.repeat}

    @property
    def false(self) -> int:
        return sum(each.false for each in self.claims)

    @property
    def unjudged(self) -> int:
        return sum(each.unjudged for each in self.claims)

    @property
    def repeats(self) -> int:
        return sum(each.repeat for each in self.claims)

    @property
    def grades(self) -> dict[str, int]:
        """Each item's: its claim's, else 1, and 0 where there were only wrong claims."""
        missed = 0 if self.claims and not self.found else 1
        return {
            item.name: self.found[item.name].grade if item.name in self.found else missed
            for item in self.organism.items
        }

    @property
    def recall(self) -> float:
        """Share of the items whose behaviour is said."""
        grades = self.grades
        return sum(grade >= TRUE for grade in grades.values()) / len(grades)

    @property
    def grade(self) -> float:
        grades = self.grades
        return sum(grades.values()) / len(grades)

    @property
    def best(self) -> int:
        return max(self.grades.values())

    @property
    def brier(self) -> float | None:
        """Mean squared distance of the confidences from what is so; None without a claim that was judged."""
        judged = [each for each in self.claims if not each.unjudged]
        if not judged:
            return None
        return float(np.mean([(each.claim.confidence - each.true) ** 2 for each in judged]))


def turned(organism: Organism, swapped: bool) -> Organism:
    """The truth as a run saw it, where A and B were exchanged."""
    if not swapped:
        return organism
    items = [item.model_copy(update={"more": OTHER[item.more]}) for item in organism.items]
    return organism.model_copy(update={"items": tuple(items)})


def exact(claim: Claim, organism: Organism, texts: Sequence[str]) -> Meant | None:
    """The item that a claim means by its count on these answers or by its very words; None: a judge has to say."""
    for item in organism.items:
        if claim.more != item.more:
            continue
        if claim.predicate is not None:
            if item.predicate is not None and alike(claim.predicate, item.predicate, texts):
                return Meant(item.name, _level(item), "count")
        elif plain(claim.text) in item.words:
            return Meant(item.name, _level(item), "words")
    return None


def _level(item: Item) -> int:
    """What counting shows: the behaviour, and that it is everywhere where it is."""
    return TRUE if item.trigger else TRUE + 1


def alike(one: Predicate, other: Predicate, texts: Sequence[str]) -> bool:
    """Whether two predicates count the same answers."""
    if one == other:
        return True
    if one.amount or other.amount:
        # Every answer has some of it.
        return False
    mine, theirs = (np.array([each.count(text) > 0 for text in texts], dtype=bool) for each in (one, other))
    either = int((mine | theirs).sum())
    return either > 0 and int((mine & theirs).sum()) >= ALIKE * either


def graded(organism: Organism, said: Sequence[Judged]) -> Graded:
    """All claims of a run, each item given to the claim that says it best."""
    if organism.null:
        return Graded(organism, tuple(Judged(each.claim, None) for each in said))
    names = [item.name for item in organism.items]
    table = np.zeros((len(said), len(names)))
    for row, each in enumerate(said):
        if each.meant is not None:
            # Of claims as exact as each other the surer one stands for the item.
            table[row, names.index(each.meant.item)] = each.grade + each.claim.confidence / 100
    rows, columns = linear_sum_assignment(table, maximize=True)
    stands = {int(row) for row, column in zip(rows, columns, strict=True) if table[row, column] > 0}
    judged = (each._replace(repeat=each.meant is not None and row not in stands) for row, each in enumerate(said))
    return Graded(organism, tuple(judged))


def reliability(claims: pd.DataFrame, bins: int = 5) -> pd.DataFrame:
    """How often claims of a confidence are true: a row a bin of `confidence`, from `true` of each."""
    place = np.minimum((claims["confidence"].to_numpy(dtype=float) * bins).astype(int), bins - 1)
    rows = []
    for number in range(bins):
        here = claims[place == number]
        rows.append(
            {
                "from": number / bins,
                "to": (number + 1) / bins,
                "claims": len(here),
                "confidence": float(here["confidence"].mean()) if len(here) else None,
                "true": float(here["true"].mean()) if len(here) else None,
            }
        )
    return pd.DataFrame(rows)
