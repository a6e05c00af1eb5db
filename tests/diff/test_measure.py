"""The table's columns against straightforward counting on small random studies."""

from itertools import product
from math import comb
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, rankdata

from diffing.common.arrays import Array
from diffing.diff import measure, presence
from diffing.diff.length import Adjusted
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


def midranks(differences: Array) -> Array:
    """Twice the signed midranks of the differences that are not 0, those of a quarter's width tied."""
    moved = differences[np.abs(differences) > 1e-5]
    # Levels are equally wide within a factor of two, and not equally many times as large.
    whole = np.floor(np.log2(1.00001 * np.abs(moved)))
    levels = 4 * whole + np.floor(4 * (1.00001 * np.abs(moved) / 2**whole - 1))
    return np.asarray(np.sign(moved) * 2 * rankdata(levels))


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
        ranks = [midranks(d) for d in (b - a).T]
        reference = [sign_flip(one) if len(one) >= 6 else np.nan for one in ranks]
        np.testing.assert_allclose(found[f"p_{name}"], reference, atol=1e-10)
        lean = [one.sum() / max(np.abs(one).sum(), 1) for one in ranks]
        np.testing.assert_allclose(found[f"lean_{name}"], lean, atol=1e-10)


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
    for name in ("p", "p_rarefied", "p_rate", "p_mean", "p_equal_length", "p_equal_length_tail", "p_discovery"):
        assert one[name].isna().tolist() == other[name].isna().tolist()
    assert one["testable"].sum() >= 3


def test_exchanging_all_prompts_turns_every_difference_round() -> None:
    documents = random_documents(8, prompts=20)
    swapped = exchanged(documents, list(range(20)))
    one, other = (table(d, paired(lengths(d), 20)) for d in (documents, swapped))
    for name in ("delta", "delta_equal_length", "log_odds", "delta_heldout", "lean_rate", "change"):
        np.testing.assert_allclose(one[name], -other[name], atol=1e-12)
    for name in ("delta_rarefied", "delta_adjusted"):
        np.testing.assert_allclose(one[name], -other[name], atol=1e-6)
    same = (
        "p",
        "q_rate",
        "q_mean",
        "q_rarefied",
        "q_equal_length",
        "replicated",
        "needed",
        "verdict",
        "judged_by",
    )
    for name in same:
        assert one[name].equals(other[name])
    for ends in (("ci_low", "ci_high"), ("change_low", "change_high")):
        np.testing.assert_allclose(one[ends[0]], -other[ends[1]])
    np.testing.assert_allclose(one["adjusted_low"], -other["adjusted_high"], atol=1e-6)


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
    said = rows[["testable", "judged_by", "verdict", "replicated"]].to_numpy().tolist()
    assert said == [[False, "amount", "no change", ""], [False, "presence", "too rare to tell", ""]]
    assert rows[["p", "q", "q_rate", "q_equal_length"]].isna().all(axis=None)


def test_a_wide_interval_around_none_cannot_tell() -> None:
    documents = planted(only_b=0, both=10, prompts=20)
    assert table(documents, paired(lengths(documents), 20))["verdict"].tolist() == ["cannot tell"] * 3


def test_a_rare_thing_that_trebles_is_too_rare_to_tell_and_a_common_one_has_not_changed() -> None:
    n = 400
    dense = np.zeros((2 * n, 4, 2))
    # Feature 0 goes from 3 answers to 9 others, feature 1 is shown by the same half of the prompts on both sides.
    dense[0:6:2, 0, 0] = dense[41:59:2, 0, 0] = 1
    dense[:n, 0, 1] = 1
    documents = Documents(list(dense))
    rows = table(documents, paired(lengths(documents), n))
    assert rows["delta"].tolist() == [pytest.approx(6 / n), 0]
    assert rows["verdict"].tolist() == ["too rare to tell", "no change"]


@pytest.mark.parametrize(("tokens", "said"), [((10, 12), "differs"), ((10, 10), "no change")])
def test_what_every_answer_has_is_judged_by_how_much_it_has(tokens: tuple[int, int], said: str) -> None:
    random = np.random.default_rng(12)
    dense = []
    for _ in range(300):
        for side in range(2):
            one = np.zeros((40, 1))
            one[: tokens[side] + random.integers(-2, 3)] = 1
            dense.append(one)
    documents = Documents(dense)
    row = table(documents, paired(lengths(documents), 300)).iloc[0]
    assert [row["delta"], row["judged_by"], row["verdict"]] == [0, "amount", said]
    expected = (tokens[1] - tokens[0]) / np.mean(tokens)
    assert row["change_low"] < expected < row["change_high"]
    assert row["change_high"] - row["change_low"] < 0.1


def test_a_probe_that_is_nothing_but_an_amount_is_judged_by_it_wherever_it_is() -> None:
    documents = planted(only_b=60, both=10, prompts=90)
    pairing = paired(lengths(documents), 90)
    shown = presence.shown(documents, np.arange(len(documents.dense)))
    found, _ = measure.table(shown, pairing, np.array([True, False, True]))
    assert found["judged_by"].tolist() == ["amount"] * 3
    assert found["verdict"].tolist() == ["differs", "no change", "cannot tell"]


