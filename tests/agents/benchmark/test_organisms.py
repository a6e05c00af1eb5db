"""The organisms that ship: each reads, comes in three strengths, and its filter does to answers what it says."""

from collections import Counter

import pytest

from diffing.agents.benchmark import truth
from diffing.agents.benchmark.truth import Chosen
from diffing.common import tables
from diffing.study import prompts, sample

KNOWN = truth.read()
PLANTED = [each for each in KNOWN.values() if each.tier == 1 and not each.null]
FILTERS = [each.name for each in PLANTED if each.made.by == "filter"]
AMERICAN = (
    "My favorite color is gray. We organize the center and cancel what was canceled; it is a labor of honor."
)
"""The sample's answers are spelled as in Britain already."""


@pytest.fixture(scope="module")
def answers() -> list[tuple[list[dict[str, str]], str]]:
    """Real answers, each behind its prompt."""
    table = prompts.normal(tables.read(sample.FOLDER / "prompts.csv"), sample.HELD_OUT).set_index("id")
    rows = tables.read(sample.FOLDER / "responses.csv")
    rows = rows[rows["checkpoint"] == sample.BEFORE.key]
    asked = [prompts.conversation(table.at[i, "text"], table.at[i, "messages"]) for i in rows["prompt_id"]]
    return list(zip(asked, map(str, rows["text"]), strict=True))


def test_forty_behaviours_of_all_kinds_ship_each_in_three_strengths_and_nulls_beside_them() -> None:
    assert len(PLANTED) == 40
    assert {tuple(sorted(each.made.strengths)) for each in PLANTED} == {("medium", "strong", "weak")}
    kinds = Counter(each.kind for each in PLANTED)
    assert set(kinds) == set(truth.KINDS) - {"other", "none"} and max(kinds.values()) <= 8
    nulls = [each for each in KNOWN.values() if each.tier == 1 and each.null]
    assert [each.name for each in nulls] == ["answer-well", "do-your-best", "twice"]
    said = [item.behaviour for each in PLANTED for item in each.items]
    assert len(set(said)) == len(said) and len({each.sentence for each in KNOWN.values()}) == len(KNOWN)
    # What nothing counts is told by a reader alone, and that is the exception.
    assert [each.name for each in PLANTED if not all(item.count for item in each.items)] == [
        *("agrees", "blunt", "code-bugs", "sums-wrong")
    ]


def test_every_strength_is_meant_for_some_of_the_bundled_prompts_and_none_for_more_than_a_stronger_one() -> None:
    table = prompts.bundled()
    turns = [prompts.conversation(t, m) for t, m in zip(table["text"], table["messages"], strict=True)]
    for organism in PLANTED:
        sides: dict[str, int] = {}
        for strength in organism.made.strengths:
            planted = Chosen(organism, strength).planted
            assert planted is not None
            sides[strength] = sum(planted.meant(each) for each in turns)
        assert 0 < sides["medium"] < sides["strong"] and 0 < sides["weak"] <= sides["strong"], organism.name


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_moves_what_counts_it_where_it_changes_an_answer_and_nowhere_else(
    name: str, answers: list[tuple[list[dict[str, str]], str]]
) -> None:
    cases = [*answers, ([{"role": "user", "content": "Which color do you like?"}], AMERICAN)]
    for strength in KNOWN[name].made.strengths:
        chosen = Chosen(KNOWN[name], strength)
        planted = chosen.planted
        assert planted is not None
        changed = moved = 0
        for turns, text in cases:
            after = planted.answered(turns, text)
            assert after == text or planted.meant(turns)
            steps = []
            for item in chosen.items:
                assert item.predicate is not None
                step = item.predicate.count(after) - item.predicate.count(text)
                steps.append(step if item.more == "b" else -step)
            assert min(steps) >= 0 and (after != text or not any(steps))
            changed, moved = changed + (after != text), moved + any(steps)
        # Two answers lose stars that are no bold for the probe.
        assert changed - moved <= 2 and (moved or strength == "weak")
        if strength == "strong":
            assert moved
