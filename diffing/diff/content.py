"""Behaviours that belong to one category of prompts: there is a difference there, and next to none elsewhere.

Read from discovery prompts alone, so that the category's held-out prompts can be asked whether it is so. Promises
nothing of categories with few prompts, which are told apart from no other.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.special import ndtr

from diffing.common.arrays import Floats
from diffing.diff.measure import EQUIVALENT, LEAST, LEVEL

REST = 0.25
"""Of the category's difference, what the other prompts may show: with more it is no matter of one category."""


def categories(difference: Floats, groups: "pd.Series[str]", held_out: Mapping[str, int]) -> list[str]:
    """Of each behaviour the category that it belongs to, or "" where it is not of one.

    `difference` is discovery prompts × behaviours, B minus A. Of a behaviour that belongs to a category the other
    prompts differ by no more than `EQUIVALENT` and `REST`, and the category differs from them for sure, corrected
    for all that was asked here; and twice as many of its `held_out` prompts as a test needs will differ, if they
    do as these.
    """
    names = [name for name in sorted(groups.unique()) if name]
    found = [""] * difference.shape[1]
    if len(names) < 2 or not difference.size:
        return found
    level = LEVEL / (len(names) * difference.shape[1])
    for name in names:
        inside = (groups == name).to_numpy()
        own, rest = difference[inside], difference[~inside]
        apart = own.mean(axis=0) - rest.mean(axis=0)
        # One prompt more each way, as in all intervals: what never differed has some variance too.
        spread = sum((side.var(axis=0) + 2 / len(side) ** 2) / len(side) for side in (own, rest))
        p = 2 * ndtr(-np.abs(apart) / np.sqrt(spread))
        size = np.abs(own.mean(axis=0))
        only = np.abs(rest.mean(axis=0)) <= np.minimum(EQUIVALENT, REST * size)
        for column in np.flatnonzero((p < level) & only & (size * held_out.get(name, 0) >= 2 * LEAST)).tolist():
            found[column] = str(name)
    return found