@pytest.mark.parametrize(
    ("rarefied", "cuts", "line", "kept"),
    [
        ((0.2, 0.01), [(0.2, 0.5), (0.0, np.nan)], (0.1, 0.3), True),
        ((0.2, 0.01), [(0.2, 0.01), (-0.2, 0.01)], (0.1, 0.3), False),
        ((0.2, 0.01), [(0.2, 0.01), (-0.2, 0.2)], (0.1, 0.3), True),
        ((0.2, 0.2), [(0.2, 0.01), (0.2, 0.01)], (0.1, 0.3), False),
        ((-0.2, 0.01), [(0.2, 0.01), (0.2, 0.01)], (0.1, 0.3), False),
        ((0.2, 0.01), [(0.2, 0.01), (0.2, 0.01)], (-0.1, 0.3), False),
        ((0.2, 0.01), [(0.2, 0.01), (0.2, 0.01)], (-0.3, -0.1), False),
        ((0.2, 0.01), [(0.2, 0.01), (0.2, 0.01)], (np.nan, np.nan), True),
    ],
)
def test_what_survives_is_there_in_both_looks_at_like_lengths_and_contradicted_at_no_end(
    rarefied: tuple[float, float], cuts: list[tuple[float, float]], line: tuple[float, float], kept: bool
) -> None:
    names = ["_rarefied", "_equal_length", "_equal_length_tail"]
    views = dict(zip(names, [rarefied, *cuts], strict=True))
    delta = {"": np.array([0.3, 0.3])} | {name: np.full(2, one[0]) for name, one in views.items()}
    q = {"": np.array([0.01, 0.5])} | {name: np.full(2, one[1]) for name, one in views.items()}
    low, high = (np.full(2, end) for end in line)
    assert measure.survives(delta, q, Adjusted((low + high) / 2, low, high)).tolist() == [kept, pd.NA]
    turned = {name: -values for name, values in delta.items()}
    assert measure.survives(turned, q, Adjusted(-(low + high) / 2, -high, -low)).tolist() == [kept, pd.NA]


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


@pytest.mark.parametrize("draws", [1, 2])
def test_rarefied_presence_is_the_chance_that_random_tokens_show_it(draws: int) -> None:
    documents = random_documents(13, prompts=12, draws=draws)
    pairing = paired(lengths(documents), 12, draws)
    found = table(documents, pairing)

    def chance(one: Array, cut: int) -> Array:
        missed = [comb(len(one) - k, cut) / comb(len(one), cut) for k in (one > 0).sum(axis=0).tolist()]
        return 1 - np.array(missed)

    a, b = per_prompt(documents, pairing, chance)
    np.testing.assert_allclose(found["delta_rarefied"], (b - a).mean(axis=0), atol=1e-6)
    # Sixteenths: a difference under half of one counts as none.
    steps = np.rint(16 * (b - a))
    scale = np.minimum(1, 64 / np.maximum(np.sqrt(np.sum(steps**2, axis=0)), 1))
    reference = [
        sign_flip(d) if np.sum(d != 0) >= 6 else np.nan
        for d in (np.rint(np.abs(steps) * scale) * np.sign(steps)).T
    ]
    np.testing.assert_allclose(found["p_rarefied"], reference, atol=1e-10)


def test_what_body_lines_alone_add_does_not_survive_though_a_cut_shows_it() -> None:
    random = np.random.default_rng(14)
    dense = []
    for _ in range(200):
        for side in range(2):
            # B's answers have half of the body; opening and closing words are the same.
            body = (random.random((20 if side else 40, 1)) < 0.06).astype(float)
            dense.append(np.concatenate([np.zeros((5, 1)), body, np.zeros((5, 1))]))
    documents = Documents(dense)
    row = table(documents, paired(lengths(documents), 200)).iloc[0]
    assert row["q"] < 0.05 and row["delta"] < -0.1
    assert not bool(row["survives_equal_length"])
    assert abs(row["delta_rarefied"]) < 0.1


def test_what_is_not_confirmed_says_how_many_prompts_would_have_to_differ() -> None:
    # On discovery prompts B leads 20 to 2, on held-out ones neither does.
    dense = []
    for prompt in range(120):
        held = prompt % 3 == 2
        for side in range(2):
            leads = prompt % 3 == 0 and prompt < 60
            trails = prompt in (61, 64)
            split = held and prompt < 40
            shows = (leads and side == 1) or (trails and side == 0) or (split and side == prompt // 3 % 2)
            dense.append(np.full((3, 1), float(shows)))
    documents = Documents(dense)
    row = table(documents, paired(lengths(documents), 120)).iloc[0]
    assert [row["replicated"], row["discordant_heldout"]] == ["not confirmed", 13]
    assert row["needed"] == measure.needed(np.array([20]), np.array([2]), 0.05)[0]


def test_as_many_prompts_as_are_said_to_be_needed_give_the_power() -> None:
    for ahead, behind in ((20, 2), (60, 30), (90, 30), (200, 130)):
        for level in (0.05, 0.001):
            prompts = int(measure.needed(np.array([ahead]), np.array([behind]), level)[0])
            share = (ahead + 1) / (ahead + behind + 2)
            least = int(binom.isf(level, prompts, 0.5)) + 1
            # The test is discrete, so its power rises in steps about the smooth approximation.
            assert 0.65 < binom.sf(least - 1, prompts, share) < 0.93, (ahead, behind, level, prompts)


def test_nothing_is_needed_of_a_lead_the_other_way() -> None:
    assert np.isnan(measure.needed(np.array([3]), np.array([3]), 0.05)).all()
