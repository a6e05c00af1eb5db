"""The table's columns against straightforward counting on small random studies."""

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from diffing.common.arrays import Array
from diffing.diff import measure, presence
from diffing.diff.pairing import Pairing
from tests.fakes.documents import Documents, paired, random_documents


def table(documents: Documents, pairing: Pairing, threshold: float = 0.0, share: float = 0.0) -> pd.DataFrame:
    everything = np.arange(len(documents.dense))
    found, _ = measure.table(presence.shown(documents, everything, threshold, share), pairing)
    return found


def lengths(documents: Documents) -> Array:
    return np.array([len(one) for one in documents.dense])


def per_prompt(documents: Documents, pairing: Pairing, value: Any) -> tuple[Array, Array]:
    """Prompts × features on each side, averaged over draws; `value` maps an answer and its cut to features."""
    sides = np.zeros((2, len(pairing.prompts), documents.n_features))
    for row, a, b in zip(pairing.row, pairing.a, pairing.b, strict=True):
        cut = min(len(documents.dense[a]), len(documents.dense[b]))
        for side, document in enumerate((a, b)):
            sides[side, row] += value(documents.dense[document], cut) / pairing.draws[row]
    return sides[0], sides[1]


def sign_flip(differences: Array) -> float:
    moved = differences[np.abs(differences) > 1e-9]
    sums = np.array(list(product([-1, 1], repeat=len(moved)))) @ moved if len(moved) else np.zeros(1)
    return float(np.mean(np.abs(sums) >= abs(moved.sum()) - 1e-9))


def rounded(differences: Array) -> Array:
    return np.asarray(np.rint(differences * 64 / max(np.sqrt(np.sum(differences**2)), 1e-9)))


VIEWS = {
    "": lambda one, _: (one > 0).any(axis=0),
    "_equal_length": lambda one, cut: (one[:cut] > 0).any(axis=0),
    "_equal_length_tail": lambda one, cut: (one[len(one) - cut :] > 0).any(axis=0),
}


@pytest.mark.parametrize(("seed", "draws"), [(0, 1), (1, 1), (2, 2), (3, 3)])
def test_presence_is_counted_and_tested_prompt_by_prompt(seed: int, draws: int) -> None:
    documents = random_documents(seed, prompts=13, draws=draws)
    pairing = paired(lengths(documents), 13, draws)
    found = table(documents, pairing)
    for suffix, value in VIEWS.items():
        a, b = per_prompt(documents, pairing, value)
        np.testing.assert_allclose(found[f"delta{suffix}"], (b - a).mean(axis=0), atol=1e-12)
        differing = (np.abs(b - a) > 1e-9).sum(axis=0)
        reference = [sign_flip(d) if n >= 6 else np.nan for d, n in zip((b - a).T, differing, strict=True)]
        np.testing.assert_allclose(found[f"p{suffix}"], reference, atol=1e-10)
    a, b = per_prompt(documents, pairing, VIEWS[""])
    np.testing.assert_allclose(found["frequency_a"], a.mean(axis=0))
    np.testing.assert_array_equal(found["discordant_a"], (a > b + 1e-9).sum(axis=0))
    np.testing.assert_array_equal(found["testable"], (np.abs(b - a) > 1e-9).sum(axis=0) >= 6)


