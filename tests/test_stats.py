"""The exact tests and intervals against independent computations."""

import math

import pytest
from scipy.stats import binomtest, multinomial

from diffing import stats


def enumerated_power(prompts: int, discordance: float, delta: float, level: float) -> float:
    chances = [discordance / 2, discordance / 2 + delta, 1 - discordance - delta]
    return sum(
        multinomial.pmf([fewer, more, prompts - fewer - more], prompts, chances)
        for more in range(prompts + 1)
        for fewer in range(prompts + 1 - more)
        if more + fewer and binomtest(more, more + fewer).pvalue <= level
    )


@pytest.mark.parametrize(("prompts", "tests"), [(20, 1), (30, 10), (40, 500)])
def test_smallest_detectable_is_where_the_enumerated_power_crosses(prompts: int, tests: int) -> None:
    delta = stats.smallest_detectable(prompts, tests, 0.1)
    assert enumerated_power(prompts, 0.1, delta, 0.05 / tests) >= 0.8
    assert enumerated_power(prompts, 0.1, delta - 0.002, 0.05 / tests) < 0.8


def test_smallest_detectable_is_infinite_where_nothing_could_be_found() -> None:
    assert [stats.smallest_detectable(n, m, 0.1) for n, m in ((0, 1), (6, 1), (10, 65536), (10, 0))] == [
        math.inf
    ] * 4
