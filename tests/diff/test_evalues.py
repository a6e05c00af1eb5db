"""E-values and intervals that hold at every look: by fractions, by other arithmetic, and by stopping at will."""

from fractions import Fraction
from math import comb, factorial

import numpy as np
import pandas as pd
import pytest

from diffing.common.arrays import Array, Floats
from diffing.diff import evalues


def exact(a: int, b: int) -> Fraction:
    return Fraction(2 ** (a + b) * factorial(a) * factorial(b), factorial(a + b + 1))


@pytest.mark.parametrize(("a", "b"), [(0, 0), (1, 0), (0, 6), (3, 9), (38, 0), (40, 60), (300, 500)])
def test_the_closed_form_is_that_of_exact_fractions(a: int, b: int) -> None:
    assert evalues.presence(np.array([a]), np.array([b]))[0] == pytest.approx(float(exact(a, b)), rel=1e-9)


def test_the_closed_form_is_the_mean_of_all_bets_on_the_sign() -> None:
    # The mixture itself, with a stake on each of 200,001 proportions.
    lean = np.linspace(-1, 1, 200_001)
    product = (1 + lean) ** 9 * (1 - lean) ** 3
    assert evalues.presence(np.array([3]), np.array([9]))[0] == pytest.approx(np.mean(product), rel=1e-4)


@pytest.mark.parametrize("prompts", [1, 2, 7, 12])
def test_its_mean_over_all_signs_is_one_after_any_number_of_prompts(prompts: int) -> None:
    b = np.arange(prompts + 1)
    ways = np.array([comb(prompts, int(k)) for k in b])
    assert ways @ evalues.presence(prompts - b, b) / 2**prompts == pytest.approx(1, abs=1e-12)


def test_more_than_a_number_can_hold_is_no_infinity() -> None:
    values = evalues.presence(np.array([0, 2000]), np.array([5000, 3000]))
    assert values[0] == pytest.approx(1e300)
    assert np.isfinite(values).all()


def called(e_values: Floats, hypotheses: int) -> list[bool]:
    """e-BH by trying every number of calls."""
    counts = [k for k in range(1, len(e_values) + 1) if np.sum(e_values >= hypotheses / (0.05 * k)) >= k]
    return (e_values >= hypotheses / (0.05 * max(counts))).tolist() if counts else [False] * len(e_values)


def test_what_is_certain_is_what_trying_every_number_of_calls_gives() -> None:
    random = np.random.default_rng(0)
    outcomes = []
    for _ in range(300):
        e_values = np.exp(random.normal(2, 3, 12))
        assert evalues.certain(e_values, 20).tolist() == called(e_values, 20)
        outcomes.append(int(evalues.certain(e_values, 20).sum()))
    assert min(outcomes) == 0 < max(outcomes)


def test_hypotheses_that_were_never_seen_count() -> None:
    table = pd.DataFrame({"discordant_a": [0, 0, 4], "discordant_b": [12, 12, 4]})
    # 12 : 0 is worth 315; with three hypotheses 60 is enough for one, with 100 two would need 1,000.
    assert evalues.columns(table)["certain"].tolist() == [True, True, False]
    e_values = evalues.columns(table)["e_value"]
    assert evalues.certain(e_values, 100).tolist() == [False, False, False]


def capital(d: Array, mean: Floats, low: float) -> Floats:
    """Bets on "more than `mean`" after each prompt, by 512 stakes instead of 128 points; like prompts at once."""
    bets = (np.arange(512) + 0.5) / 512
    product = np.ones((len(mean), len(bets)))
    for value in np.unique(d):
        product *= (1 + bets * ((value - mean) / (mean - low))[:, None]) ** int((d == value).sum())
    return np.asarray(product.mean(axis=1))


def test_an_interval_holds_the_means_that_no_bet_refuses() -> None:
    random = np.random.default_rng(1)
    d = random.choice([-1.0, 0.0, 1.0], p=[0.05, 0.75, 0.2], size=80)
    values = np.array([-1.0, 0.0, 1.0])
    low, high = evalues.sequence(values, np.array([[(d == v).sum() for v in values]]), -1, 1)
    means = np.linspace(-0.999, 0.999, 3997)
    kept = means[(capital(d, means, -1) < 40) & (capital(-d, -means, -1) < 40)]
    assert [low[0], high[0]] == pytest.approx([kept.min(), kept.max()], abs=1e-3)


