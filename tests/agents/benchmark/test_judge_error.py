"""The judge's own error on labelled pairs, with judges that a script plays."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from inspect_ai.model import ModelOutput

from bench.judge_error import rows
from diffing.agents.benchmark import judge_error
from diffing.agents.benchmark.judge_error import Error, Pair, Share
from tests.fakes.bench_agents import played, says

PAIRS = judge_error.pairs()
GRADES = (0, 2, 3, 4, 5)


def judge(grade: Callable[[Pair, bool], int]) -> Any:
    """One that knows every pair by its claim, and is told whether the changes stand first."""
    known = {each.claim.said: each for each in PAIRS}

    def turn(messages: Sequence[Any]) -> ModelOutput:
        text = messages[-1].text
        said = re.search(r"\[claim \w+\]\n(.*)\n\[end of claim", text, re.DOTALL)
        assert said is not None
        pairs = [each for each in PAIRS if each.claim.said == said[1]]
        # Of two pairs with one claim the truth tells which is meant.
        pair = next((p for p in pairs if f"Where: {p.beside.trigger or 'Everywhere.'}" in text), known[said[1]])
        number = re.search(rf"^(\d+)\. Area: {re.escape(pair.beside.area)}", text, re.MULTILINE)
        assert number is not None
        given = grade(pair, text.startswith("[changes"))
        return says(f'{{"change": {number[1] if given else 0}, "grade": {given}}}')

    return played(turn)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One loop for all: Inspect's limits on calls at once belong to the first that it sees."""
    with asyncio.Runner() as running:
        yield running


Of = Callable[[Callable[[Pair, bool], int]], Error]


@pytest.fixture
def of(runner: asyncio.Runner) -> Of:
    """A judge's error, by how it grades."""
    return lambda grade: judge_error.error(runner.run(judge_error.ask(judge(grade), PAIRS)))


def test_sixty_pairs_are_labelled_each_beside_an_item_that_there_is() -> None:
    assert len(PAIRS) == 60
    assert set(Counter(each.grade for each in PAIRS)) == set(GRADES)
    assert all(each.beside.name == each.item and each.reason for each in PAIRS)
    assert len({(each.organism, each.item, each.claim.said) for each in PAIRS}) == 60
    # A judge that called every claim true, or none, would be wrong on half of them.
    assert sum(each.grade >= 3 for each in PAIRS) == 30
    hard = {"vague", "other behaviour", "direction", "no trigger", "other trigger", "near miss", "unrelated"}
    assert hard <= {each.kind for each in PAIRS}


def test_a_judge_that_says_what_the_labels_say_has_no_error(of: Of) -> None:
    found = of(lambda pair, _: pair.grade)
    assert found == Error(Share(60, 60), Share(60, 60), Share(60, 60), 0.0, Share(0, 60), 0)
    assert found.same.interval == pytest.approx((0.9398, 1.0), abs=1e-4)


def test_one_that_is_a_grade_too_kind_is_near_and_told_how_kind(of: Of) -> None:
    found = of(lambda pair, _: {0: 2, 2: 3, 3: 4, 4: 5, 5: 5}[pair.grade])
    fives = sum(each.grade == 5 for each in PAIRS)
    twos = sum(each.grade == 2 for each in PAIRS)
    assert (found.same.number, found.near.number, found.side.number) == (fives, 60, 60 - twos)
    assert found.over == pytest.approx((60 - fives) / 60)


def test_one_that_takes_no_claim_for_anything_is_right_on_those_that_mean_nothing(of: Of) -> None:
    found = of(lambda *_: 0)
    assert found.same.number == sum(each.grade == 0 for each in PAIRS)
    assert found.over < 0 and found.torn.number == 0


def test_one_that_the_order_moves_is_torn_and_the_lower_grade_counts(of: Of) -> None:
    found = of(lambda pair, changes_first: pair.grade if changes_first else max(0, pair.grade and 2))
    low = sum(each.grade in (0, 2) for each in PAIRS)
    assert (found.same.number, found.torn.number) == (low, 60 - low)


def test_what_cannot_be_read_is_in_no_share(runner: asyncio.Runner) -> None:
    said = runner.run(judge_error.ask(played(lambda _: says("I would rather not.")), PAIRS[:3]))
    found = judge_error.error(said)
    assert (found.unjudged, found.same, found.same.interval) == (3, Share(0, 0), (0.0, 1.0))
    parts = rows(said)
    assert parts[0][0] == "all" and sum(part.unjudged for _, part in parts[1:]) == 3
