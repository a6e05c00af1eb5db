"""Differences by category and tag, and the test that they are the same everywhere."""

from collections.abc import Iterable
from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from diffing.common import stats
from diffing.common.arrays import Array
from diffing.diff import groups, measure, presence, tally
from diffing.diff.pairing import Pairing
from diffing.diff.presence import Shown
from tests.fakes.documents import Documents, paired


def study(differences: Array, categories: Iterable[str], tags: Iterable[str] = ()) -> tuple[Shown, Pairing]:
    """Prompts × features of -1, 0 or 1: which side alone shows each feature on each prompt."""
    sides = [np.stack([d == sign for sign in (-1, 1)]) for d in differences]
    documents = Documents([row[None, :] * 1.0 for pair in sides for row in pair])
    shown = presence.shown(documents, np.arange(len(documents.dense)))
    pairing = paired(np.ones(len(documents.dense), int), len(differences), 1, list(categories), list(tags))
    return shown, pairing


def heterogeneity(shown: Shown, pairing: Pairing, seed: int = 0) -> dict[str, Array]:
    found, tallied = measure.table(shown, pairing)
    return groups.heterogeneity(tallied.views["whole"], pairing, found["testable"].to_numpy(), seed)


def q_of(differences: Array, categories: Array) -> float:
    """Q in plain steps, from the differences themselves."""
    within = [differences[categories == name] for name in np.unique(categories)]
    whole = differences.var(ddof=1)
    weights = [len(d) / ((d.var(ddof=1) + whole) / 2) for d in within]
    middle = sum(w * d.mean() for w, d in zip(weights, within, strict=True)) / sum(weights)
    return float(sum(w * (d.mean() - middle) ** 2 for w, d in zip(weights, within, strict=True)))


def slow_p(differences: Array, categories: Array, samples: int, seed: int) -> float:
    """The larger p of both nulls, sample by sample."""
    random, observed = np.random.default_rng(seed), q_of(differences, categories) - 1e-9
    permuted = [q_of(differences, random.permutation(categories)) for _ in range(samples)]
    exchanged = [q_of(differences * random.choice([-1, 1], len(differences)), categories) for _ in range(samples)]
    return float(max(np.mean(np.array(null) >= observed) for null in (permuted, exchanged)))


def test_q_is_the_scatter_of_category_means_by_their_own_variances() -> None:
    random = np.random.default_rng(0)
    differences = random.choice([-1, 0, 1], (45, 6), p=[0.2, 0.5, 0.3])
    categories = np.array(["x", "y", "z"])[np.arange(45) % 3]
    differences[categories == "x", 0] = 0
    found = heterogeneity(*study(differences, categories))
    np.testing.assert_allclose(found["heterogeneity"], [q_of(d, categories) for d in differences.T])


def test_small_categories_are_left_out_of_q() -> None:
    random = np.random.default_rng(1)
    differences = random.choice([-1, 0, 1], (29, 4))
    categories = np.repeat(["x", "y", "rare"], [10, 10, 9])
    found = heterogeneity(*study(differences, categories))
    np.testing.assert_allclose(
        found["heterogeneity"], [q_of(d, categories[:20]) for d in differences[:20].T], rtol=1e-12
    )


def unlike() -> tuple[Array, Array]:
    """Categories of 12 to 30 prompts; differences everywhere, in one category only, and against each other."""
    random = np.random.default_rng(3)
    categories = np.repeat(["x", "y", "z"], [12, 18, 30])
    spread = random.choice([-1, 0, 1], 60, p=[0.2, 0.5, 0.3])
    alone = np.where(categories == "x", random.choice([-1, 1], 60), 0)
    leaning = np.where(categories == "z", random.choice([0, 1], 60), random.choice([-1, 0], 60, p=[0.3, 0.7]))
    return np.stack([spread, alone, leaning, leaning * (categories != "y")], axis=1), categories


