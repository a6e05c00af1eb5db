"""The sparse step's work on a GPU that no library does well: candidates, sums of rows, products of rows, Adam.

Written in Triton, which comes with PyTorch for CUDA; importing this module needs it, and `sparse` has the same in
plain PyTorch. Sums are taken in float32 whatever the numbers' format. Offsets are in 64 bits: 65,536 latents of
8,192 numbers are a quarter of what 32 bits can number, and twice two such tables are not.
"""

import torch
import triton  # type: ignore[import-not-found]
import triton.language as tl  # type: ignore[import-not-found]
from torch import Tensor

BLOCK = 1024
"""Columns of a program: 8 numbers of each of 128 threads, 16 bytes in bfloat16, the widest load there is."""
ROWS = 4
"""Rows that are read at once, so that a program does not wait for each by itself."""


COLUMNS = 2048
"""Activations that a program of the search looks at: few have more than a handful of candidates among so many."""


@triton.jit  # type: ignore[untyped-decorator]
def _candidates(  # type: ignore[no-untyped-def]
    dense, limit, scale, counter, keys, scores, first, width, room, BLOCK: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < width
    here = tl.load(dense + row * width + at, mask=inside, other=float("-inf")).to(tl.float32)
    hit = inside & (here > tl.load(limit + at, mask=inside, other=0.0))
    hits = hit.to(tl.int32)
    count = tl.sum(hits, 0)
    if count > 0:
        place = tl.atomic_add(counter, count) + tl.cumsum(hits, 0) - 1
        # What has no room is counted all the same, so that it is noticed.
        fits = hit & (place < room)
        tl.store(keys + place, (row + first) * width + at, mask=fits)
        tl.store(scores + place, here * tl.load(scale + at, mask=hit, other=0.0), mask=fits)


def candidates(
    dense: Tensor, limit: Tensor, scale: Tensor, counter: Tensor, keys: Tensor, scores: Tensor, first: int
) -> None:
    """Put down where activations are above their column's limit, and their scaled value, in any order.

    `counter` counts them, also those for which there is no more room; `first` is the number of the first row.
    """
    rows, width = dense.shape
    if rows:
        with torch.cuda.device(dense.device):
            _candidates[(rows, triton.cdiv(width, COLUMNS))](
                dense, limit, scale, counter, keys, scores, first, width, len(keys), BLOCK=COLUMNS, num_warps=4
            )


@triton.jit  # type: ignore[untyped-decorator]
def _bags(  # type: ignore[no-untyped-def]
    table, index, weight, start, out, squares, width, parts, ROWS: tl.constexpr, BLOCK: tl.constexpr
):
    bag = tl.program_id(0).to(tl.int64)
    part = tl.program_id(1)
    at = part * BLOCK + tl.arange(0, BLOCK)
    inside = at < width
    begin, end = tl.load(start + bag), tl.load(start + bag + 1)
    total = tl.zeros([BLOCK], tl.float32)
    for first in range(begin, end, ROWS):
        item = first + tl.arange(0, ROWS)
        real = item < end
        row = tl.load(index + item, mask=real, other=0).to(tl.int64) * width
        share = tl.load(weight + item, mask=real, other=0.0)
        here = tl.load(table + row[:, None] + at[None, :], mask=real[:, None] & inside[None, :], other=0.0)
        total += tl.sum(here.to(tl.float32) * share[:, None], 0)
    tl.store(out + bag * width + at, total, mask=inside)
    tl.store(squares + bag * parts + part, tl.sum(total * total, 0))


def bags(table: Tensor, index: Tensor, weight: Tensor, start: Tensor, out: Tensor) -> Tensor:
    """Each bag's weighted sum of rows, written to `out` in float32; what is handed back is its sum of squares."""
    count, width = len(start) - 1, table.shape[1]
    parts = triton.cdiv(width, BLOCK)
    squares = out.new_empty(count, parts)
    if count:
        with torch.cuda.device(table.device):
            _bags[(count, parts)](
                table, index, weight, start, out, squares, width, parts, ROWS=ROWS, BLOCK=BLOCK, num_warps=4
            )
    return squares.sum()


@triton.jit  # type: ignore[untyped-decorator]
def _products(  # type: ignore[no-untyped-def]
    left, left_index, right, right_index, out, count, width, ROWS: tl.constexpr, BLOCK: tl.constexpr
):
    item = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    real = item < count
    one = tl.load(left_index + item, mask=real, other=0).to(tl.int64) * width
    two = tl.load(right_index + item, mask=real, other=0).to(tl.int64) * width
    total = tl.zeros([ROWS, BLOCK], tl.float32)
    for first in range(0, width, BLOCK):
        at = first + tl.arange(0, BLOCK)
        inside = real[:, None] & (at < width)[None, :]
        a = tl.load(left + one[:, None] + at[None, :], mask=inside, other=0.0)
        b = tl.load(right + two[:, None] + at[None, :], mask=inside, other=0.0)
        total += a.to(tl.float32) * b.to(tl.float32)
    tl.store(out + item, tl.sum(total, 1), mask=real)


def products(left: Tensor, left_index: Tensor, right: Tensor, right_index: Tensor) -> Tensor:
    """The product of each pair of rows, in float32."""
    out = torch.empty(len(left_index), device=left.device)
    if len(out):
        # Eight pairs of 512 numbers: as many at once as above, and a row's end is not far past its last block.
        with torch.cuda.device(left.device):
            _products[(triton.cdiv(len(out), 8),)](
                left, left_index, right, right_index, out, len(out), left.shape[1], ROWS=8, BLOCK=512, num_warps=4
            )
    return out


@triton.jit  # type: ignore[untyped-decorator]
def _adam(  # type: ignore[no-untyped-def]
    weights,
    copy,
    gradient,
    mean,
    square,
    norm,
    clip,
    width,
    rate,
    first,
    second,
    unbias,
    small,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    scale = tl.load(clip)
    power = tl.zeros([BLOCK], tl.float32)
    for begin in range(0, width, BLOCK):
        at = begin + tl.arange(0, BLOCK)
        inside = at < width
        place = row * width + at
        g = tl.load(gradient + place, mask=inside, other=0.0) * scale
        m = tl.load(mean + place, mask=inside, other=0.0)
        v = tl.load(square + place, mask=inside, other=0.0)
        w = tl.load(weights + place, mask=inside, other=0.0)
        m += (g - m) * (1 - first)
        v += (g * g - v) * (1 - second)
        w -= rate * m / (tl.sqrt(v) * unbias + small)
        tl.store(mean + place, m, mask=inside)
        tl.store(square + place, v, mask=inside)
        tl.store(weights + place, w, mask=inside)
        tl.store(copy + place, w.to(copy.dtype.element_ty), mask=inside)
        power += tl.where(inside, w * w, 0.0)
    tl.store(norm + row, tl.sqrt(tl.sum(power, 0)))


def adam(
    weights: Tensor,
    copy: Tensor,
    gradient: Tensor,
    mean: Tensor,
    square: Tensor,
    clip: Tensor,
    rate: float,
    betas: tuple[float, float],
    unbias: float,
    small: float,
) -> Tensor:
    """One step of Adam over a matrix and its short copy, in place; the rows' lengths afterwards."""
    norm = weights.new_empty(len(weights))
    with torch.cuda.device(weights.device):
        _adam[(len(weights),)](
            weights,
            copy,
            gradient,
            mean,
            square,
            norm,
            clip,
            weights.shape[1],
            rate,
            betas[0],
            betas[1],
            unbias,
            small,
            BLOCK=BLOCK,
            num_warps=4,
        )
    return norm
