"""Shrunk differences against a slow computation of their own, and against truths that are known."""

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, optimize, stats

from diffing.common import stats as own
from diffing.common.arrays import Array, Floats
from diffing.diff import shrinkage
from diffing.diff.shrinkage import Prior


def simulated(seed: int, features: int = 3000, prompts: int = 400) -> pd.DataFrame:
    """One feature in five differs, by six points or so; prompts differ by chance on five in a hundred and more."""
    random = np.random.default_rng(seed)
    true = np.where(random.random(features) < 0.2, random.normal(0, 0.06, features), 0.0)
    chance = random.uniform(0.02, 0.25, features)
    # What differs one way and the other; the difference of the two is the true one.
    up, down = chance / 2 + np.maximum(true, 0), chance / 2 + np.maximum(-true, 0)
    b = random.binomial(prompts, up)
    a = random.binomial(prompts - b, down / (1 - up))
    low, high = own.bonett_price(a, b, prompts)
    return pd.DataFrame(
        {
            "n_prompts": prompts,
            "delta": (b - a) / prompts,
            "ci_low": low,
            "ci_high": high,
            "testable": a + b >= 6,
            "true": up - down,
        }
    )


def shrunk(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**shrinkage.columns(table))[table["testable"]]


PRIOR = Prior(np.array([0.0, 0, 0, -0.3]), np.array([0.0, 0.02, 0.3, 0]), np.array([0.5, 0.2, 0.2, 0.1]))


def slow(delta: float, error: float) -> tuple[float, float]:
    """The posterior's mean and the chance of another sign, by numerical integration of each piece."""
    masses, means = [0.5 * stats.norm.pdf(delta, 0, error)], [0.0]
    for low, high, weight in zip(*(part[1:] for part in PRIOR), strict=True):
        near = [p for p in (delta - 3 * error, delta, delta + 3 * error) if low < p < high]

        def density(x: float, power: int, height: float = weight / (high - low)) -> float:
            return float(x**power * height * stats.norm.pdf(delta, x, error))

        mass, mean = (
            integrate.quad(density, low, high, (power,), points=near or None, epsabs=0)[0] for power in (0, 1)
        )
        masses.append(mass)
        means.append(mean)
    up, down = masses[1] + masses[2], masses[3]
    return sum(means) / sum(masses), (masses[0] + min(up, down)) / sum(masses)


@pytest.mark.parametrize("error", [0.004, 0.02, 0.2])
@pytest.mark.parametrize("delta", [-0.31, -0.05, 0.0, 0.01, 0.15, 0.35])
def test_the_posterior_is_that_of_numerical_integration(delta: float, error: float) -> None:
    mean, wrong = shrinkage.posterior(PRIOR, np.array([delta]), np.array([error]))
    assert (mean[0], wrong[0]) == pytest.approx(slow(delta, error), rel=1e-6, abs=1e-9)


def objective(weight: Floats, likely: Array) -> float:
    """The penalised log likelihood: ten differences less one that only the point 0 explains."""
    return float(np.log(likely @ weight).sum() + 9 * np.log(weight[0]))


def test_the_weights_are_those_of_another_optimiser() -> None:
    rows = simulated(0, features=300)
    rows = rows[rows["testable"]]
    delta, error = rows["delta"].to_numpy(), shrinkage.standard_error(rows)
    prior = shrinkage.fitted(delta, error, np.ones(len(delta), np.int64))
    likely = shrinkage.likelihood(prior, delta, error)

    def from_free(free: Floats) -> Floats:
        weight = np.exp(free - free.max())
        return np.asarray(weight / weight.sum())

    start = np.zeros(len(prior.weight))
    other = optimize.minimize(lambda free: -objective(from_free(free), likely), start, method="L-BFGS-B")
    assert objective(prior.weight, likely) >= objective(from_free(other.x), likely) - 1e-6
    # And no step of expectation and maximisation moves it.
    again = prior.weight * ((1 / (likely @ prior.weight)) @ likely)
    again[0] += 9
    np.testing.assert_allclose(again / again.sum(), prior.weight, atol=1e-5)


