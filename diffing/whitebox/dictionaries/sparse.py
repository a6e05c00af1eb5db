"""Arithmetic that touches active entries alone: which they are, sums of rows, products of rows; and Adam's step.

On a GPU with Triton these are `kernels`, on anything else plain PyTorch, in which an `embedding_bag` is both a
decoder and, over the same entries by latent, its gradient. Promises exactly the strongest entries of a batch (of
equal ones any), sums in the table's format or better, and on a CPU the same bits every time with as many threads.
"""

from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

DENSE_CPU = 2**20
"""Activations held densely at once: 4 MiB of float32, which stay in a CPU's caches until they are searched."""
DENSE_GPU = 2**28
"""512 MiB of bfloat16: little beside what Adam keeps, and thousands of rows, so the product runs at full speed."""
SLACK = 0.95
"""How far below the last batch's bar candidates are looked for: batches' bars lie within a percent or two of each
other, and each percent lower brings some 7 % more candidates. Too few are noticed, and looked for again lower."""
ROUNDING = 1e-5
"""More than what float32 loses between an activation and its scaled value."""
SAMPLE = 256
"""Rows that a first bar is guessed from: some 25,000 active entries."""


class Entries(NamedTuple):
    """Active entries of a batch, by row."""

    row: Tensor
    latent: Tensor
    value: Tensor

    def scaled(self, scale: Tensor) -> Tensor:
        """What entries are ranked by: how much each writes."""
        return self.value * scale[self.latent]


@cache
def _triton() -> bool:
    return find_spec("triton") is not None


def by_kernels(table: Tensor) -> bool:
    """Whether the work on a table is Triton's: on a GPU, where PyTorch brings it, and in no finer format."""
    return table.is_cuda and _triton() and table.dtype != torch.float64


