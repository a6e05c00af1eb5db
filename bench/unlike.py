"""Categories of unlike sizes, with differences of unlike spreads and one mean: nothing for heterogeneity to find.

Real categories are like that: a feature of code lives in the prompts about code, and there are few of them. A
prompt's answers show a feature as often on A as on B; where a mean is asked for, some prompts besides show it on B
alone, as many in every category. Knows nothing of answers and tokens: what is made is how many prompts differ by
how much.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from diffing.common.arrays import Array, Floats
from diffing.diff import groups, measure, pairing
from diffing.diff.tally import Leads

SIZES = (30, 45, 60, 80, 131)
"""Prompts of each category, as unlike as in the sets of prompts that people use."""
FEATURES = 250
SPREAD = 1.5
"""Standard deviation of a category's log share round the feature's own."""
ALONE = 0.3
"""Share of features that live in one category only."""
MEANS = {"exchanged sides": 0.0, "one mean of 10 points": 0.1}


class Tested(NamedTuple):
    """What the test of heterogeneity made of features that have nothing to find."""

    p: Floats
    q: Floats
    alone: Array
    """Which features live in one category only."""


def tested(mean: float, draws: int, random: np.random.Generator) -> Tested:
    """One study's features of one mean in all categories."""
    category = np.repeat(np.arange(len(SIZES)), SIZES)
    typical = 0.005 * (0.5 / 0.005) ** random.beta(1.0, 1.3, FEATURES)
    share = typical * np.exp(SPREAD * random.normal(size=(len(SIZES), FEATURES)))
    alone = random.random(FEATURES) < ALONE
    home = random.integers(0, len(SIZES), FEATURES)
    share[:, alone] *= np.arange(len(SIZES))[:, None] == home[alone]
    # A feature of one category is no rarity there.
    share[home[alone], np.flatnonzero(alone)] *= 4
    share = np.minimum(share, 0.5)[category]
    a, b = (random.binomial(draws, share) for _ in range(2))
    moved = random.random(share.shape) < mean
    return Tested(*_p_and_q(np.where(moved, draws, b - a), draws, random), alone)


def _p_and_q(ahead: Array, draws: int, random: np.random.Generator) -> tuple[Floats, Floats]:
    """By how many draws B leads, prompts x features, as the diff would test it."""
    n = len(ahead)
    ids = [f"{number:05}" for number in range(n)]
    prompts = pd.DataFrame({"id": ids, "split": "discovery", "tags": ""})
    prompts["category"] = np.repeat([f"c{number}" for number in range(len(SIZES))], SIZES)
    rows = pd.DataFrame({"prompt_id": np.repeat(ids, draws), "draw": np.tile(np.arange(draws), n), "excluded": ""})
    nothing = {name: 0 for name in pairing.WHOLE.values() if name != "row"}
    pairs = pairing.from_table(rows.assign(flag_a="", flag_b="", **nothing), prompts)
    sizes = np.arange(1, draws + 1)
    more_a, more_b = (
        np.stack([[(sign * ahead[pairs.cell == cell] == size).sum(axis=0) for size in sizes] for cell in range(5)])
        for sign in (-1, 1)
    )
    leads = Leads(sizes, draws, more_a.transpose(0, 2, 1), more_b.transpose(0, 2, 1))
    testable = (ahead != 0).sum(axis=0) >= measure.LEAST
    found = groups.heterogeneity(leads, pairs, testable, int(random.integers(2**31)))
    return found["p_heterogeneity"], found["q_heterogeneity"]
