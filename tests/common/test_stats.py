"""The exact tests and intervals against independent computations."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, multinomial
from statsmodels.stats import contingency_tables, multitest, proportion

from diffing.common import stats

RANDOM = np.random.default_rng(0)


def enumerated_power(prompts: int, discordance: float, delta: float, level: float) -> float:
    chances = [discordance / 2, discordance / 2 + delta, 1 - discordance - delta]
    powers = (
        multinomial.pmf([fewer, more, prompts - fewer - more], prompts, chances)
        for more in range(prompts + 1)
        for fewer in range(prompts + 1 - more)
        if more + fewer and binomtest(more, more + fewer).pvalue <= level
    )
    return float(sum(powers))


@pytest.mark.parametrize(("prompts", "tests"), [(20, 1), (30, 10), (40, 500)])
def test_smallest_detectable_is_where_the_enumerated_power_crosses(prompts: int, tests: int) -> None:
    delta = stats.smallest_detectable(prompts, tests, 0.1)
    assert enumerated_power(prompts, 0.1, delta, 0.05 / tests) >= 0.8
    assert enumerated_power(prompts, 0.1, delta - 0.002, 0.05 / tests) < 0.8


def test_smallest_detectable_is_infinite_where_nothing_could_be_found() -> None:
    assert [stats.smallest_detectable(n, m, 0.1) for n, m in ((0, 1), (6, 1), (10, 65536), (10, 0))] == [
        math.inf
    ] * 4


def test_mcnemar_is_that_of_statsmodels() -> None:
    for a, b in RANDOM.integers(0, 30, (50, 2)):
        reference = contingency_tables.mcnemar([[5, a], [b, 5]], exact=True).pvalue
        assert stats.mcnemar(a, b) == pytest.approx(reference if a + b else 1.0, rel=1e-9)


@given(st.lists(st.sampled_from([-3, -2, -1, 0, 1, 2, 3]), min_size=1, max_size=10))
def test_presence_is_the_sign_flip_test_of_all_patterns(differences: list[int]) -> None:
    sizes = np.array([1, 2, 3])
    more_a = np.array([[differences.count(-s) for s in sizes]])
    more_b = np.array([[differences.count(s) for s in sizes]])
    sums = [abs(np.dot(differences, signs)) for signs in product([-1, 1], repeat=len(differences))]
    reference = np.mean(np.array(sums) >= abs(sum(differences)))
    assert stats.presence(sizes, more_a, more_b)[0] == pytest.approx(reference, abs=1e-12)


def test_benjamini_hochberg_is_that_of_statsmodels_and_passes_over_blanks() -> None:
    p = RANDOM.random(40) ** 3
    p[[3, 17]] = np.nan
    made = ~np.isnan(p)
    q = stats.benjamini_hochberg(p)
    np.testing.assert_allclose(q[made], multitest.multipletests(p[made], method="fdr_bh")[1])
    assert np.isnan(q[~made]).all()


def test_bonett_price_is_the_wald_interval_with_a_discordant_prompt_more_each_way() -> None:
    more_a, more_b, prompts = 4, 15, 60
    differences = np.repeat([-1, 0, 1], [more_a + 1, prompts - more_a - more_b, more_b + 1])
    half = 1.959963984540054 * differences.std() / math.sqrt(prompts + 2)
    low, high = stats.bonett_price(np.array([more_a]), np.array([more_b]), prompts)
    assert [low[0], high[0]] == pytest.approx([differences.mean() - half, differences.mean() + half])


def test_bootstrap_is_the_limit_of_resampling() -> None:
    differences = np.repeat([-4, -2, -1, 0, 1, 2, 3, 4], [1, 2, 3, 40, 6, 5, 2, 1])
    sizes = np.arange(1, 5)
    more_a, more_b = ([[np.sum(differences == sign * s) for s in sizes]] for sign in (-1, 1))
    low, high = stats.bootstrap(sizes, np.array(more_a), np.array(more_b), len(differences), unit=4, draws=4)
    with_added = np.append(differences, [-2, 2]) / 4
    means = RANDOM.choice(with_added, (40_000, len(with_added))).mean(axis=1)
    assert [low[0], high[0]] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.006)


def test_bootstrap_of_an_exchanged_pair_is_the_mirror_image() -> None:
    sizes, a, b = np.array([1, 2]), RANDOM.integers(0, 20, (30, 2)), RANDOM.integers(0, 20, (30, 2))
    low, high = stats.bootstrap(sizes, a, b, 100, unit=2, draws=2)
    mirrored_low, mirrored_high = stats.bootstrap(sizes, b, a, 100, unit=2, draws=2)
    np.testing.assert_allclose(low, -mirrored_high)
    np.testing.assert_allclose(high, -mirrored_low)


def test_wilson_is_that_of_statsmodels() -> None:
    low, high = stats.wilson(np.array([0.0, 0.3, 1.0]), 20)
    reference = [proportion.proportion_confint(k, 20, method="wilson") for k in (0, 6, 20)]
    np.testing.assert_allclose(np.stack([low, high], axis=1), reference, atol=1e-12)


def test_log_odds_ratio_is_finite_at_none_and_all() -> None:
    found = stats.log_odds_ratio(np.array([0.0, 0.5, 1.0]), np.array([1.0, 0.5, 1.0]), 10)
    np.testing.assert_allclose(found, [2 * math.log(21), 0.0, 0.0])
