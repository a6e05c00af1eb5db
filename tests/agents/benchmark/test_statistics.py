"""Arms compared: exact p against every way to turn differences round, intervals against simulation, the model."""

import itertools

import numpy as np
import pandas as pd
import pytest

from diffing.agents.benchmark import statistics


@pytest.mark.parametrize(("seed", "count"), [(0, 2), (1, 5), (2, 9), (3, 14), (4, 16)])
def test_p_counts_every_way_to_turn_the_differences_round(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    deltas = random.choice([0.1, 0.2, 0.35, 0.7], count) * random.choice([-1, 1, 1], count)
    signs = np.array(list(itertools.product([-1, 1], repeat=count)))
    sums = np.abs((signs * deltas).sum(axis=1))
    expected = float((sums >= abs(deltas.sum()) - 1e-9).mean())
    assert statistics.flipped([*deltas, 0.0]) == pytest.approx(expected, abs=1e-9)


def test_without_a_difference_there_is_no_p() -> None:
    assert np.isnan(statistics.flipped([0.0, 0.0]))
    told = statistics.compared({"one": [1.0]}, {"other": [0.0]})
    assert told.organisms == 0 and np.isnan(told.delta)


def test_only_organisms_of_both_are_compared_and_runs_count_within_them() -> None:
    one = {"x": [0.0, 0.2], "y": [0.5], "z": [0.0]}
    other = {"x": [0.5, 0.7, 0.6], "y": [0.6]}
    told = statistics.compared(one, other)
    assert told.organisms == 2 and told.delta == pytest.approx((0.5 + 0.1) / 2)
    assert told.p == pytest.approx(0.5)
    assert told.low < told.delta < told.high


def test_few_organisms_that_agree_are_no_certainty() -> None:
    told = statistics.compared({"x": [0.0], "y": [0.0]}, {"x": [0.5], "y": [0.5]})
    assert told.p == 0.5 and told.low < 0 < told.delta < told.high
    middle, low, high = statistics.mean({"x": [1.0, 1.0]})
    assert middle == 1.0 and low < 0.5 and high == 1.0


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(5)
    held, repeats = 0, 150
    for number in range(repeats):
        effects = random.normal(0.2, 0.2, 20)
        one = {str(place): (random.random(4) < 0.5).astype(float).tolist() for place in range(20)}
        other = {
            str(place): (random.random(4) < np.clip(0.5 + effect, 0, 1)).astype(float).tolist()
            for place, effect in enumerate(effects)
        }
        first, second = ([np.array(each) for each in arm.values()] for arm in (one, other))
        low, high = statistics.interval(first, second, number, draws=1000)
        held += low <= 0.2 <= high
    # Drawing runs anew within organisms makes them a little too wide, never too narrow.
    assert held / repeats >= 0.93


def test_arms_alike_are_told_apart_no_oftener_than_chance() -> None:
    random = np.random.default_rng(2)
    hits = 0
    for _ in range(300):
        one, other = (
            {str(place): (random.random(3) < 0.4).astype(float).tolist() for place in range(12)} for _ in "ab"
        )
        hits += statistics.flipped([np.mean(other[name]) - np.mean(one[name]) for name in one]) < 0.05
    assert hits <= 300 * 0.05 + 3 * (300 * 0.05 * 0.95) ** 0.5


def test_runs_that_find_the_same_agree() -> None:
    same, apart = frozenset({"dash"}), frozenset({"bold"})
    assert statistics.agreement({"x": [same, same], "y": [frozenset(), frozenset()]}) == 1.0
    assert statistics.agreement({"x": [same, apart]}) == 0.0
    assert statistics.agreement({"x": [same, same | apart, apart]}) == pytest.approx((0.5 + 0 + 0.5) / 3)
    assert np.isnan(statistics.agreement({"x": [same]}))


def grades(random: np.random.Generator, better: float) -> pd.DataFrame:
    rows = []
    for arm, shift in (("answers", 0.0), ("blackbox", better)):
        for organism, ease in (("x", -0.5), ("y", 0.0), ("z", 0.7)):
            for _ in range(120):
                hidden = shift + ease + random.logistic()
                rows.append(
                    {"arm": arm, "organism": organism, "grade": int(np.digitize(hidden, [-1.0, 0.5, 1.5]))}
                )
    return pd.DataFrame(rows)


def test_the_model_finds_how_much_better_an_arm_was_made() -> None:
    told = statistics.ordered(grades(np.random.default_rng(0), 1.2))
    middle, low, high = told.arms["blackbox"]
    assert (told.first, told.why) == ("answers", "") and low < 1.2 < high and 0.8 < middle < 1.6


def test_the_model_says_where_it_has_no_solution() -> None:
    table = grades(np.random.default_rng(0), 0.0)
    assert statistics.ordered(table[table["arm"] == "answers"]).why
    table["grade"] = np.where(table["arm"] == "answers", 0, 3)
    assert not statistics.ordered(table).arms and statistics.ordered(table).why
