"""Batches: every answer once, within the budget, and the same whatever is stored already."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from diffing.models.tokens import Reading
from diffing.reader.batches import Item, Task, cut


@given(st.lists(st.lists(st.integers(1, 30), max_size=8), max_size=5), st.integers(1, 40))
def test_batches_hold_every_answer_once_and_keep_the_budget(chunks: list[list[int]], budget: int) -> None:
    names = [(c, n, fed) for c, chunk in enumerate(chunks) for n, fed in enumerate(chunk)]
    flat = {(c, n): Item(Task(f"{c} {n}", [], ""), fed, None) for c, n, fed in names}
    items = [[flat[c, n] for n in range(len(chunk))] for c, chunk in enumerate(chunks)]
    batches = list(cut(items, budget))
    assert sorted(i for b in batches for i in b) == sorted(i for c in items for i in c)
    assert all(len(b) == 1 or sum(i.fed for i in b) <= budget for b in batches)


@given(st.lists(st.tuples(st.integers(1, 30), st.booleans()), max_size=12), st.integers(1, 40))
def test_what_is_stored_already_changes_no_batch(texts: list[tuple[int, bool]], budget: int) -> None:
    empty = Reading([], np.zeros((0, 2), np.int32))
    fresh = [Item(Task(str(n), [], ""), fed, empty) for n, (fed, _) in enumerate(texts)]
    resumed = [
        item._replace(reading=None) if stored else item for item, (_, stored) in zip(fresh, texts, strict=True)
    ]

    def keys(items: list[Item]) -> list[list[str]]:
        return [[item.task.key for item in batch] for batch in cut([items], budget)]

    assert keys(fresh) == keys(resumed)
