"""Counting prompt by prompt: what is kept grows with what differs, and not with prompts times features."""

import numpy as np

from diffing.diff import presence, tally
from tests.fakes.documents import Documents, paired


def kept(prompts: int, features: int) -> int:
    """Bytes of all arrays that a tally holds, where B alone shows the first feature on every prompt."""
    nothing, first = np.zeros((1, features)), np.zeros((1, features))
    first[0, 0] = 1
    documents = Documents([nothing, first] * prompts)
    shown = presence.shown(documents, np.arange(2 * prompts))
    found = tally.count(shown, paired(np.ones(2 * prompts, int), prompts), ["whole"])
    arrays = [array for leads in found.views.values() for array in (leads.more_a, leads.more_b)]
    for amounts in (found.rate, found.strength):
        arrays += [array for moved in amounts._moved for array in moved]
    return sum(array.nbytes for array in arrays)


def test_memory_does_not_grow_with_prompts_times_features() -> None:
    few, many = (kept(60, features) - kept(30, features) for features in (300, 3000))
    assert 0 < few == many
