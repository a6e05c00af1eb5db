"""A diff's habits against those that were planted: which were found, and which are none of them."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from bench.exchange import Sides
from diffing.common.arrays import Array
from diffing.study.study import Study

ALIKE = 0.5
"""Correlation over prompts from which a habit is a planted one."""


class Apart(NamedTuple):
    """Habits against what was planted."""

    habits: int
    found: int
    """Planted ones that a habit is."""
    false: int
    """Habits that are none of them."""


def told_apart(study: Study, a: str, b: str, changed: dict[str, Array]) -> Apart:
    """`changed`: by side, prompts in the study's order × plants, which answers have it."""
    sides = Sides(study, a, b)
    ids = {prompt: row for row, prompt in enumerate(study.prompts()["id"])}
    order = [ids[prompt] for prompt in sides.pairs.prompts["id"]]
    true = sum(
        sign * changed[side][order].astype(float) for side, sign in (("a", -1), ("b", 1)) if side in changed
    )
    return matched(sides, np.asarray(true))


def matched(sides: Sides, true: Array) -> Apart:
    """By the correlation over prompts of each habit's lead with each plant, in pairs that fit best together."""
    habits = sides.habits(sides.compared(sides.pairs, 0), sides.pairs)
    leads = habits[habits["lead"]]
    if leads.empty:
        return Apart(0, 0, 0)
    moved = [
        sides.difference(sides.shows(*lead), sides.pairs)
        for lead in zip(leads["kind"], leads["name"], strict=True)
    ]
    like = np.abs(np.corrcoef(moved, true.T)[: len(moved), len(moved) :])
    best = like[linear_sum_assignment(like, maximize=True)]
    return Apart(len(moved), int(np.sum(best >= ALIKE)), int(np.sum(like.max(axis=1) < ALIKE)))
