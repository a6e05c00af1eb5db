"""Ridge probes on activations: fitted for every strength of the penalty at once, scored on topics they never saw.

Folds go by topic, and within the training topics of each the penalty (and, of several readings, the layer and
place) is chosen by folds of those topics. Promises that nothing of a fold's own topics enters its probe: neither
means, nor spreads, nor a choice. Everything is in closed form: one decomposition a fold serves all penalties and
all targets, so that a permuted target costs next to nothing.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from diffing.common.arrays import Array, Floats, Ints

ALPHAS = 10.0 ** np.arange(-3.0, 3.5, 0.5)
"""Penalties, in units of the mean squared length of a standardised row: from next to none to one that leaves
little but the mean."""
LEAST = 4
"""Topics: three to learn from, of which two are left when the penalty is chosen, and one to be scored on."""
INNER = 4
"""Folds of the training topics at most."""


class Fold(NamedTuple):
    """Prompts that are learned from and prompts that are scored; `inner` splits the former, by places in them."""

    train: Ints
    test: Ints
    inner: tuple[tuple[Ints, Ints], ...]


def folds(topics: Array, count: int) -> list[Fold]:
    """Folds by topic: no topic is on both sides of any split."""
    outer = _split(topics, count)
    return [Fold(train, test, tuple(_split(topics[train], INNER))) for train, test in outer]


def _split(topics: Array, count: int) -> list[tuple[Ints, Ints]]:
    from sklearn.model_selection import GroupKFold

    splits = min(count, len(np.unique(topics)))
    return list(GroupKFold(n_splits=splits).split(np.zeros(len(topics)), groups=topics))


class Decomposed(NamedTuple):
    """A fold's features, from which every penalty's predictions are a product away."""

    left: Floats
    """[scored rows, rank]"""
    spectrum: Floats
    right: Floats
    """[rank, training rows]"""
    scale: float
    """Mean squared length of a training row: the unit of a penalty."""

    def predicted(self, along: Floats, alpha: float) -> Floats:
        """Predictions of centred targets: `along` is `right @ targets`."""
        found: Floats = self.left @ (along / (self.spectrum + alpha * self.scale)[:, None])
        return found


def decomposed(train: Floats, test: Floats, standardise: bool = True) -> Decomposed:
    """Features centred, and standardised, by the training rows; on the smaller side of the two."""
    mean = train.mean(0)
    spread = train.std(0) if standardise else np.ones(train.shape[1])
    # What never varies says nothing; a feature that only varies in scored rows must not blow up there.
    spread = np.where(spread > 1e-12 * (1.0 + np.abs(mean)), spread, np.inf)
    a, b = (train - mean) / spread, (test - mean) / spread
    if a.shape[1] < len(a):
        spectrum, basis = np.linalg.eigh(a.T @ a)
        left, right = b @ basis, basis.T @ a.T
    else:
        spectrum, basis = np.linalg.eigh(a @ a.T)
        left, right = (b @ a.T) @ basis, basis.T
    # Without any variation there is nothing but the mean: a unit that is not nought keeps that so.
    return Decomposed(left, spectrum.clip(min=0.0), right, float(spectrum.sum()) / len(a) or 1.0)


class Crossed(NamedTuple):
    """What one reading (a layer and place, or texts) gives by cross-validation."""

    predicted: Floats
    """[prompts, targets], each from the fold that did not see the prompt's topic."""
    error: Floats
    """[folds, targets]: mean squared error of the chosen penalty in the inner folds."""
    alpha: Ints
    """[folds, targets]: places in `ALPHAS`."""


def crossed(features: Floats, targets: Floats, among: Sequence[Fold], standardise: bool = True) -> Crossed:
    """Each target predicted from the features."""
    made = np.empty(targets.shape)
    errors, chosen = np.empty((2, len(among), targets.shape[1]))
    for number, fold in enumerate(among):
        x, y = features[fold.train], targets[fold.train]
        squared = np.zeros((len(ALPHAS), targets.shape[1]))
        for train, test in fold.inner:
            squared += [((y[test] - guess) ** 2).sum(0) for guess in _each(x, y, train, test, standardise)]
        best = squared.argmin(0)
        errors[number], chosen[number] = squared.min(0) / len(fold.train), best
        made[fold.test] = at(features, targets, fold, best, standardise=standardise)
    return Crossed(made, errors, chosen.astype(np.int64))


def _each(x: Floats, y: Floats, train: Ints, test: Ints, standardise: bool) -> list[Floats]:
    parts = decomposed(x[train], x[test], standardise)
    mean = y[train].mean(0)
    along = parts.right @ (y[train] - mean)
    return [parts.predicted(along, alpha) + mean for alpha in ALPHAS]


def at(
    features: Floats,
    targets: Floats,
    fold: Fold,
    alpha: Ints,
    other: Floats | None = None,
    standardise: bool = True,
) -> Floats:
    """A fold's predictions, each target by its own penalty; on `other`'s rows, the probe frozen, where given."""
    scored = (features if other is None else other)[fold.test]
    parts = decomposed(features[fold.train], scored, standardise)
    mean = targets[fold.train].mean(0)
    along = parts.right @ (targets[fold.train] - mean)
    found = np.empty((len(fold.test), targets.shape[1]))
    for place in np.unique(alpha):
        mine = alpha == place
        found[:, mine] = parts.predicted(along[:, mine], float(ALPHAS[place]))
    whole: Floats = found + mean
    return whole


class Best(NamedTuple):
    """The nested choice among several readings."""

    predicted: Floats
    """[prompts, targets]"""
    pick: Ints
    """[folds, targets]: which reading."""
    alpha: Ints
    """[folds, targets]"""


def best(readings: Sequence[Crossed], among: Sequence[Fold]) -> Best:
    """In each fold the reading whose inner error is least: the fold's own topics had no say in it."""
    pick = np.stack([reading.error for reading in readings]).argmin(0)
    alpha = np.take_along_axis(np.stack([reading.alpha for reading in readings]), pick[None], 0)[0]
    made = np.empty(readings[0].predicted.shape)
    for number, fold in enumerate(among):
        for target, place in enumerate(pick[number]):
            made[fold.test, target] = readings[place].predicted[fold.test, target]
    return Best(made, pick, alpha)


def frozen(
    sources: Callable[[int], Floats],
    others: Callable[[int], Floats],
    targets: Floats,
    found: Best,
    target: int,
    among: Sequence[Fold],
) -> Floats:
    """One target's chosen probes applied to other activations as they are: [prompts].

    `sources` and `others` give the features of a reading by its number. A probe still meets only topics that it
    did not learn from.
    """
    made = np.empty(len(targets))
    for number, fold in enumerate(among):
        place = int(found.pick[number, target])
        one = targets[:, [target]]
        alpha = found.alpha[number, [target]]
        made[fold.test] = at(sources(place), one, fold, alpha, others(place))[:, 0]
    return made
