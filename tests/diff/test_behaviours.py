"""Behaviours: chosen and put in order by discovery prompts, measured on held-out ones, rarely there by chance."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, false_discovery_control

from diffing import diff
from diffing.common.arrays import Bools
from diffing.diff import behaviours
from diffing.diff.behaviours import _Named
from diffing.diff.moved import Moved
from diffing.diff.pairing import Pairing
from diffing.diff.presence import Flat
from tests.fakes import finding_study

PROMPTS, LENGTH = 90, 40


def pairs() -> Pairing:
    """One pair to each prompt, A's documents first; every third prompt is held out."""
    every = np.arange(PROMPTS)
    table = pd.DataFrame({"id": every.astype(str), "category": "", "tags": "", "group": ""})
    table["split"] = np.where(every % 3 == 0, "held-out", "discovery")
    order = np.argsort(table["split"].to_numpy(), kind="stable")
    never, lengths = np.zeros(PROMPTS, dtype=bool), np.full(PROMPTS, LENGTH)
    table = table.iloc[order].reset_index(drop=True)
    return Pairing(table, every, order, order + PROMPTS, lengths, lengths, never, never, {})


def flat(grid: np.ndarray) -> Flat:
    """Documents x behaviours, each shown on as many tokens as the grid says."""
    row, column = np.nonzero(grid)
    amount = grid[row, column]
    ends = np.searchsorted(row, np.arange(len(grid) + 1))
    first, last = np.zeros(len(row), np.int64), np.full(len(row), LENGTH - 1)
    return Flat(grid.shape[1], ends, column, amount, first, last, amount.astype(np.float32))


def drawn(seed: int, shares: list[tuple[float, float]]) -> np.ndarray:
    """Words first, the same on both sides by chance; then things that A and B show in these shares of answers."""
    random = np.random.default_rng(seed)
    sides = [
        np.column_stack([random.integers(20, 60, PROMPTS), *(random.random(PROMPTS) < s[side] for s in shares)])
        for side in range(2)
    ]
    return np.concatenate(sides).astype(np.int64)


def measured(grid: np.ndarray, made: Pairing | None = None) -> pd.DataFrame:
    made = made or pairs()
    named = [_Named(0, "amount", "probe", "words", "is longer, in words")]
    named += [_Named(n, "habit", "probe", f"thing {n}", f"does {n}") for n in range(1, grid.shape[1])]
    discovery: Bools = made.prompts["split"].to_numpy()[made.row] == "discovery"
    return behaviours._judged(behaviours._measured(named, flat(grid), made, discovery))[0]


SHARES = [(0.1, 0.6), (0.5, 0.5), (0.8, 0.1), (0.0, 0.05)]


def test_figures_are_those_of_plain_counting_on_held_out_prompts() -> None:
    grid = drawn(1, SHARES)
    table = measured(grid).set_index("source")
    held = np.arange(PROMPTS) % 3 == 0
    tested = {}
    for number in range(1, 5):
        a, b = grid[:PROMPTS, number][held] > 0, grid[PROMPTS:, number][held] > 0
        row = table.loc[f"thing {number}"]
        more_a, more_b = int((a & ~b).sum()), int((b & ~a).sum())
        assert (row["prompts"], row["more_a"], row["more_b"]) == (30, more_a, more_b)
        assert (row["a"], row["b"], row["delta"]) == pytest.approx((a.mean(), b.mean(), b.mean() - a.mean()))
        if more_a + more_b >= 6:
            tested[number] = binomtest(more_b, more_a + more_b).pvalue
            assert row["p"] == pytest.approx(tested[number])
        else:
            assert np.isnan(row["p"]) and row["confirmed"] == "too few"
    p = [table.loc["words", "p"], *tested.values()]
    wanted = dict(
        zip(["words", *(f"thing {number}" for number in tested)], false_discovery_control(p), strict=True)
    )
    assert {name: table.loc[name, "q"] for name in wanted} == pytest.approx(wanted)
    assert (table.loc["thing 1", "side"], table.loc["thing 1", "confirmed"]) == ("b", "yes")
    assert (table.loc["thing 3", "side"], table.loc["thing 3", "confirmed"]) == ("a", "yes")
    assert (table.loc["words", "a"], table.loc["words", "b"]) == pytest.approx(
        (grid[:PROMPTS, 0][held].mean(), grid[PROMPTS:, 0][held].mean())
    )


