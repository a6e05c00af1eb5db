"""A diff on one line: values that JSON can hold, and no sentence that claims more than was found."""

import json
import math

import numpy as np
import pytest

from diffing.diff import summary


def test_what_is_not_known_is_null_and_the_rest_is_plain() -> None:
    told = summary.plain(
        {1: np.float64("nan"), "x": (np.int64(3), -math.inf, [np.bool_(True)]), "s": "nan", "n": 0.5}
    )
    assert told == {"1": None, "x": [3, None, [True]], "s": "nan", "n": 0.5}
    assert [type(value) for value in (told["x"][0], told["x"][2][0])] == [int, bool]
    assert json.loads(json.dumps(told, allow_nan=False)) == told


@pytest.mark.parametrize(
    ("families", "survive", "said"),
    [
        (0, 0, "no feature differs after correction over 1,000 tests; that does not prove no change."),
        (
            9,
            4,
            "4 of 9 families of features that differ do so at equal length too (q < 0.05, 1,000 features tested).",
        ),
        (
            1,
            1,
            "1 of 1 family of features that differs does so at equal length too (q < 0.05, 1,000 features "
            "tested).",
        ),
    ],
)
def test_the_answer_is_hedged_and_begins_with_what_is_not_length(families: int, survive: int, said: str) -> None:
    assert summary.answer({"families": families, "families_surviving": survive, "tested": 1000}) == said


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"identical": 3, "draws": 1, "prompts": 1200, "pairs": 1200}, "on 3 of 1,200 prompts"),
        ({"identical": 1, "draws": 1, "prompts": 1, "pairs": 1}, "on 1 of 1 prompt"),
        ({"identical": 3, "draws": 2, "prompts": 40, "pairs": 80}, "in 3 of 80 pairs"),
    ],
)
def test_identical_answers_are_said(facts: dict[str, int], said: str) -> None:
    assert summary.identical(facts) == f"The answers are identical {said}."


def test_where_none_is_identical_or_nobody_counted_nothing_is_said() -> None:
    assert summary.identical({"identical": 0, "draws": 1}) == summary.identical({"draws": 1}) == ""


@pytest.mark.parametrize(
    ("apart", "why"),
    [
        ({"auc": 0.5, "reason": ""}, ""),
        (
            {"auc": None, "reason": "all answers are identical on both sides"},
            "all answers are identical on both sides",
        ),
        ({"auc": None}, "there are too few prompts"),
    ],
    ids=["told", "with a reason", "an older diff"],
)
def test_why_the_sides_cannot_be_told_apart(apart: dict[str, float | str | None], why: str) -> None:
    assert summary.cannot_tell({"separability": apart}) == why


def test_the_first_words_are_those_of_all_views_and_presence_is_said_to_be_one() -> None:
    facts = {"families": 2, "families_surviving": 1, "tested": 1000}
    views = [{"view": "presence", "tests": 1000, "p": 0.04}, {"view": "rate", "tests": 900, "p": 0.5}]
    alone = (
        "By presence alone, a single view, 1 of 2 families of features that differ do so at equal length too "
        "(q < 0.05, 1,000 features tested)."
    )
    assert summary.answer(facts | {"anything": {"p": 0.08, "says": "cannot tell", "views": views}}) == (
        f"No difference can be told (p = 0.08 over 2 views together); that does not prove no change. {alone}"
    )
    assert summary.answer(facts | {"anything": {"p": 1e-9, "says": "differs", "views": views}}) == (
        f"Something differs (p = 1e-9 over 2 views together). {alone}"
    )
