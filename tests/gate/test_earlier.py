"""The difference of two differences: its figures by hand, and how often nothing is called something."""

import math

import numpy as np
import pytest

from diffing.common.errors import UserError
from diffing.gate import earlier, paired
from tests.fakes import diff_study, gated_study


def test_the_mean_its_interval_and_p_are_those_of_the_prompts() -> None:
    difference = np.array([1.0] * 12 + [0.0] * 12)
    mean, half, p, _ = paired.of(difference)
    # Signed ranks of twelve alike, all one way; Student's t with two prompts added that differ by 1.
    spread = math.sqrt((24 * 0.25 + 2) / 23 / 24)
    assert (mean, round(half, 9)) == (0.5, round(2.0686576104190406 * spread, 9))
    assert p == pytest.approx(2 * 0.5**12, rel=1e-9)
    assert math.isnan(paired.of(np.array([1.0] * 5 + [0.0] * 20)).p)
    assert math.isnan(paired.of(np.array([1.0])).mean)


@pytest.mark.parametrize("middle", [True, False])
def test_nothing_beyond_is_called_something_in_no_more_than_one_of_twenty(middle: bool) -> None:
    # With and without a checkpoint that both comparisons share, where differences lean to one side.
    random, called = np.random.default_rng(0), []
    for _ in range(400):
        share = random.beta(0.2, 1.8, 120)
        first, second, third, other = ((random.random(120) < share).astype(float) for _ in range(4))
        before = (second if middle else other) - first
        told = paired.of((third - second) - before)
        called.append(max(told.p, told.student) <= 0.05)
    # 5 % and two standard errors.
    assert np.mean(called) <= 0.072


def test_prompts_that_no_other_study_has_are_no_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    study = gated_study.study(monkeypatch, "now")
    other = diff_study.made(prompts=4, encoded=False)
    with pytest.raises(UserError, match="has 4 of the prompts of 'now', and at least 6 are needed"):
        earlier.excess(study, ("a", "b"), other, ("a", "b"), [gated_study.item()])