def test_what_moved_belongs_to_the_side_whose_is_nearer_to_the_end() -> None:
    made, random = pairs(), np.random.default_rng(3)
    places = np.concatenate([random.uniform(0.6, 1.0, (PROMPTS, 1)), random.uniform(0.0, 0.4, (PROMPTS, 1))])
    discovery: Bools = made.prompts["split"].to_numpy()[made.row] == "discovery"
    (row,) = behaviours._moved(Moved(["bold"], places), made, discovery).to_dict("records")
    assert (row["name"], row["side"], row["kind"]) == ("uses bold nearer to the end", "a", "place")
    assert row["prompts"] == 30 and row["delta"] < -0.2
    # Of random tokens, which have no places, nothing is said.
    assert np.isnan([row["delta_rarefied"], row["p_rarefied"]]).all()


def test_length_stands_first_and_the_rest_by_what_it_is_at_least() -> None:
    table = measured(drawn(1, SHARES))
    assert table["behaviour"].tolist() == [1, 2, 3, 4, 5]
    assert table["kind"].tolist() == ["amount", *["habit"] * 4]
    assert table["source"].tolist()[:3] == ["words", "thing 3", "thing 1"]
    assert (np.diff(table["least_discovery"].abs()[1:]) <= 0).all()


def test_held_out_answers_have_no_say_in_order_or_side() -> None:
    grid, held = drawn(1, SHARES), np.arange(PROMPTS) % 3 == 0
    turned = grid.copy()
    turned[:PROMPTS][held], turned[PROMPTS:][held] = grid[PROMPTS:][held], grid[:PROMPTS][held]
    before, after = measured(grid), measured(turned)
    chosen = ["behaviour", "source", "side", "delta_discovery", "least_discovery"]
    pd.testing.assert_frame_equal(before[chosen], after[chosen])
    assert before.set_index("source")["delta"].to_dict() == pytest.approx(
        (-after.set_index("source")["delta"]).to_dict()
    )
    # What held-out answers show the other way round was not confirmed.
    assert after.set_index("source")["confirmed"].to_dict() == {
        "words": "not confirmed",
        "thing 3": "not confirmed",
        "thing 1": "not confirmed",
        "thing 4": "too few",
        "thing 2": "not confirmed",
    }


def test_where_the_sides_are_alike_hardly_any_study_confirms_anything() -> None:
    studies = 80
    shares = [(share, share) for share in (0.05, 0.2, 0.3, 0.5, 0.5, 0.7, 0.9)]
    called = sum((measured(drawn(seed, shares))["confirmed"] == "yes").any() for seed in range(studies))
    # At 5 % fewer than one in ten thousand such sets of studies have more.
    assert called <= 13


def test_without_held_out_prompts_nothing_is_confirmed_and_nothing_breaks() -> None:
    made = pairs()
    whole = dataclasses.replace(made, prompts=made.prompts.assign(split="discovery"))
    table = measured(drawn(1, SHARES), whole)
    assert set(table["confirmed"]) == {"too few"} and set(table["prompts"]) == {0}


def test_a_diff_names_what_was_planted_in_the_words_of_what_counts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = diff.load(finding_study.make(monkeypatch), "a", "b")
    table = stored.behaviours
    sure = table[table["confirmed"] == "yes"]
    assert [tuple(row) for row in sure[["name", "by", "side", "confirmed"]].to_numpy()] == [
        ("is longer, in words", "probe", "b", "yes"),
        ("uses numbered lists", "probe", "b", "yes"),
        ("has double spaces within lines", "probe", "a", "yes"),
        ("says “cake”", "phrase", "b", "yes"),
        ("says “tea”", "phrase", "a", "yes"),
    ]
    assert set(stored.habits["habit"]) == set(table["habit"]) - {0}
