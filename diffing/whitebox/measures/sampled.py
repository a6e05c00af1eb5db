"""A bounded sample of rows, document by document: what is left of a pass once its sums are made.

Promises that which documents are in it hangs on a seed and on their lengths alone, that a document is in it whole,
and that intervals draw documents anew, as positions of one text are not independent.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from diffing.common.arrays import Array, Bools
from diffing.whitebox.texts import Document

FIRST, SECOND, HELD = range(3)
"""The two halves of the discovery documents, and those that confirm."""
HALVES = (FIRST, SECOND)


def grouped(documents: Sequence[Document], seed: int) -> Array:
    """Which of the three each document belongs to."""
    held = np.array([document.held_out for document in documents])
    found = np.full(len(documents), HELD)
    order = np.random.default_rng(seed).permutation(np.flatnonzero(~held))
    found[order[::2]], found[order[1::2]] = FIRST, SECOND
    return found


def chosen(group: Array, rows: Array, most: int, seed: int) -> Bools:
    """Documents of each group that hold so many rows together, one at least."""
    found: Bools = np.zeros(len(group), bool)
    for number in (FIRST, SECOND, HELD):
        order = np.random.default_rng([seed, number]).permutation(np.flatnonzero(group == number))
        found[order[: 1 + int(np.searchsorted(np.cumsum(rows[order]), most))]] = True
    return found


class Sample(NamedTuple):
    """Rows, and where they come from."""

    document: Tensor
    position: Tensor
    rows: Tensor
    """Float32, on the host."""
    group: Tensor
    """Each row's document's."""

    def of(self, *groups: int) -> "Sample":
        """The rows of some groups."""
        here = torch.isin(self.group, torch.tensor(groups))
        return Sample(*(part[here] for part in self))

    def sums(self, values: Tensor) -> Tensor:
        """Of each document, in float64."""
        _, of = torch.unique(self.document, return_inverse=True)
        count = int(of.max()) + 1 if len(of) else 0
        return torch.zeros(count, *values.shape[1:], dtype=torch.float64).index_add_(0, of, values.double())

    @property
    def counts(self) -> Tensor:
        """Rows of each document."""
        return self.sums(torch.ones(len(self.document)))
