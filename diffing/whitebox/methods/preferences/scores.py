"""How well predictions fit utilities, how far that may be off, and what shuffled utilities give.

Intervals draw topics anew and then prompts within them; the probes stay as they were fitted. Shuffled utilities
keep their topics' shape: the topics' means change places among topics, and what is left of each prompt changes
places within its topic. Promises that differences are paired: both sides see the same draws.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from diffing.common import resampling
from diffing.common.arrays import Array, Floats


class Score(NamedTuple):
    """A score with its 95 % interval."""

    value: float
    low: float
    high: float


def draws(topics: Array, resamples: int, seed: int) -> Floats:
    """How often each prompt counts in each draw of topics, then of prompts: [resamples, prompts]."""
    names, place = np.unique(topics, return_inverse=True)
    times = resampling.draws(len(names), resamples, seed).astype(np.int64)
    random = np.random.default_rng(seed + 1)
    made = np.zeros((resamples, len(topics)))
    for topic in range(len(names)):
        mine = np.flatnonzero(place == topic)
        # A topic drawn three times draws its prompts three times over.
        made[:, mine] = random.multinomial(times[:, topic] * len(mine), np.full(len(mine), 1 / len(mine)))
    return made


def r2(truth: Floats, predicted: Floats, weights: Floats) -> Floats:
    """Share of the variance that is predicted, by draw; below 0 where the plain mean predicts better."""
    total = weights.sum(1)
    mean = weights @ truth / total
    spread = weights @ truth**2 / total - mean**2
    wrong = weights @ (truth - predicted) ** 2 / total
    # A draw in which all utilities are alike has nothing to be predicted.
    found: Floats = 1.0 - wrong / np.where(spread > 1e-12, spread, np.nan)
    return found


def once(truth: Floats, predicted: Floats) -> float:
    """The same of the prompts as they are."""
    return float(r2(truth, predicted, np.ones((1, len(truth))))[0])


def scored(truth: Floats, predicted: Floats, weights: Floats) -> Score:
    drawn = r2(truth, predicted, weights)
    low, high = np.nanquantile(drawn, resampling.ENDS)
    return Score(once(truth, predicted), float(low), float(high))


def apart(truth: Floats, one: Floats, other: Floats, weights: Floats) -> Score:
    """How much better one prediction is than the other, both of the same utilities, in the same draws."""
    drawn = r2(truth, one, weights) - r2(truth, other, weights)
    low, high = np.nanquantile(drawn, resampling.ENDS)
    return Score(once(truth, one) - once(truth, other), float(low), float(high))


def rank(truth: Floats, predicted: Floats) -> float:
    """Rank correlation (Spearman); NaN where one side has no order."""
    a, b = rankdata(truth), rankdata(predicted)
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else float("nan")


def within(truth: Floats, predicted: Floats, topics: Array) -> float:
    """Correlation of what is left once each topic's mean is taken out of both: finer than a topic."""
    a, b = (values - means(values, topics) for values in (truth, predicted))
    return float(a @ b / np.sqrt((a @ a) * (b @ b))) if a @ a > 1e-12 and b @ b > 1e-12 else float("nan")


def means(values: Floats, topics: Array) -> Floats:
    """Each prompt's topic's mean; `values` are [prompts] or [prompts, several]."""
    _, place, count = np.unique(topics, return_inverse=True, return_counts=True)
    member = np.eye(len(count))[place]
    found: Floats = (member / count) @ (member.T @ values)
    return found


def told(values: Floats, topics: Array) -> Floats:
    """What the topic alone predicts where it is known: the mean of the topic's other prompts."""
    _, place, count = np.unique(topics, return_inverse=True, return_counts=True)
    size = count[place]
    overall = (values.sum() - values) / (len(values) - 1)
    others = (means(values, topics) * size - values) / np.maximum(size - 1, 1)
    found: Floats = np.where(size > 1, others, overall)
    return found


def shuffled(targets: Floats, topics: Array, count: int, seed: int) -> Floats:
    """Utilities as they would be if they had nothing to do with the prompts: [count, prompts, targets].

    All targets are shuffled alike, so that what they have in common stays.
    """
    names, place = np.unique(topics, return_inverse=True)
    mean = means(targets, topics)
    rest = targets - mean
    first = np.array([np.flatnonzero(place == topic)[0] for topic in range(len(names))])
    random = np.random.default_rng(seed)
    made = np.empty((count, *targets.shape))
    for number in range(count):
        order = np.arange(len(targets))
        for topic in range(len(names)):
            mine = np.flatnonzero(place == topic)
            order[mine] = mine[random.permutation(len(mine))]
        made[number] = mean[first[random.permutation(len(names))]][place] + rest[order]
    return made


def chance(found: float, null: Floats) -> float:
    """One-sided p of a score among those of shuffled utilities; the found one is one of them."""
    return float((1 + np.sum(null >= found)) / (1 + len(null)))
