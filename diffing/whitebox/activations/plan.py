"""In which order tokens flow: drawn from a seed and from how long the documents are, before any pass is made.

Documents are shuffled and cut into portions of half a buffer. A portion's rows are dealt at random to the next
`STEPS` steps, a third to each, and what a step holds is shuffled again: so each step mixes the documents of three
portions, one half of a full buffer goes out at each, and the other half is refilled. Because no row stays longer,
any point of the flow is reached again by reading three portions. Promises that the order hangs on nothing else.
"""

from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np

from diffing.common.arrays import Bools, Ints
from diffing.common.errors import UserError
from diffing.whitebox.activations.corpus import Corpus, Role

STEPS = 3
"""Steps over which a portion goes out. Of two, what waits would be a third of the buffer, and of more, more would
have to be read again after a kill."""
DOCUMENTS, DEALT, ROWS = range(3)
"""What is drawn, so that no two draws share their numbers."""


class Portion(NamedTuple):
    """Documents that are read together."""

    documents: Ints
    """In the order in which their rows stand."""
    starts: Ints
    """Where each document's wanted rows begin among the portion's."""
    rows: int


class Plan:
    """The order of all rows of several rounds through the documents."""

    def __init__(self, corpus: Corpus, roles: Collection[Role], buffer: int, rounds: int, seed: int) -> None:
        self.seed = seed
        self.wanted: Bools = corpus.wanted(roles)
        self.offsets = corpus.data.offsets
        # Behind the last token stands nothing, so that the last document's sum has an end.
        self.before: Ints = np.concatenate([[0], np.cumsum(self.wanted)])
        """How many wanted tokens there are before each."""
        counts: Ints = np.diff(self.before[self.offsets])
        if not counts.any():
            raise UserError("None of the texts has a token of the roles that are asked for; choose others.")
        self.portions: list[Portion] = []
        for turn in range(rounds):
            order = np.random.default_rng([seed, DOCUMENTS, turn]).permutation(len(corpus))
            # A document of which nothing is wanted need not be read, and none is twice in a portion.
            self.portions += _cut(order[counts[order] > 0], counts, max(1, buffer // 2))
        dealt = [
            [(portion.rows + STEPS - 1 - step) // STEPS for step in range(STEPS)] for portion in self.portions
        ]
        self.steps = len(dealt) + STEPS - 1
        """How many steps there are: the last portions run out."""
        self.sizes = [
            sum(dealt[step - age][age] for age in range(STEPS) if 0 <= step - age < len(dealt))
            for step in range(self.steps)
        ]
        """Rows that go out at each step."""
        self.starts: Ints = np.concatenate([[0], np.cumsum(self.sizes)])
        held = [
            sum(sum(dealt[step - age][age:]) for age in range(STEPS) if 0 <= step - age < len(dealt))
            for step in range(self.steps)
        ]
        self.most = max(held)
        """Rows that the buffer holds at most."""

    @property
    def rows(self) -> int:
        """Rows in all."""
        return int(self.starts[-1])

    @property
    def order(self) -> Ints:
        """Documents in the order in which they are read."""
        return np.concatenate([portion.documents for portion in self.portions])

    def rank(self, document: Ints, position: Ints) -> Ints:
        """Which of its document's wanted tokens a wanted token is."""
        begin = self.offsets[document]
        ranks: Ints = self.before[begin + position] - self.before[begin]
        return ranks

    def step_of(self, row: int) -> int:
        """The step in which a row goes out; one behind the last where all have."""
        return int(np.searchsorted(self.starts, row, side="right")) - 1

    def last(self, step: int) -> range:
        """Portions of which something goes out at a step, or waits."""
        return range(max(0, step - STEPS + 1), min(step + 1, len(self.portions)))

    def dealt(self, portion: int) -> Ints:
        """How many steps each row of a portion waits, a third of them each."""
        draws = np.random.default_rng([self.seed, DEALT, portion])
        waits: Ints = draws.permutation(self.portions[portion].rows) % STEPS
        return waits

    def going(self, step: int) -> tuple[Ints, Ints]:
        """Portion and row of all that goes out at a step, in its order."""
        parts = [(number, np.flatnonzero(self.dealt(number) == step - number)) for number in self.last(step)]
        portions: Ints = np.concatenate([np.full(len(rows), number) for number, rows in parts])
        rows: Ints = np.concatenate([rows for _, rows in parts])
        order = np.random.default_rng([self.seed, ROWS, step]).permutation(len(rows))
        return portions[order], rows[order]


def _cut(order: Ints, counts: Ints, size: int) -> Iterator[Portion]:
    """Documents in portions of at least so many rows, but for the last: what is over goes with a document."""
    begin = 0
    sums = np.cumsum(counts[order])
    while begin < len(order):
        before = int(sums[begin - 1]) if begin else 0
        end = min(len(order), int(np.searchsorted(sums, before + size)) + 1)
        documents = order[begin:end]
        starts = np.concatenate([[0], np.cumsum(counts[documents])])
        yield Portion(documents, starts[:-1], int(starts[-1]))
        begin = end