def test_the_standard_error_is_that_of_the_interval_also_where_it_is_cut_at_1() -> None:
    a, b, n = np.array([0, 3, 9, 0]), np.array([58, 3, 2, 6]), 60
    low, high = own.bonett_price(a, b, n)
    table = pd.DataFrame({"n_prompts": n, "delta": (b - a) / n, "ci_low": low, "ci_high": high})
    up, down = (b + 1) / (n + 2), (a + 1) / (n + 2)
    assert high[0] == 1
    np.testing.assert_allclose(
        shrinkage.standard_error(table), np.sqrt((up + down - (up - down) ** 2) / (n + 2)), rtol=1e-12
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_shrunk_differences_are_nearer_to_the_truth_and_the_first_ones_are_no_longer_too_large(seed: int) -> None:
    rows = shrunk(simulated(seed))
    raw, better = ((rows[name] - rows["true"]) ** 2 for name in ("delta", "delta_shrunk"))
    assert better.mean() < 0.5 * raw.mean()
    first = rows.loc[rows["delta"].abs().nlargest(100).index]
    side = np.sign(first["delta"])
    # Over 40 seeds 1.33 points too large, and 0.25 too small once shrunk; each seed by 0.2 to 0.3 about that.
    assert 0.005 < (side * (first["delta"] - first["true"])).mean() < 0.025
    assert -0.012 < (side * (first["delta_shrunk"] - first["true"])).mean() < 0.008


def test_the_chance_of_a_wrong_sign_is_as_large_as_it_says() -> None:
    rows = pd.concat([shrunk(simulated(seed)) for seed in range(4, 10)])
    wrong = np.sign(rows["delta"]) != np.sign(rows["true"])
    for low, high in ((0.0, 0.01), (0.01, 0.05), (0.05, 0.2), (0.2, 0.5)):
        these = (rows["lfsr"] >= low) & (rows["lfsr"] < high)
        assert these.sum() > 50
        # A fifth more than it says is within what so few tell.
        assert wrong[these].mean() <= 1.2 * rows["lfsr"][these].mean() + 0.01


def test_about_nineteen_of_twenty_truths_lie_in_the_posteriors_95_percent() -> None:
    held = []
    for seed in (20, 21):
        table = simulated(seed, features=2000)
        rows = table[table["testable"]]
        delta, error = rows["delta"].to_numpy(), shrinkage.standard_error(rows)
        prior = shrinkage.fitted(delta, error, np.ones(len(delta), np.int64))
        share = shrinkage.likelihood(prior, delta, error) * prior.weight
        share /= share.sum(axis=1, keepdims=True)
        below = np.zeros(len(delta))
        under = np.zeros(len(delta))
        true = rows["true"].to_numpy()
        for piece, (low, high) in enumerate(zip(prior.low, prior.high, strict=True)):
            if piece == 0:
                below += share[:, 0] * (true >= 0)
                under += share[:, 0] * (true > 0)
                continue
            cut = stats.truncnorm.cdf(true, (low - delta) / error, (high - delta) / error, delta, error)
            below += share[:, piece] * cut
            under += share[:, piece] * cut
        # A truth of 0 lies on a step of the distribution, and so inside if any of the step does.
        held += [(below >= 0.025) & (under <= 0.975)]
    # 94.0 % over 40 seeds, each within 0.8 of it.
    assert np.concatenate(held).mean() >= 0.92


def test_a_clean_rare_difference_is_hardly_shrunk_and_a_noisy_one_is() -> None:
    random = np.random.default_rng(0)
    n, rest = 400, 2000
    a = np.concatenate([[0, 60], random.binomial(n, 0.1, rest)])
    b = np.concatenate([[38, 80], random.binomial(n, 0.1, rest)])
    low, high = own.bonett_price(a, b, n)
    table = pd.DataFrame({"n_prompts": n, "delta": (b - a) / n, "ci_low": low, "ci_high": high, "testable": True})
    found = shrinkage.columns(table)
    assert found["delta_shrunk"][0] == pytest.approx(0.095, abs=0.01)
    assert found["lfsr"][0] < 1e-4
    assert abs(found["delta_shrunk"][1]) < 0.01 < 0.05 == table["delta"][1]


def test_what_was_not_tested_is_blank_and_nothing_tested_is_no_fault() -> None:
    table = simulated(30, features=50)
    found = shrinkage.columns(table.assign(testable=[True] * 20 + [False] * 30))
    assert np.isnan(found["delta_shrunk"]).tolist() == [False] * 20 + [True] * 30
    assert np.isnan(found["lfsr"]).tolist() == [False] * 20 + [True] * 30
    nothing = shrinkage.columns(table.assign(testable=False))
    assert np.isnan(nothing["lfsr"]).all()


def test_exchanging_the_sides_turns_every_shrunk_difference_round() -> None:
    table = simulated(31)
    turned = table.assign(delta=-table["delta"], ci_low=-table["ci_high"], ci_high=-table["ci_low"])
    one, other = shrinkage.columns(table), shrinkage.columns(turned)
    np.testing.assert_allclose(one["delta_shrunk"], -other["delta_shrunk"], atol=1e-6)
    np.testing.assert_allclose(one["lfsr"], other["lfsr"], atol=1e-5)


def test_more_kinds_than_are_fitted_to_are_stood_for_by_some_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    table = simulated(32)
    # Ever so little apart, so that no two are alike.
    table["delta"] += np.random.default_rng(0).normal(0, 1e-6, len(table))
    every = shrinkage.columns(table)
    monkeypatch.setattr(shrinkage, "FITTED", 1000)
    some = shrinkage.columns(table)
    np.testing.assert_allclose(some["delta_shrunk"], every["delta_shrunk"], atol=0.015)
    assert np.nanmax(np.abs(some["delta_shrunk"] - every["delta_shrunk"])) > 0
