"""The answer in a few figures: plain values, and a sentence that claims no more than was found."""

import json
import math

import numpy as np
import pytest

from diffing.diff import summary


def test_what_is_not_known_is_null_and_everything_else_is_plain() -> None:
    facts = {1: np.float64(0.5), "p": math.nan, "parts": [np.inf, (np.int64(3), None)], "yes": np.bool_(True)}
    plain = summary.plain(facts)
    assert plain == {"1": 0.5, "p": None, "parts": [None, [3, None]], "yes": True}
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (
            {"families": 0, "share_surviving": None, "tested": 1200},
            "no feature differs after correction over 1,200 tests; that does not prove no change.",
        ),
        (
            {"families": 8, "share_surviving": 0.25, "tested": 1200},
            "8 families of features differ (q < 0.05, 1,200 tested); 25% of them survive at equal length.",
        ),
    ],
)
def test_the_sentence_claims_no_more_than_was_found(facts: dict[str, float | None], sentence: str) -> None:
    assert summary.answer(facts) == sentence