def runs(rows: int, latents: int, gpu: bool) -> Iterator[slice]:
    """Rows in runs of about one length whose dense activations stay small."""
    most = max(1, (DENSE_GPU if gpu else DENSE_CPU) // latents)
    count = max(1, -(-rows // most))
    step = max(1, -(-rows // count))
    for begin in range(0, rows, step):
        yield slice(begin, min(rows, begin + step))


def above(dense: Tensor, limit: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Entries above their column's limit as (row, column, value), by row then column."""
    if by_kernels(dense):
        from diffing.models import kernels

        # Triton launches on the current device, wherever the data lies.
        with torch.cuda.device(dense.device):
            return kernels.active(dense, limit)
    if dense.device.type == "cpu":
        # NumPy finds them in a third of the time that `nonzero` takes.
        numbers = dense.numpy()
        active = np.flatnonzero(numbers > limit.numpy())
        row, column = map(torch.from_numpy, np.divmod(active, dense.shape[1]))
        return row, column, torch.from_numpy(numbers.reshape(-1)[active])
    row, column = (dense > limit).nonzero(as_tuple=True)
    return row, column, dense[row, column]


def active(inputs: Tensor, encoder: Tensor, bias: Tensor, limit: Tensor, kind: torch.dtype) -> Entries:
    """Entries whose activation is above its latent's limit (and above 0); values in the given format."""
    found = []
    for run in runs(len(inputs), len(encoder), inputs.is_cuda):
        row, latent, value = above(F.linear(inputs[run], encoder, bias), limit)
        found.append((row + run.start, latent, value.to(kind)))
    if not found:
        none = torch.zeros(0, dtype=torch.long, device=inputs.device)
        return Entries(none, none, none.to(kind))
    return Entries(*(torch.cat(column) for column in zip(*found, strict=True)))


def strongest(
    inputs: Tensor, encoder: Tensor, bias: Tensor, scale: Tensor, count: int, bar: Tensor | None
) -> tuple[Entries, Tensor]:
    """The `count` entries of a batch with the largest scaled activation above 0, and the least of these.

    Where fewer are above 0 these are all, and the least is told as 0. `bar` is where the least one lay in the
    batch before: a guess that saves time and changes nothing.
    """
    scale = scale.clamp(min=torch.finfo(scale.dtype).tiny)
    guess = _guess(inputs, encoder, bias, scale, count) if bar is None else bar * SLACK
    while True:
        # A little lower than the guess, so that no rounding hides an entry that lies at it.
        found = active(inputs, encoder, bias, guess * (1 - ROUNDING) / scale, scale.dtype)
        kept, least = _best(found, scale, count)
        if not bool((guess > 0) & ((least < guess) | (len(found.row) < count))):
            return kept, least
        # The bar fell since the batch before; where even a small part of it is too high, everything is looked at.
        guess = torch.where(guess > 1e-3 * scale.mean(), guess / 2, 0)


class Choice(NamedTuple):
    """What is likely the strongest of a batch."""

    found: Entries
    """Entries of value 0 among them are none: they fill up where fewer are above 0 than were wanted."""
    least: Tensor
    sure: Callable[[], bool]
    """Whether it is; asked as late as can be, since the device must have come so far."""


def choose(inputs: Tensor, encoder: Tensor, bias: Tensor, scale: Tensor, count: int, bar: Tensor | None) -> Choice:
    """`strongest`, without waiting for the device where it is a GPU: no size hangs on what it finds.

    A step launches a hundred small kernels, and behind a wait the GPU stands still for each of them.
    """
    if bar is None or not by_kernels(encoder):
        found, least = strongest(inputs, encoder, bias, scale, count, bar)
        return Choice(found, least, lambda: True)
    from diffing.whitebox.dictionaries import kernels

    with torch.cuda.device(encoder.device):
        scale, guess = scale.clamp(min=torch.finfo(scale.dtype).tiny), bar * SLACK
        limit = guess * (1 - ROUNDING) / scale
        latents = len(encoder)
        kind = torch.int32 if len(inputs) * latents < 2**31 else torch.int64
        # Twice what is wanted: at the usual slack a third more are found.
        keys = torch.zeros(2 * count, dtype=kind, device=encoder.device)
        scores = torch.full((2 * count,), -1.0, device=encoder.device)
        counter = torch.zeros(1, dtype=torch.int32, device=encoder.device)
        for run in runs(len(inputs), latents, gpu=True):
            dense = F.linear(inputs[run], encoder, bias)
            kernels.candidates(dense, limit, scale, counter, keys, scores, run.start)
        best = scores.topk(count, sorted=False)
        value, least = best.values.clamp(min=0), best.values.min().clamp(min=0)
        right = (counter[0] <= len(keys)) & ((guess == 0) | ((counter[0] >= count) & (least >= guess)))
        told = right.to("cpu", non_blocking=True)
        reached = torch.cuda.Event()  # type: ignore[no-untyped-call]
        reached.record()
        key, order = keys[best.indices].sort()
        row, latent = (key // latents).long(), (key % latents).long()
        found = Entries(row, latent, value[order] / scale[latent])

    def sure() -> bool:
        reached.synchronize()
        return bool(told)

    return Choice(found, least, sure)


def _best(found: Entries, scale: Tensor, count: int) -> tuple[Entries, Tensor]:
    """The strongest of some entries, still by row, and the least of them; 0 where there are not so many."""
    scores = found.scaled(scale)
    if len(scores) > count:
        # Back in the order of rows, which the choice does not keep.
        chosen = scores.topk(count, sorted=False).indices.sort().values
        found, scores = Entries(*(column[chosen] for column in found)), scores[chosen]
    return found, scores.min() if len(scores) == count else scores.new_zeros(())


def _guess(inputs: Tensor, encoder: Tensor, bias: Tensor, scale: Tensor, count: int) -> Tensor:
    """A bar somewhat too low, from rows spread over the batch."""
    sample = inputs[:: max(1, len(inputs) // SAMPLE)]
    scores = (F.linear(sample, encoder, bias).to(scale.dtype) * scale).flatten()
    # A quarter more than the sample's share of what is wanted.
    wanted = min(len(scores), max(1, count * len(sample) * 5 // (len(inputs) * 4)))
    return scores.topk(wanted, sorted=False).values.min().clamp(min=0)


def starts(places: Tensor, bags: int) -> Tensor:
    """Where each bag begins, and where the last ends, among entries that are sorted by bag."""
    return torch.searchsorted(places, torch.arange(bags + 1, device=places.device, dtype=places.dtype))


def bags(table: Tensor, index: Tensor, weight: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """The weighted sum of each bag's rows of a table, and the sum of squares of all that."""
    if by_kernels(table):
        from diffing.whitebox.dictionaries import kernels

        with torch.cuda.device(table.device):
            out = weight.new_empty(len(start) - 1, table.shape[1])
            return out, kernels.bags(table, index, weight, start, out)
    sums = F.embedding_bag(index, table.to(weight.dtype), start[:-1], mode="sum", per_sample_weights=weight)
    return sums, torch.linalg.vector_norm(sums).square()


def products(left: Tensor, left_index: Tensor, start: Tensor, right: Tensor, right_index: Tensor) -> Tensor:
    """The inner product of each pair of rows of two tables; pairs are sorted by the left one, as `start` tells."""
    if by_kernels(left):
        from diffing.whitebox.dictionaries import kernels

        with torch.cuda.device(left.device):
            return kernels.products(left, left_index, right, right_index)
    # What autograd has for the weights of sums: eight times as fast on a CPU as gathering both rows.
    with torch.enable_grad():
        weight = torch.ones_like(right_index, dtype=right.dtype).requires_grad_()
        sums = F.embedding_bag(right_index, right, start[:-1], mode="sum", per_sample_weights=weight)
    return torch.autograd.grad(sums, weight, left)[0]


class Moments(NamedTuple):
    """A tensor that Adam learns, with what Adam keeps of it."""

    weights: Tensor
    """In the full format."""
    copy: Tensor
    """The same in the format that products are taken in; where that is the full one, the very same tensor."""
    mean: Tensor
    square: Tensor

    @classmethod
    def of(cls, weights: Tensor, kind: torch.dtype) -> "Moments":
        return cls(weights, weights.to(kind), torch.zeros_like(weights), torch.zeros_like(weights))


BETAS = (0.9, 0.999)
SMALL = 1e-8
"""Adam's usual numbers, and those of every published trainer of dictionaries."""


def adam(learnt: Moments, gradient: Tensor, clip: Tensor, rate: float, step: int) -> Tensor | None:
    """Step `step` (from 1) of Adam, in place, with the gradient times `clip`; the lengths of a matrix's rows.

    All rows move, those without an active entry too: Adam's means decay at every step.
    """
    # 1 - β^step divides both means; what is left of the roots stands at the root of the second.
    rate, unbias = rate / (1 - BETAS[0] ** step), (1 - BETAS[1] ** step) ** -0.5
    weights, copy, mean, square = learnt
    if by_kernels(weights) and weights.dim() == 2:
        from diffing.whitebox.dictionaries import kernels

        with torch.cuda.device(weights.device):
            return kernels.adam(weights, copy, gradient, mean, square, clip, rate, BETAS, unbias, SMALL)
    gradient = gradient.mul_(clip)
    mean.lerp_(gradient, 1 - BETAS[0])
    square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
    weights.addcdiv_(mean, square.sqrt().mul_(unbias).add_(SMALL), value=-rate)
    if copy is not weights:
        copy.copy_(weights)
    return torch.linalg.vector_norm(weights, dim=1) if weights.dim() == 2 else None
