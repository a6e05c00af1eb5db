"""Differences by category and tag, and the test that they are the same everywhere."""

from collections.abc import Iterable
from itertools import permutations

import numpy as np
import pandas as pd
import pytest

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
    within = [differences[categories == name] for name in np.unique(categories)]
    between = sum(len(d) * (d.mean() - differences.mean()) ** 2 for d in within)
    return float(between / differences.var(ddof=1))


def test_q_is_the_weighted_scatter_of_category_means() -> None:
    random = np.random.default_rng(0)
    differences = random.choice([-1, 0, 1], (45, 6), p=[0.2, 0.5, 0.3])
    categories = np.array(["x", "y", "z"])[np.arange(45) % 3]
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


def test_permuted_p_is_that_of_all_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "STAGES", (20_000,))
    size, values = np.array([4, 4]), np.array([-1, 1])
    differences, categories = np.array([1, 1, 1, -1, -1, 0, 0, 0]), np.repeat([0, 1], 4)
    between = np.array([np.sum([differences[categories == c].sum() ** 2 / 4 for c in (0, 1)])])
    orders = np.array(list(permutations(range(8))))
    sums = [differences[orders[:, 4 * c : 4 * c + 4]].sum(axis=1) ** 2 / 4 for c in (0, 1)]
    counts = np.array([[2, 3]])
    p = groups._permuted(counts, values, size, between, 1, np.random.default_rng(0))
    assert p[0] == pytest.approx(np.mean(sums[0] + sums[1] >= between - 1e-9), abs=0.015)


def test_a_pattern_and_its_mirror_image_share_a_null() -> None:
    counts = np.array([[3, 5, 2, 1], [2, 1, 3, 5]])
    p = groups._permuted(
        counts,
        np.array([-1, -2, 1, 2]),
        np.array([30, 30]),
        np.array([9.0, 9.0]),
        1000,
        np.random.default_rng(0),
    )
    assert p[0] == p[1]


def test_no_p_is_below_one_in_all_permutations_and_itself() -> None:
    # Sixty prompts by which A leads in one category, sixty by which B leads in the other, one test of 5,000.
    counts, values, size = np.array([[60, 60]]), np.array([-1, 1]), np.array([60, 60])
    p = groups._permuted(counts, values, size, np.array([120.0]), 5000, np.random.default_rng(0))
    assert p.tolist() == [1 / (1 + groups.LAST)]


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
