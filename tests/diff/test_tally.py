"""Counting prompt by prompt: any number of draws, in memory that prompts do not fill."""

import tracemalloc

import numpy as np

from diffing.common.arrays import Array
from diffing.diff import presence, tally
from diffing.reader.summaries import Document, Entries
from tests.fakes.documents import Documents, paired


def test_many_draws_of_one_prompt_are_counted_to_the_last() -> None:
    draws = 200
    never, each = np.zeros((1, 1)), np.ones((1, 1))
    documents = Documents([*[never] * draws, *[each] * draws])
    pairing = paired(np.ones(2 * draws, int), 1, draws)
    leads = tally.count(presence.shown(documents, np.arange(2 * draws)), pairing, ["whole"]).views["whole"]
    more_a, more_b = leads.of()
    assert more_a.sum() == 0
    assert (more_b @ leads.sizes).tolist() == [leads.unit]


class Silent:
    """Documents of very many features that show none of them."""

    n_features = 50_000

    def document(self, _number: int) -> Document:
        nothing = np.empty(0, np.int64)
        return Entries(nothing, nothing, nothing, nothing, nothing.astype(np.float32))

    def block(self, _documents: Array) -> presence.Block:
        nothing = np.empty(0, np.int64)
        return presence.Block(nothing, nothing, nothing, nothing, nothing, nothing.astype(np.float32))


def peak(prompts: int) -> int:
    """Bytes that counting takes at most."""
    pairing = paired(np.ones(2 * prompts, int), prompts)
    tracemalloc.start()
    try:
        tally.count(Silent(), pairing, ["whole"])
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_prompts_times_features() -> None:
    # Four hundred prompts more would be 20 million cells; both numbers fill their blocks.
    assert peak(700) - peak(300) < 1_000_000
