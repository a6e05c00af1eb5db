"""From active (token, feature, value) triples on any device to compact encodings in host memory.

Everything that costs is done where the triples are: sorting by feature, finding runs, their peaks, and coding
the values. What then travels to the host is about four bytes a triple, on a stream of its own into pinned memory.
The order is total, so the result does not depend on how texts were batched, only on the triples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffing.common.arrays import Array
from diffing.reader.records import STEPS, Encoding


@dataclass(frozen=True, slots=True)
class Compact:
    """A batch of encodings on its way to the host: wait for `ready` before reading."""

    runs: Tensor
    """Runs of each text."""
    feature: Tensor
    peak: Tensor
    count: Tensor
    position: Tensor
    code: Tensor
    negative: Tensor | None
    ready: torch.cuda.Event | None


def compact(
    row: Tensor, feature: Tensor, value: Tensor, text: Tensor, position: Tensor, texts: int, n_features: int
) -> Compact:
    """Group triples by text and feature; `text` and `position` say which text's which token each row is.

    The triples come ordered by row, and rows of one text by position.
    """
    # 64 bits: texts times features passes 32 for a batch of short answers and a wide dictionary.
    group = text[row].long() * n_features + feature
    # Stable: inside a group the triples stay ordered by position.
    group, order = torch.sort(group, stable=True)
    value, where = value[order].float(), position[row[order]]
    edge = torch.ones_like(group, dtype=torch.bool)
    edge[1:] = group[1:] != group[:-1]
    starts = edge.nonzero().squeeze(1)
    ends = torch.cat([starts[1:], starts.new_full((1,), len(group))]) if len(starts) else starts
    of_run = edge.cumsum(0) - 1
    run = group[starts]
    size = value.abs()
    # `amax` is the same in any order; a GPU's sums would not be.
    largest = torch.zeros(len(starts), device=size.device).scatter_reduce_(0, of_run, size, "amax")
    code = (torch.log2(size / largest[of_run]) * -STEPS).round().clamp(0, 2**16 - 1)
    # NaN has no integer; its run's peak is NaN, which `encodings` tells as an error.
    code = code.nan_to_num(0).to(torch.int32).to(torch.uint16)
    negative, peak = value < 0, largest
    # Only some kinds of SAE give negative values; the others are spared the signs, their copy and their bytes.
    signed = bool(negative.any())
    if signed:
        # Where a run has both signs at one size, the positive one is its peak.
        top = torch.full_like(largest, -torch.inf).scatter_reduce_(0, of_run, value, "amax")
        peak = torch.where(top == largest, largest, -largest)
    tensors = [
        torch.bincount(run // n_features, minlength=texts),
        (run % n_features).to(torch.int32),
        peak,
        (ends - starts).to(torch.int32),
        # Two bytes where they will do: copies to the host cost a GPU as much as all the sorting.
        where.to(torch.int32) if len(position) >= 2**16 else where.to(torch.int32).to(torch.uint16),
        code,
        *([negative] if signed else []),
    ]
    host, ready = to_host(tensors)
    runs, feature_of, peak, count, where, code, *signs = host
    return Compact(runs, feature_of, peak, count, where, code, signs[0] if signed else None, ready)


def to_host(tensors: Sequence[Tensor]) -> tuple[list[Tensor], torch.cuda.Event | None]:
    """Copies in host memory, and the event after which they are whole (None: they are already)."""
    if not tensors[0].is_cuda:
        return list(tensors), None
    # A copy from the GPU that need not block lands in pinned memory.
    host = [tensor.to("cpu", non_blocking=True) for tensor in tensors]
    ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
    ready.record()
    return host, ready


def encodings(batch: Compact, ids: Sequence[Array], spans: Sequence[Array]) -> list[Encoding | str]:
    """The batch's encodings in the order of its texts, or for each what is wrong with it."""
    if batch.ready is not None:
        batch.ready.synchronize()
    feature, peak, count = batch.feature.numpy(), batch.peak.numpy(), batch.count.numpy()
    position, code = batch.position.numpy(), batch.code.numpy()
    negative = None if batch.negative is None else batch.negative.numpy()
    run_ends = np.concatenate([[0], np.cumsum(batch.runs.numpy())])
    entry_ends = np.concatenate([[0], np.cumsum(count, dtype=np.int64)])[run_ends]
    encoded: list[Encoding | str] = []
    for text, (first, last) in enumerate(zip(run_ends[:-1], run_ends[1:], strict=True)):
        runs, entries = slice(first, last), slice(entry_ends[text], entry_ends[text + 1])
        if not np.isfinite(peak[runs]).all():
            encoded.append("The reader gives activations that are not finite numbers on this answer.")
            continue
        # Another text of the batch may have negative values where this one has none.
        below = None if negative is None or not negative[entries].any() else negative[entries]
        # The only value of a run of one is its peak, which is stored whole.
        kept = np.repeat(count[runs] > 1, count[runs])
        encoded.append(
            Encoding(
                ids[text],
                spans[text],
                feature[runs],
                peak[runs],
                count[runs],
                position[entries],
                code[entries][kept],
                below,
            )
        )
    return encoded
