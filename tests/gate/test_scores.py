"""Scores of other tools at the gate: their figures by hand, and which side is better."""

import math
from collections.abc import Sequence

import pandas as pd
import pytest
from scipy.stats import binomtest

from diffing.gate import scores
from diffing.models.providers import Checkpoint
from diffing.study.study import Study
from tests.fakes import gated_study


def made(a: Sequence[float], b: Sequence[float], name: str = "correct", higher: bool | None = True) -> Study:
    """A score for each prompt and side; NaN where there is none."""
    table = pd.DataFrame({"text": [f"Question {number}" for number in range(len(a))]})
    study = Study.create("scored", [Checkpoint(key=key, name=key, source="import") for key in "ab"], table)
    ids = list(study.prompts()["id"])
    rows = [
        {"prompt_id": each, "checkpoint": key, "draw": 0, "name": name, "value": value, "higher_is_better": higher}
        for key, values in (("a", a), ("b", b))
        for each, value in zip(ids, values, strict=True)
    ]
    study.add_measures(pd.DataFrame(rows))
    return study


def test_a_yes_or_no_score_has_the_sign_tests_p() -> None:
    (row,) = scores.table(made([1] * 10 + [0] * 10, [0] * 9 + [1] + [1] + [0] * 9), "a", "b").to_dict("records")
    assert (row["kind"], row["n_prompts"], row["mean_a"], row["mean_b"], row["delta"]) == (
        "share",
        20,
        0.5,
        0.1,
        -0.4,
    )
    assert row["p"] == pytest.approx(binomtest(1, 10).pvalue)
    assert row["q"] == row["p"]
    assert row["ci_low"] < -0.4 < row["ci_high"]


def test_another_number_changes_by_a_share_of_its_mean_and_one_sided_scores_do_not_count() -> None:
    study = made([10.0] * 8 + [math.nan, 99.0], [30.0] * 8 + [99.0, math.nan], "tokens", None)
    (row,) = scores.table(study, "a", "b").to_dict("records")
    assert (row["kind"], row["n_prompts"], row["mean_a"], row["mean_b"], row["delta"]) == (
        "amount",
        8,
        10,
        30,
        1.0,
    )
    assert (row["p"], row["higher"]) == (pytest.approx(2 / 2**8), None)


def test_no_scores_are_no_rows() -> None:
    study = made([math.nan] * 3, [math.nan] * 3)
    assert len(scores.table(study, "a", "b")) == 0


def test_which_side_is_better_follows_from_what_the_tool_said() -> None:
    worse = gated_study.item(what="measure", delta=-0.1)
    assert [worse._replace(higher=higher).better for higher in (True, False, None)] == ["A", "B", ""]
    assert worse._replace(higher=True, delta=0.1).better == "B"
