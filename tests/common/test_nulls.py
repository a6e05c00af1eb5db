"""Null distributions against full enumeration and exact fractions."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffing.common import nulls


def exact_tail(coins: list[int], observed: int) -> Fraction:
    """P(|T| >= observed), by adding coin after coin in whole numbers."""
    ways = {0: 1}
    for coin in coins:
        fresh: dict[int, int] = {}
        for total, number in ways.items():
            for step in (coin, -coin):
                fresh[total + step] = fresh.get(total + step, 0) + number
        ways = fresh
    return Fraction(sum(n for total, n in ways.items() if abs(total) >= abs(observed)), 2 ** len(coins))


def coin_tail(coins: list[int], observed: int) -> float:
    sizes, counts = np.unique(coins, return_counts=True)
    return float(nulls.coin_tail(sizes, counts[None, :], np.array([observed]))[0])


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.data())
def test_coin_tail_is_that_of_all_sign_patterns(coins: list[int], data: st.DataObject) -> None:
    signs = data.draw(st.lists(st.sampled_from([-1, 1]), min_size=len(coins), max_size=len(coins)))
    observed = int(np.dot(coins, signs))
    sums = [abs(int(np.dot(coins, pattern))) for pattern in product([-1, 1], repeat=len(coins))]
    assert coin_tail(coins, observed) == pytest.approx(np.mean(np.array(sums) >= abs(observed)), abs=1e-12)


@pytest.mark.parametrize("largest", [1, 3, 12])
def test_far_tails_are_within_a_tenth_of_exact_fractions(largest: int) -> None:
    random = np.random.default_rng(largest)
    errors = []
    for _ in range(10):
        coins = random.integers(1, largest + 1, int(random.integers(40, 120))).tolist()
        for share in (0.6, 0.8, 0.95, 1.0):
            observed = sum(coins) - 2 * round(sum(coins) * (1 - share) / 2)
            errors.append(coin_tail(coins, observed) / float(exact_tail(coins, observed)) - 1)
    assert np.max(np.abs(errors)) < 0.1
    assert np.median(np.abs(errors)) < 0.01


def test_many_features_of_every_scale_at_once_agree_with_one_at_a_time() -> None:
    random = np.random.default_rng(0)
    sizes = np.array([1, 2, 5])
    counts = random.integers(0, 400, (30, 3)) // random.integers(1, 100, (30, 1))
    observed = (counts @ sizes) - 2 * random.integers(0, 1 + (counts @ sizes) // 2)
    one_by_one = [nulls.coin_tail(sizes, c[None], o[None])[0] for c, o in zip(counts, observed, strict=True)]
    np.testing.assert_allclose(nulls.coin_tail(sizes, counts, observed), one_by_one, rtol=1e-9)


def test_step_tails_are_those_of_all_outcomes() -> None:
    outcomes = [np.array([0, 0, 1]), np.array([-2, 1, 4])]
    counts = np.array([[3, 2], [0, 4], [5, 0]])
    for row, steps in zip(counts, [[0, 0, 0, 1, 1], [1] * 4, [0] * 5], strict=True):
        sums = np.array([sum(values) for values in product(*(outcomes[kind] for kind in steps))])
        for observed in np.unique(sums):
            lower, upper = nulls.step_tails(outcomes, row[None, :], np.array([observed]))
            assert lower[0] == pytest.approx(np.mean(sums <= observed), abs=1e-11)
            assert upper[0] == pytest.approx(np.mean(sums >= observed), abs=1e-11)
