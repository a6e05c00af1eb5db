"""Length taken out: random tokens against drawing them, and the fit against least squares and simulation."""

from math import comb

import numpy as np
import pytest

from diffing.common.arrays import Array
from diffing.diff.length import FULL, Adjusted, Fit, Rarefied
from diffing.diff.pairing import Pairing
from tests.fakes.documents import paired


def test_a_chance_is_that_of_counting_all_choices_of_tokens() -> None:
    rarefied = Rarefied(30)
    for tokens, cut in ((30, 7), (12, 11), (5, 1), (9, 9)):
        counts = np.arange(1, tokens + 1)
        exact = [1 - comb(tokens - k, cut) / comb(tokens, cut) for k in counts.tolist()]
        np.testing.assert_allclose(rarefied.chance(counts, tokens, cut), exact, rtol=1e-6)


def test_what_occurs_more_often_than_there_are_tokens_is_sure_to_be_drawn() -> None:
    assert Rarefied(10).chance(np.array([3, 400]), 10, 8).tolist() == [1, 1]
    assert Rarefied(10).chance(np.array([], np.int64), 10, 8).tolist() == []


def test_a_chance_is_the_share_of_drawings_that_hold_one() -> None:
    random = np.random.default_rng(0)
    shown = [random.choice(50, 20, replace=False).min() < 3 for _ in range(4000)]
    assert Rarefied(50).chance(np.array([3]), 50, 20)[0] == pytest.approx(np.mean(shown), abs=0.025)


def pairs(ratio: Array) -> Pairing:
    """A prompt for each ratio of lengths, B's to A's; A's answers have 1,000 tokens."""
    lengths = np.stack([np.full(len(ratio), 1000), np.rint(1000 * ratio)], axis=1).astype(np.int64)
    return paired(lengths.ravel(), len(ratio))


def fitted(pairing: Pairing, ahead: Array) -> Adjusted:
    """`ahead` by prompt as `paired` numbers them; the pairing has an order of its own."""
    fit = Fit.of(pairing, ahead.shape[1])
    order = pairing.prompts["id"].str[1:].astype(int).to_numpy()
    for start in range(0, len(ahead), 10):
        fit.add(slice(start, start + 10), ahead[order][start : start + 10], 1)
    return fit.result()


def test_the_fit_is_weighted_least_squares_with_robust_intervals() -> None:
    random = np.random.default_rng(1)
    ratio = np.exp(random.normal(0.3, 0.8, 60))
    pairing = pairs(ratio)
    ahead = random.choice([-1, 0, 1], (60, 5), p=[0.1, 0.6, 0.3])
    found = fitted(pairing, ahead)
    x = np.log(np.rint(1000 * ratio) / 1000)
    weight = FULL / np.maximum(np.abs(x), FULL)
    for column, delta, low, high in zip(ahead.T, *found, strict=True):
        design = np.column_stack([np.ones(60), x])
        inverse = np.linalg.inv(design.T @ (weight[:, None] * design))
        line = inverse @ design.T @ (weight * column)
        pull = weight * np.einsum("ij,jk,ik->i", design, inverse, design)
        meat = design.T @ ((weight * (column - design @ line) / (1 - pull))[:, None] ** 2 * design)
        deviation = np.sqrt((inverse @ meat @ inverse)[0, 0] + 2 / 60**2)
        assert delta == pytest.approx(line[0], abs=1e-6)
        assert (high - low) / 2 == pytest.approx(2.0017 * deviation, rel=1e-4)


def test_what_follows_from_length_alone_is_taken_out_and_the_rest_is_covered() -> None:
    random = np.random.default_rng(2)
    covered = []
    for _ in range(60):
        x = random.normal(-0.5, 0.5, 200)
        shift = 0.15
        up = np.clip(0.25 + shift / 2 + 0.2 * x, 0, 1)
        down = np.clip(0.25 - shift / 2 - 0.2 * x, 0, 1)
        draw = random.random((200, 20))
        ahead = (draw < up[:, None]).astype(int) - (draw > 1 - down[:, None]).astype(int)
        found = fitted(pairs(np.exp(x)), ahead)
        covered.append((found.low <= shift) & (shift <= found.high))
    assert np.mean(covered) >= 0.93


def test_where_lengths_are_equal_it_is_the_plain_difference() -> None:
    ahead = np.random.default_rng(3).choice([-1, 0, 1], (30, 4))
    np.testing.assert_allclose(fitted(pairs(np.ones(30)), ahead).delta, ahead.mean(axis=0), atol=1e-6)


def test_where_one_side_is_always_longer_by_one_factor_nothing_is_said() -> None:
    ahead = np.ones((30, 2), np.int64)
    assert np.isnan(fitted(pairs(np.full(30, 2.0)), ahead)).all()


def test_a_feature_that_never_differs_has_an_interval_of_some_width() -> None:
    found = fitted(pairs(np.exp(np.linspace(-1, 1, 40))), np.zeros((40, 1), np.int64))
    assert found.delta[0] == pytest.approx(0, abs=1e-9)
    assert found.low[0] < -0.03 and found.high[0] > 0.03
