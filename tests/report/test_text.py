"""The report's first sentences say what the figures say, and no more."""

import dataclasses
from typing import Any

from diffing.report import text
from diffing.report.facts import Facts


def with_summary(facts: Facts, **changed: Any) -> Facts:
    told = dataclasses.replace(facts.diff, summary={**facts.diff.summary, **changed})
    return dataclasses.replace(facts, diff=told)


def test_identical_answers_are_said_and_tell_nothing_apart(gathered: Facts) -> None:
    apart = {"auc": None, "reason": "all answers are identical on both sides"}
    same = with_summary(gathered, identical=39, prompts=39, separability=apart)
    assert text.compared(same).endswith(" in finding them. The answers are identical on 39 of 39 prompts.")
    assert (
        "One cannot tell the sides apart by all features together: all answers are identical on both sides."
        in text.amount(same)
    )


def test_where_no_answer_is_identical_none_is_said_to_be(gathered: Facts) -> None:
    assert gathered.diff.summary["identical"] == 0
    assert text.compared(gathered) == (
        "39 prompts with 39 pairs of answers (1 pair had to be left out). What to look for was found on 21 of the "
        "prompts; the figures of changes and findings are of the other 18, which played no part in finding them."
    )
    assert any(
        " on 39 prompts (0.5 is chance, shuffled sides stay below 0." in each for each in text.amount(gathered)
    )


def test_a_diff_that_counted_no_identical_answers_is_read_all_the_same(gathered: Facts) -> None:
    older = {name: value for name, value in gathered.diff.summary.items() if name != "identical"}
    facts = dataclasses.replace(gathered, diff=dataclasses.replace(gathered.diff, summary=older))
    assert text.compared(facts) == text.compared(gathered)