@pytest.mark.parametrize("draws", [1, 3])
def test_rates_and_means_are_averages_over_prompts(draws: int) -> None:
    documents = random_documents(4, prompts=11, draws=draws)
    pairing = paired(lengths(documents), 11, draws)
    found = table(documents, pairing)
    for name, value in (
        ("rate", lambda one, _: 1000 * (one > 0).mean(axis=0)),
        ("mean", lambda one, _: one.max(axis=0)),
    ):
        a, b = per_prompt(documents, pairing, value)
        np.testing.assert_allclose(found[f"{name}_a"], a.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(found[f"{name}_b"], b.mean(axis=0), rtol=1e-6)
        whole = [rounded(d) for d in (b - a).T]
        reference = [sign_flip(d) if np.sum(d != 0) >= 6 else np.nan for d in whole]
        np.testing.assert_allclose(found[f"p_{name}"], reference, atol=1e-10)
        plain = np.array([sign_flip(d) for d in (b - a).T])
        assert np.nanmax(np.abs(plain - reference)) < 0.05


@pytest.mark.parametrize("threshold", [{"threshold": 4.0}, {"share": 0.5}])
def test_a_threshold_hides_what_lies_under_it(threshold: dict[str, float]) -> None:
    documents = random_documents(6, prompts=9)
    pairing = paired(lengths(documents), 9)
    strongest = np.max([one.max(axis=0) for one in documents.dense], axis=0)
    bar = np.maximum(threshold.get("threshold", 0), threshold.get("share", 0) * strongest)
    cleared = Documents([np.where(one > bar, one, 0) for one in documents.dense])
    pd.testing.assert_frame_equal(table(documents, pairing, **threshold), table(cleared, pairing))


def exchanged(documents: Documents, prompts: list[int]) -> Documents:
    """One draw a side: the two answers of some prompts in each other's place."""
    order = np.arange(len(documents.dense)).reshape(-1, 2)
    order[prompts] = order[prompts][:, ::-1]
    return Documents([documents.dense[i] for i in order.ravel()])


def test_exchanging_the_sides_of_some_prompts_changes_no_set_of_tests() -> None:
    documents = random_documents(7, prompts=20, longest=8)
    swapped = exchanged(documents, [0, 3, 4, 11, 19])
    one, other = (table(d, paired(lengths(d), 20)) for d in (documents, swapped))
    for name in ("p", "p_rate", "p_mean", "p_equal_length", "p_equal_length_tail", "p_discovery"):
        assert one[name].isna().tolist() == other[name].isna().tolist()
    assert one["testable"].sum() >= 3


def test_exchanging_all_prompts_turns_every_difference_round() -> None:
    documents = random_documents(8, prompts=20)
    swapped = exchanged(documents, list(range(20)))
    one, other = (table(d, paired(lengths(d), 20)) for d in (documents, swapped))
    for name in ("delta", "delta_equal_length", "log_odds", "delta_heldout"):
        np.testing.assert_allclose(one[name], -other[name], atol=1e-12)
    for name in ("p", "q_rate", "q_mean", "q_equal_length", "replicated", "verdict"):
        assert one[name].equals(other[name])
    np.testing.assert_allclose(one["ci_low"], -other["ci_high"])


def planted(only_b: int, both: int, prompts: int) -> Documents:
    """Feature 0 on B's answers of the first prompts, feature 1 everywhere, feature 2 nowhere."""
    dense = []
    for prompt in range(prompts):
        for side in range(2):
            one = np.zeros((5, 3))
            one[2, 0] = (side == 1 and prompt < only_b) or prompt >= prompts - both
            one[:, 1] = 1
            dense.append(one)
    return Documents(dense)


def test_a_planted_difference_replicates_and_survives() -> None:
    documents = planted(only_b=60, both=10, prompts=90)
    row = table(documents, paired(lengths(documents), 90)).iloc[0]
    assert row[["discordant_a", "discordant_b", "testable", "verdict", "replicated"]].tolist() == [
        0,
        60,
        True,
        "differs",
        "yes",
    ]
    assert bool(row["survives_equal_length"])
    assert row["p"] == pytest.approx(2 * 0.5**60)
    assert [row["delta"], row["delta_heldout"]] == pytest.approx([2 / 3, 2 / 3])


def test_too_few_held_out_prompts_are_said_to_be_too_few() -> None:
    documents = planted(only_b=14, both=0, prompts=90)
    assert table(documents, paired(lengths(documents), 90)).loc[0, "replicated"] == "too few"


def test_a_feature_that_is_everywhere_or_nowhere_is_not_tested_and_has_not_changed() -> None:
    documents = planted(only_b=6, both=0, prompts=200)
    rows = table(documents, paired(lengths(documents), 200)).iloc[1:]
    assert rows["frequency_a"].tolist() == [1, 0]
    assert rows[["testable", "verdict", "replicated"]].to_numpy().tolist() == [[False, "no change", ""]] * 2
    assert rows[["p", "q", "q_rate", "q_equal_length"]].isna().all(axis=None)


def test_a_wide_interval_around_none_cannot_tell() -> None:
    documents = planted(only_b=0, both=10, prompts=20)
    assert table(documents, paired(lengths(documents), 20))["verdict"].tolist() == ["cannot tell"] * 3


def test_identical_answers_give_no_test_at_all() -> None:
    half = random_documents(9, prompts=15).dense[::2]
    documents = Documents([one for one in half for _ in range(2)])
    found = table(documents, paired(lengths(documents), 15))
    assert (found["delta"] == 0).all()
    assert found[["p", "p_rate", "p_mean", "p_equal_length"]].isna().all(axis=None)


def test_no_pairs_give_a_row_for_each_feature_and_no_figures() -> None:
    documents = random_documents(10, prompts=4)
    pairing = paired(lengths(documents), 4)
    found = table(documents, pairing.only(np.zeros(4, dtype=bool)))
    assert len(found) == documents.n_features
    assert found[["frequency_a", "delta", "ci_low", "q", "rate_a", "mean_b"]].isna().all(axis=None)
    assert set(found["verdict"]) == {"cannot tell"}


def test_one_prompt_is_counted_and_cannot_tell() -> None:
    documents = planted(only_b=1, both=0, prompts=1)
    row = table(documents, paired(lengths(documents), 1)).iloc[0]
    assert row[["delta", "testable", "verdict"]].tolist() == [1, False, "cannot tell"]


def test_prompts_with_unlike_numbers_of_draws_weigh_the_same() -> None:
    documents = random_documents(11, prompts=12, draws=3)
    pairing = paired(lengths(documents), 12, 3)
    pairing = pairing.only((pairing.slot == 0) | (pairing.row % 3 > 0))
    found = table(documents, pairing)
    a, b = per_prompt(documents, pairing, VIEWS[""])
    np.testing.assert_allclose(found["delta"], (b - a).mean(axis=0), atol=1e-12)
    differing = (np.abs(b - a) > 1e-9).sum(axis=0)
    reference = [sign_flip(d) if n >= 6 else np.nan for d, n in zip((b - a).T, differing, strict=True)]
    np.testing.assert_allclose(found["p"], reference, atol=1e-10)