def test_p_is_that_of_a_slow_computation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "STAGES", (4_000,))
    monkeypatch.setattr(groups, "NEAR", 1.0)
    differences, categories = unlike()
    found = heterogeneity(*study(differences, categories))["p_heterogeneity"]
    slow = [slow_p(d, categories, 2_000, seed) for seed, d in enumerate(differences.T)]
    # Three standard errors of the difference of two sampled shares, and one sample.
    allowed = [3 * (max(p, 0.002) * (1 - p) * (1 / 2_000 + 1 / 4_000)) ** 0.5 + 0.001 for p in slow]
    assert [abs(p - s) <= most for p, s, most in zip(found, slow, allowed, strict=True)] == [True] * 4
    assert max(slow[:2]) > 0.1 and slow[2] < 0.01


def test_several_draws_have_the_slow_computation_s_p_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "STAGES", (4_000,))
    categories = np.repeat(["x", "y"], [10, 20])
    # By how many thirds B leads: up to three in x, one in y.
    thirds = np.array([3, -2, 1, 3, 2, 0, 3, -1, 2, 3, *[0, 1, -1, 0] * 5])
    size = np.array([10, 20])
    counts = np.array([[[(d == v).sum() for v in (-1, -2, -3, 1, 2, 3)]] for d in (thirds[:10], thirds[10:])])
    values = np.array([-1, -2, -3, 1, 2, 3])
    q_sum, p = groups.scattered(counts, values, size, np.random.default_rng(0), 1)
    assert q_sum[0] == pytest.approx(q_of(thirds / 3, categories))
    assert p[0] == pytest.approx(slow_p(thirds, categories, 2_000, 0), abs=0.015)


def test_both_nulls_are_those_of_all_permutations_and_all_exchanges() -> None:
    size, values, random = np.array([3, 3]), np.array([-1, 1]), np.random.default_rng(0)
    differences, categories = np.array([1, 1, -1, -1, 0, 0]), np.repeat([0, 1], 3)
    (permuted,) = groups._labels_permuted(np.array([[2, 2]]), 20_000, values=values, size=size, random=random)
    (exchanged,) = groups._sides_exchanged(
        np.array([[[3], [1]]]), 20_000, sizes=values[1:], size=size, random=random
    )
    every = {
        "permuted": [q_of(differences[list(order)], categories) for order in permutations(range(6))],
        "exchanged": [q_of(differences * signs, categories) for signs in product([-1, 1], repeat=6)],
    }
    for sampled, whole in zip((permuted, exchanged), every.values(), strict=True):
        for bar in np.unique(np.round(whole, 9)):
            assert np.mean(sampled >= bar - 1e-9) == pytest.approx(
                np.mean(np.array(whole) >= bar - 1e-9), abs=0.015
            )


def test_a_pattern_and_its_mirror_image_share_a_null() -> None:
    counts = np.array([[3, 5, 2, 1], [2, 1, 3, 5]])
    assert len(np.unique(groups._mirrored(counts), axis=0)) == 1


def test_no_p_is_below_one_in_all_samples_and_itself() -> None:
    # Sixty prompts by which A leads in one category, sixty by which B leads in the other, one test of 5,000.
    counts, values, size = np.array([[[60, 0]], [[0, 60]]]), np.array([-1, 1]), np.array([70, 70])
    sums, squares = (np.asarray(counts @ v, float) for v in (values, values**2))
    q_sum = groups.studentised(sums, squares, size)
    p = groups._larger_p(counts, values, size, q_sum, 5000, np.random.default_rng(0))
    assert p.tolist() == [1 / (1 + groups.LAST)]


def test_where_all_prompts_differ_alike_there_is_nothing_to_tell_categories_by() -> None:
    found = heterogeneity(*study(np.ones((24, 1), int), np.repeat(["x", "y"], 12)))
    assert [found[name].tolist() for name in ("heterogeneity", "p_heterogeneity")] == [[0.0], [1.0]]


