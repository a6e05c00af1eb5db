"""How far two next-token distributions lie apart, position by position, in nats.

Promises float32 throughout and that positions which do not count (templates, prompts, what nothing predicts) are
told apart by documents alone. Holds no threshold and no test.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.special import stdtrit
from torch import Tensor

from diffing.common.arrays import Array, Floats, Ints
from diffing.common.resampling import reach
from diffing.whitebox.pairs.pair import Batch, Pair
from diffing.whitebox.texts import Document


def kl(first: Tensor, second: Tensor) -> Tensor:
    """KL(first ‖ second) of each row of log-probabilities."""
    return contributions(first, second).sum(-1)


def contributions(first: Tensor, second: Tensor) -> Tensor:
    """What each token adds to KL(first ‖ second); nothing where the first gives it no chance."""
    return torch.where(first.isneginf(), 0.0, first.exp() * (first - second))


def jensen_shannon(first: Tensor, second: Tensor) -> Tensor:
    """Mean KL of both against their mixture; at most ln 2."""
    mixed = torch.logaddexp(first, second) - torch.log(torch.tensor(2.0))
    return (kl(first, mixed) + kl(second, mixed)) / 2


class Rows:
    """Columns that are filled on the device, a piece at a time, and copied to the host a batch at a time.

    A copy waits for all that the device was given before, so one for each piece would keep it idle.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, list[Tensor]] = {}
        self._settled: dict[str, list[Tensor]] = {}

    def add(self, **columns: Tensor) -> None:
        for name, column in columns.items():
            self._waiting.setdefault(name, []).append(column)

    def settle(self) -> None:
        """Copy what is waiting."""
        for name, pieces in self._waiting.items():
            self._settled.setdefault(name, []).append(torch.cat(pieces).cpu())
        self._waiting = {}

    def columns(self) -> dict[str, Array]:
        """All of it."""
        self.settle()
        return {name: torch.cat(pieces).numpy() for name, pieces in self._settled.items()}


def jackknife(sums: Floats, sizes: Ints) -> tuple[Floats, Floats]:
    """95 % of sums over sizes, from blocks × things: each block is left out once.

    Without two blocks nothing is known, and the interval has no ends.
    """
    sums, sizes = sums[sizes > 0], sizes[sizes > 0]
    total = sums.sum(0) / max(1, sizes.sum())
    # Where there is but one block nothing is left without it.
    half = reach((sums.sum(0) - sums) / np.maximum(1, sizes.sum() - sizes)[:, None])
    return total - half, total + half


def ratio(values: Floats, document: Ints) -> tuple[Floats, Floats, Floats]:
    """Means of tokens × things with 95 % over documents: tokens of one text are not independent."""
    _, of = np.unique(document, return_inverse=True)
    count, sizes = int(of.max()) + 1, np.bincount(of)
    mean = values.mean(0)
    sums = np.stack([np.bincount(of, column, count) for column in values.T], axis=1)
    if count < 2:
        return mean, np.full_like(mean, -np.inf), np.full_like(mean, np.inf)
    # Each document's sum beside what the mean makes of its size.
    squares = ((sums - sizes[:, None] * mean) ** 2).sum(0) * count / (count - 1)
    half = stdtrit(count - 1, 0.975) * np.sqrt(squares) / len(values)
    return mean, mean - half, mean + half


def predicting(batch: Batch, documents: Sequence[Document]) -> Tensor:
    """Which rows predict a token that counts, as a mask."""
    start = torch.tensor([document.start for document in documents])[batch.document]
    stop = torch.tensor([document.stop for document in documents])[batch.document]
    return (batch.position >= start - 1) & (batch.position < stop - 1)


def mean_kl(pair: Pair, documents: Sequence[Document], check: Callable[[], None] = lambda: None) -> float:
    """Mean KL(variant ‖ base) over the positions that count."""
    total, count = 0.0, 0
    for batch in pair.run([document.ids for document in documents], logits=True, check=check):
        for chunk in pair.log_probs(batch, predicting(batch, documents)):
            rows = kl(chunk.variant, chunk.base)
            # In float64, so that the order of batches does not matter.
            total, count = total + float(rows.double().sum()), count + len(rows)
    return total / count
