"""Principal directions of rows of numbers: sums in float64, how many directions stand above chance, which last.

Promises products in float32 and sums in float64, and that no row is kept for them. Chance is what is left when
every column takes signs at random, one for each document: its numbers keep their sizes and what those of one
document share, and nothing connects the columns any more. So a few texts that are each unlike the others are no
direction. Knows nothing of models.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

DRAWS = 20
"""Of signs: noise exceeds the largest of 20 in one of 21 cases, and in both halves of a sample in one of 441."""
LEAST = 8
"""Documents of which chance can be told: of fewer, two columns often get the very same signs in all of them."""


class Moments:
    """A count, a sum and a sum of products."""

    def __init__(self, width: int, device: torch.device) -> None:
        self.count = 0
        self.sum = torch.zeros(width, dtype=torch.float64, device=device)
        self.product = torch.zeros(width, width, dtype=torch.float64, device=device)

    def add(self, rows: Tensor) -> None:
        rows = rows.float()
        self.count += len(rows)
        self.sum += rows.double().sum(0)
        self.product += (rows.T @ rows).double()

    def with_(self, other: "Moments") -> "Moments":
        """Both together."""
        made = Moments(len(self.sum), self.sum.device)
        made.count = self.count + other.count
        made.sum, made.product = self.sum + other.sum, self.product + other.product
        return made

    @property
    def mean(self) -> Tensor:
        return self.sum / max(1, self.count)

    @property
    def square(self) -> float:
        """Mean squared length."""
        return float(self.product.trace()) / max(1, self.count)

    @property
    def covariance(self) -> Tensor:
        return self.product / max(1, self.count) - torch.outer(self.mean, self.mean)


class Directions(NamedTuple):
    """Directions of unit length, the one of most variance first."""

    values: Tensor
    """Variance along each: all of them."""
    vectors: Tensor
    """[directions, width], as many as were asked for."""


def directions(matrix: Tensor, most: int) -> Directions:
    """Of a covariance or a second moment."""
    values, vectors = torch.linalg.eigh(matrix)
    # Rounding may leave less than nothing.
    return Directions(values.flip(0).clamp(min=0), vectors.flip(1).T[:most].contiguous())


def participation(values: Tensor) -> float:
    """How many directions of equal variance would be as spread out as these."""
    square = float(values.square().sum())
    return float(values.sum()) ** 2 / square if square else 0.0


def chance(
    rows: Tensor, document: Tensor, most: int, seed: int, check: Callable[[], None] = lambda: None
) -> Tensor:
    """The largest variances among `DRAWS` draws of signs: [most]."""
    draws = torch.Generator().manual_seed(seed)
    _, of = torch.unique(document, return_inverse=True)
    shape = (int(of.max()) + 1, rows.shape[1])
    found = []
    for _ in range(DRAWS):
        check()
        signs = torch.randint(2, shape, generator=draws, dtype=torch.int8).mul(2).sub(1).to(rows.device)
        found.append(variances(rows * signs[of], most))
    return torch.stack(found).amax(0)


def variances(rows: Tensor, most: int) -> Tensor:
    """The largest of rows whose mean is taken as 0."""
    found: Tensor = torch.linalg.eigvalsh((rows.T @ rows).double() / len(rows)).flip(0)[:most]
    return found


class Above(NamedTuple):
    """Directions beside what chance gives."""

    standing: int
    """How many in a row stand above it."""
    values: Tensor
    chance: Tensor


def above(rows: Tensor, document: Tensor, most: int, seed: int, check: Callable[[], None] = lambda: None) -> Above:
    """How many directions of some documents' rows stand above chance."""
    if len(torch.unique(document)) < LEAST:
        return Above(0, torch.zeros(0), torch.zeros(0))
    centred = (rows - rows.mean(0)).float()
    values, lot = variances(centred, most), chance(centred, document, most, seed, check)
    below = (values <= lot).nonzero()
    return Above(int(below[0]) if len(below) else len(values), values, lot)


def matched(vectors: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """The other direction that each is nearest to, and the cosine without its sign."""
    cosines = (vectors @ others.T).abs()
    found = cosines.max(1)
    return found.indices, found.values


def lasting(vectors: Tensor, one: Tensor, two: Tensor) -> Tensor:
    """How near the directions of two halves lie to each other that are nearest to each of these."""
    first, second = one[matched(vectors, one)[0]], two[matched(vectors, two)[0]]
    return (first * second).sum(1).abs()


def outside(vectors: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Directions with the span of others taken out, of unit length again, and the share of each that is left."""
    basis = torch.linalg.svd(others.double(), full_matrices=False)
    size = basis.S.max()
    kept = basis.Vh[basis.S / size > 1e-6]
    rest = vectors.double() - vectors.double() @ kept.T @ kept
    lengths = rest.norm(dim=1)
    return rest / lengths.where(lengths > 0, 1.0)[:, None], lengths.square()
