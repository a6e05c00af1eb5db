"""Preference probes, the arithmetic: ridge and utilities against other computations, scores, draws, shuffles."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import norm
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from diffing.common.arrays import Floats
from diffing.whitebox.methods.preferences import choices, probe, scores
from diffing.whitebox.methods.preferences.choices import Choices, Link

TOPICS = np.repeat(np.arange(6), 10)


def drawn(seed: int, width: int = 12) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    features = random.normal(size=(len(TOPICS), width)) * random.uniform(0.1, 9, width) + 3
    return features, random.normal(size=(len(TOPICS), 2)) + features[:, :2]


@pytest.mark.parametrize("width", [12, 200])
def test_a_probe_is_the_ridge_of_another_library_and_its_penalty_that_of_a_plain_search(width: int) -> None:
    features, targets = drawn(1, width)
    among = probe.folds(TOPICS, 3)
    found = probe.crossed(features, targets, among)

    def by_hand(train: Floats, test: Floats, y: Floats, alpha: float) -> Floats:
        mean, spread = train.mean(0), train.std(0)
        a, b = (train - mean) / spread, (test - mean) / spread
        scale = float((a**2).sum() / len(a))
        return np.asarray(Ridge(alpha=alpha * scale).fit(a, y).predict(b))

    for number, fold in enumerate(among):
        assert not set(TOPICS[fold.train]) & set(TOPICS[fold.test])
        x, y = features[fold.train], targets[fold.train, 0]
        for train, test in fold.inner:
            assert not set(TOPICS[fold.train][train]) & set(TOPICS[fold.train][test])
        errors = [
            sum(((y[test] - by_hand(x[train], x[test], y[train], a)) ** 2).sum() for train, test in fold.inner)
            for a in probe.ALPHAS
        ]
        assert found.alpha[number, 0] == int(np.argmin(errors))
        assert found.error[number, 0] == pytest.approx(min(errors) / len(x))
        told = by_hand(x, features[fold.test], y, float(probe.ALPHAS[int(np.argmin(errors))]))
        np.testing.assert_allclose(found.predicted[fold.test, 0], told, rtol=1e-6, atol=1e-8)


def test_the_reading_is_chosen_without_the_folds_own_topics() -> None:
    features, targets = drawn(2)
    among = probe.folds(TOPICS, 3)
    noise = np.random.default_rng(3).normal(size=features.shape)
    readings = [probe.crossed(each, targets, among) for each in (noise, features)]
    found = probe.best(readings, among)
    assert (found.pick == 1).all() and np.array_equal(found.predicted, readings[1].predicted)
    same = probe.frozen(lambda n: (noise, features)[n], lambda n: (noise, features)[n], targets, found, 0, among)
    np.testing.assert_allclose(same, found.predicted[:, 0])
    changed = targets.copy()
    changed[among[0].test] += 100.0
    again = probe.crossed(features, changed, among)
    # Utilities of a fold's own topics change nothing that is predicted for them.
    assert np.array_equal(again.predicted[among[0].test], readings[1].predicted[among[0].test])


def answers(link: Link, seed: int, tasks: int = 12, count: int = 400) -> tuple[Choices, Floats]:
    random = np.random.default_rng(seed)
    truth = random.normal(size=tasks)
    first, step = random.integers(tasks, size=count), random.integers(1, tasks, size=count)
    second = (first + step) % tasks
    chance = (expit if link == "bradley-terry" else norm.cdf)(truth[first] - truth[second] + 0.4)
    return Choices(first, second, (random.random(count) < chance).astype(float), ordered=True), truth


@pytest.mark.parametrize("link", ["bradley-terry", "thurstone"])
def test_utilities_are_those_that_a_general_optimiser_finds(link: Link) -> None:
    given, _ = answers(link, 5)
    ridge = 0.1

    def loss(at: Floats) -> float:
        gap = at[given.first] - at[given.second] + at[-1]
        if link == "bradley-terry":
            likelihood = given.took * gap - np.logaddexp(0, gap)
        else:
            likelihood = given.took * norm.logcdf(gap) + (1 - given.took) * norm.logcdf(-gap)
        return float(-likelihood.sum() + ridge / 2 * (at[:-1] ** 2).sum())

    told = minimize(loss, np.zeros(13), method="BFGS", options={"gtol": 1e-8})
    found = choices.fit(given, 12, ridge, link)
    np.testing.assert_allclose(found.utility, told.x[:-1] - told.x[:-1].mean(), atol=2e-5)
    assert found.order == pytest.approx(told.x[-1], abs=2e-5)
    if link == "bradley-terry":
        # By differences of the loss itself, without what all utilities have in common.
        step, unit = 1e-3, np.eye(13)
        curvature = [
            [
                sum(m * n * loss(told.x + step * (m * unit[i] + n * unit[j])) for m in (1, -1) for n in (1, -1))
                / (4 * step**2)
                for j in range(13)
            ]
            for i in range(13)
        ]
        centre = np.eye(12) - 1 / 12
        spread = centre @ np.linalg.inv(np.array(curvature))[:12, :12] @ centre
        np.testing.assert_allclose(found.error, np.sqrt(np.diag(spread)), rtol=1e-3)


def test_intervals_of_utilities_hold_what_was_planted_about_as_often_as_they_say() -> None:
    inside = []
    for seed in range(40):
        given, truth = answers("bradley-terry", 100 + seed)
        found = choices.fit(given, 12, 0.01)
        truth = truth - truth.mean()
        inside += [(found.low < truth) & (truth < found.high)]
    # 480 utilities, which hang together within a run.
    assert 0.92 < np.mean(inside) < 0.99


def test_order_effects_and_reliability_are_told() -> None:
    first, second = np.array([0, 1, 0, 2]), np.array([1, 0, 2, 0])
    given = Choices(first, second, np.array([1.0, 0.0, 1.0, 1.0]), ordered=True)
    assert choices.order(given) == (0.75, 0.5)
    sure, _ = answers("bradley-terry", 7, count=4000)
    noise = sure._replace(took=np.random.default_rng(1).integers(0, 2, 4000).astype(float))
    high, low, _ = choices.reliability([sure, noise], 12, 0.1, "bradley-terry", 0)
    assert high > 0.9 and low < 0.6


def test_scores_are_those_of_another_library_and_draws_keep_topics_whole() -> None:
    features, targets = drawn(9)
    found = probe.crossed(features, targets, probe.folds(TOPICS, 3)).predicted
    assert scores.once(targets[:, 0], found[:, 0]) == pytest.approx(r2_score(targets[:, 0], found[:, 0]))
    weights = scores.draws(TOPICS, 500, 0)
    assert (weights.sum(1) == len(TOPICS)).all()
    by_topic = weights.reshape(500, 6, 10).sum(2)
    assert set(np.unique(by_topic % 10)) == {0.0} and (by_topic == 0).any(1).mean() > 0.9
    one = weights[3].astype(int)
    again = r2_score(np.repeat(targets[:, 0], one), np.repeat(found[:, 0], one))
    assert scores.r2(targets[:, 0], found[:, 0], weights)[3] == pytest.approx(again)
    told = scores.told(targets[:, 0], TOPICS)
    assert told[0] == pytest.approx(targets[1:10, 0].mean())


def test_shuffled_utilities_keep_topics_shape_and_their_p_is_small_as_often_as_it_says() -> None:
    _, targets = drawn(4)
    for made in scores.shuffled(targets, TOPICS, 3, 0):
        means = [sorted(scores.means(each, TOPICS)[:, 0].round(9)) for each in (made, targets)]
        assert means[0] == means[1]
        rests = [each - scores.means(each, TOPICS) for each in (made, targets)]
        np.testing.assert_allclose(np.sort(rests[0].reshape(6, 10, 2), 1), np.sort(rests[1].reshape(6, 10, 2), 1))
    among = probe.folds(TOPICS, 3)
    small = []
    for seed in range(100):
        random = np.random.default_rng(seed)
        # Both have topics, and nothing to do with each other.
        x = random.normal(size=(60, 15)) + 2 * random.normal(size=(6, 15))[TOPICS]
        y = random.normal(size=(60, 1)) + random.normal(size=(6, 1))[TOPICS]
        every = np.hstack([y, *scores.shuffled(y, TOPICS, 99, seed)])
        made = probe.crossed(x, every, among).predicted
        found = np.array([scores.once(every[:, n], made[:, n]) for n in range(100)])
        small.append(scores.chance(found[0], found[1:]) <= 0.05)
    # 5 of 100 are expected; 11 and more come by chance in one of a hundred.
    assert np.sum(small) <= 10