def test_what_lives_in_one_category_is_as_sure_as_its_own_coins_and_no_surer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(groups, "STAGES", (4_000,))
    monkeypatch.setattr(groups, "NEAR", 1.0)
    # Sixteen prompts of one category differ, by 16:0, 15:1, … 8:8. Labels alone would call 14:2 one in a million.
    differences = np.zeros((400, 9), int)
    for column in range(9):
        differences[:16, column] = [-1] * column + [1] * (16 - column)
    found = heterogeneity(*study(differences, np.repeat(["x", "y", "z"], [30, 150, 220])))["p_heterogeneity"]
    own = np.array([binomtest(column, 16).pvalue for column in range(9)])
    assert (found >= own - 3 * np.sqrt(own / 4_000)).all()
    assert found[:5] == pytest.approx(own[:5], abs=0.02)


def test_an_effect_in_one_category_with_no_total_is_found() -> None:
    random = np.random.default_rng(2)
    categories = np.repeat(["x", "y", "z", "w"], 40)
    differences = random.choice([-1, 0, 1], (160, 30), p=[0.05, 0.9, 0.05])
    differences[:40, 0], differences[40:, 0] = np.repeat([1, 0], [24, 16]), np.repeat([-1, 0], [24, 96])
    shown, pairing = study(differences, categories)
    found = heterogeneity(shown, pairing)
    table, _ = measure.table(shown, pairing)
    assert table.loc[0, "delta"] == 0
    assert np.flatnonzero(found["q_heterogeneity"] < 0.05).tolist() == [0]


def test_nothing_is_tested_with_one_category_or_no_prompts() -> None:
    shown, pairing = study(np.ones((20, 2)), ["x"] * 20)
    for some in (pairing, pairing.only(np.zeros(20, dtype=bool))):
        assert np.isnan(heterogeneity(shown, some)["p_heterogeneity"]).all()


def test_the_table_gives_each_group_its_own_difference_and_interval() -> None:
    differences = np.array([[1], [1], [0], [-1], [0], [0]])
    shown, pairing = study(differences, ["x", "x", "x", "y", "y", ""], ["t;u", "", " t ", "u", "", ""])
    found = groups.table(shown, pairing, np.array([0])).set_index(["kind", "group"])
    assert found["n"].to_dict() == {
        ("category", "x"): 3,
        ("category", "y"): 2,
        ("category", ""): 1,
        ("tag", "t"): 2,
        ("tag", "u"): 2,
    }
    assert found["delta"].to_dict() == pytest.approx(
        {
            ("category", "x"): 2 / 3,
            ("category", "y"): -1 / 2,
            ("category", ""): 0,
            ("tag", "t"): 1 / 2,
            ("tag", "u"): 0,
        }
    )
    low, high = stats.bonett_price(np.array([0]), np.array([2]), 3)
    assert found.loc[("category", "x"), ["ci_low", "ci_high"]].tolist() == [low[0], high[0]]


def test_the_table_of_no_feature_has_its_columns() -> None:
    shown, pairing = study(np.ones((4, 2)), ["x"] * 4)
    empty = groups.table(shown, pairing, np.empty(0, np.int64))
    assert empty.columns.tolist() == groups.COLUMNS
    assert empty.empty


def test_differences_agree_with_the_tally() -> None:
    random = np.random.default_rng(3)
    shown, pairing = study(random.choice([-1, 0, 1], (30, 5)), ["x"] * 30)
    ahead = groups.differences(shown, pairing, np.array([1, 4]))
    counted = tally.count(shown, pairing, ["whole"]).views["whole"]
    more_a, more_b = counted.of()
    pd.testing.assert_series_equal(
        pd.Series((ahead > 0).sum(axis=0) - (ahead < 0).sum(axis=0)),
        pd.Series((more_b - more_a)[[1, 4], 0]),
        check_dtype=False,
    )