def test_an_interval_around_no_answers_is_all_there_is_and_one_of_a_thing_never_seen_closes_in() -> None:
    values = np.array([0.0, 1.0])
    low, high = evalues.sequence(values, np.array([[0, 0], [100, 0], [2000, 0]]), 0, 1)
    assert (low[0], high[0]) == (pytest.approx(0, abs=1e-9), pytest.approx(1, abs=1e-9))
    assert low[1:].tolist() == pytest.approx([0, 0], abs=1e-9)
    assert 0.04 < high[1] < 0.08
    assert 0.001 < high[2] < 0.005


STREAMS, PROMPTS = 2000, 200
LOOKS = np.arange(1, PROMPTS + 1)


def streams(seed: int, more_a: float, more_b: float) -> Array:
    """Streams × prompts of differences -1, 0 or 1."""
    random = np.random.default_rng(seed).random((STREAMS, PROMPTS))
    return np.where(random < more_a, -1, np.where(random < more_a + more_b, 1, 0))


@pytest.mark.parametrize("discordant", [0.05, 0.3, 1.0])
def test_looking_after_every_prompt_of_2000_streams_finds_nothing_in_more_than_one_of_twenty(
    discordant: float,
) -> None:
    d = streams(2, discordant / 2, discordant / 2)
    e_values = evalues.presence((d < 0).cumsum(axis=1), (d > 0).cumsum(axis=1))
    ever = float((e_values >= 20).any(axis=1).mean())
    assert ever <= 0.05
    # It is not so by never saying anything: where B shows it in a fifth of prompts more, nearly all are found.
    d = streams(3, 0.05, 0.25)
    e_values = evalues.presence((d < 0).cumsum(axis=1), (d > 0).cumsum(axis=1))
    assert float((e_values >= 20).any(axis=1).mean()) > 0.95


def test_the_exact_test_looked_at_as_often_would_find_something_far_too_often() -> None:
    from diffing.common import stats

    d = streams(2, 0.15, 0.15)
    p = stats.mcnemar((d < 0).cumsum(axis=1), (d > 0).cumsum(axis=1))
    assert float((p < 0.05).any(axis=1).mean()) > 0.15


def test_many_probes_looked_at_after_every_prompt_call_one_in_no_more_than_one_study_of_twenty() -> None:
    # 2,000 streams as 100 studies of 20 probes that move together: all look at one half of the prompts alike.
    d = streams(4, 0.2, 0.2).reshape(100, 20, PROMPTS)
    d[:, :, ::2] = d[:, :1, ::2]
    e_values = evalues.presence((d < 0).cumsum(axis=2), (d > 0).cumsum(axis=2))
    ever = [any(evalues.certain(study[:, n], 20).any() for n in range(PROMPTS)) for study in e_values]
    assert np.mean(ever) <= 0.05


@pytest.mark.parametrize(("more_a", "more_b"), [(0.1, 0.1), (0.3, 0.6)])
def test_an_interval_looked_at_after_every_prompt_holds_the_true_difference_in_19_of_20_streams(
    more_a: float, more_b: float
) -> None:
    d = streams(5, more_a, more_b)
    true, ever = more_b - more_a, np.zeros(STREAMS, dtype=bool)
    values = np.array([-1.0, 0.0, 1.0])
    # Whether an end has passed the truth is whether the bet against the truth has won: asked of the bet itself,
    # as two ends of 400,000 looks would take an hour; the ends are compared with the bets at the last look.
    number = np.stack([(d == value).cumsum(axis=1) for value in values])
    for sign in (1, -1):
        gain = np.log(1 + evalues.BETS[:, None] * ((sign * values - sign * true) / (sign * true + 1))[None, :])
        for look in range(PROMPTS):
            won = np.exp(number[:, :, look].T @ gain.T) @ evalues.STAKES
            ever |= won >= 2 / evalues.LEVEL
    assert float(ever.mean()) <= 0.05
    low, high = evalues.sequence(values, number[:, :, -1].T, -1, 1)
    outside = (low > true) | (high < true)
    assert not (outside & ~ever).any()
    assert float((high - low).mean()) < 0.45
