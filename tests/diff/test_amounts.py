"""Amounts by signed ranks: against full enumeration, scipy and simulation, and the coins of plain differences."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import rankdata, wilcoxon

from diffing.common import nulls
from diffing.common.arrays import Array, Floats
from diffing.diff.amounts import STEPS, Amounts, Chances, Coins


def coins(differences: Array) -> Coins:
    """Prompts x features."""
    differences = np.asarray(differences, np.float32)
    amount = Amounts.empty(*differences.shape)
    features = np.arange(differences.shape[1])
    for row in differences:
        amount.add(features, features.astype(np.uint16), row)
    return amount.coins()


def by_coins_of_size(differences: Array) -> Floats:
    """The sign-flip test of the differences themselves, rounded, as amounts were tested before."""
    scale = 64 / np.sqrt(np.sum(differences**2, axis=0))
    whole = np.rint(differences * scale).astype(np.int64)
    sizes = np.arange(1, 65)
    counts = np.stack([np.sum(np.abs(whole) == size, axis=0) for size in sizes], axis=1)
    return nulls.coin_tail(sizes, counts, whole.sum(axis=0))


@pytest.mark.parametrize("prompts", [6, 9, 12])
def test_few_prompts_have_the_p_of_all_sign_patterns_of_their_midranks(prompts: int) -> None:
    random = np.random.default_rng(prompts)
    # Powers of two are levels of their own, so that the ranks below are those that are tested.
    differences = random.choice([-8, -4, -2, -1, 0, 1, 2, 4, 8], (prompts, 40))
    found = coins(differences)
    for column, p, lean in zip(differences.T, found.p(1), found.lean, strict=True):
        moved = column[column != 0]
        signed = 2 * rankdata(np.abs(moved)) * np.sign(moved)
        patterns = np.array(list(product([-1, 1], repeat=len(moved)))) @ np.abs(signed)
        assert p == pytest.approx(np.mean(np.abs(patterns) >= abs(signed.sum())), abs=1e-12)
        assert lean == pytest.approx(signed.sum() / np.abs(signed).sum())


def test_without_ties_it_is_scipy_s_exact_test() -> None:
    random = np.random.default_rng(0)
    # Far enough apart that no two share a level.
    sizes = 1.5 ** np.arange(14)
    differences = np.stack(
        [random.permutation(sizes) * random.choice([-1, 1], 14, p=[0.3, 0.7]) for _ in range(30)]
    )
    reference = [wilcoxon(row, method="exact").pvalue for row in differences]
    np.testing.assert_allclose(coins(differences.T).p(6), reference, rtol=1e-9)


@pytest.mark.parametrize("ties", [False, True])
def test_many_prompts_are_close_to_scipy_s_normal_approximation(ties: bool) -> None:
    random = np.random.default_rng(1)
    differences = random.standard_t(2, (200, 100)) + 0.15
    differences = np.rint(2 * differences) if ties else differences
    reference = np.array([wilcoxon(c, method="asymptotic", correction=False).pvalue for c in differences.T])
    # Ranks are rounded to coins of about two, which moves a p a little either way.
    assert np.median(np.abs(np.log(coins(differences).p(6) / reference))) < 0.15


@pytest.mark.parametrize("shape", ["heavy tails", "few prompts", "ties"])
def test_small_p_are_no_commoner_under_the_null_than_they_should_be(shape: str) -> None:
    random = np.random.default_rng(2)
    differences = random.standard_t(1.5, (150, 4000))
    if shape == "few prompts":
        differences[random.random(differences.shape) < 0.9] = 0
    if shape == "ties":
        differences = np.rint(differences)
    p = coins(differences).p(6)
    p = p[~np.isnan(p)]
    for level in (0.001, 0.01, 0.05, 0.5):
        assert np.mean(p <= level) <= level + 3 * np.sqrt(level / len(p))


def test_differences_with_heavy_tails_are_found_far_more_often_than_by_their_size() -> None:
    random = np.random.default_rng(3)
    differences = random.standard_t(2, (200, 1000)) + 0.3
    power, before = (np.mean(p < 0.01) for p in (coins(differences).p(6), by_coins_of_size(differences)))
    assert power > 1.5 * before
    normal = random.normal(0.2, 1, (200, 1000))
    assert np.mean(coins(normal).p(6) < 0.01) > 0.9 * np.mean(by_coins_of_size(normal) < 0.01)


def test_a_stray_giant_does_not_hide_the_others() -> None:
    differences = np.full((40, 1), 1.0)
    differences[0] = -1e6
    assert coins(differences).p(6)[0] < 1e-5
    assert by_coins_of_size(differences)[0] > 0.5


def test_exchanging_sides_turns_the_lean_and_changes_no_coin() -> None:
    differences = np.random.default_rng(4).standard_t(2, (60, 20)) + 0.2
    one, other = coins(differences), coins(-differences)
    np.testing.assert_array_equal(one.counts, other.counts)
    np.testing.assert_array_equal(one.observed, -other.observed)
    np.testing.assert_allclose(one.lean, -other.lean)


def test_chances_are_tested_by_their_rounded_size() -> None:
    random = np.random.default_rng(5)
    differences = random.choice([-1, -0.5, 0, 0.01, 0.25, 1], (11, 30))
    chances = Chances.empty(11, 30)
    for row in differences:
        chances.add(np.arange(30), row.astype(np.float32))
    np.testing.assert_allclose(chances.sum, differences.sum(axis=0), rtol=1e-6)
    whole = np.rint(STEPS * differences)
    # A hundredth is under half a step, and so none.
    assert set(np.unique(np.abs(whole))) == {0, STEPS / 4, STEPS / 2, STEPS}
    scale = np.minimum(1, 64 / np.sqrt(np.sum(whole**2, axis=0)))
    sizes = np.rint(np.abs(whole) * scale) * np.sign(whole)
    for column, p in zip(sizes.T, chances.coins().p(1), strict=True):
        sums = np.array(list(product([-1, 1], repeat=11))) @ column
        assert p == pytest.approx(np.mean(np.abs(sums) >= abs(column.sum())), abs=1e-12)
