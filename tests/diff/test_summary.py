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
    ("families", "share", "said"),
    [
        (0, None, "no feature differs after correction over 1,000 tests; that does not prove no change."),
        (12, 0.5, "12 families of features differ (q < 0.05, 1,000 tested); 50% of them survive at equal length."),
        (12, None, "12 families of features differ (q < 0.05, 1,000 tested)."),
    ],
)
def test_the_answer_is_hedged(families: int, share: float | None, said: str) -> None:
    assert summary.answer({"families": families, "share_surviving": share, "tested": 1000}) == said
