"""What a GPU does between matrix products, in one pass each: norm, rotary positions, gated SiLU, active features.

Written in Triton, which comes with PyTorch for CUDA; importing this module needs it. Sums and products are taken
in float32 and rounded once, so results lie nearer to exact arithmetic than a chain of bfloat16 operations. Rows
are numbered in 64 bits: 32,768 tokens of 131,072 features have more places than 32 bits can number.

Of the block sizes and numbers of warps only the sum is measured, with everything that hides behind it
(`docs/performance.md`): each by itself is a usual value that was not tuned.
"""

import torch
import triton  # type: ignore[import-not-found]
import triton.language as tl  # type: ignore[import-not-found]
from torch import Tensor

GROUP = 64
"""Columns that are counted together; in few groups a feature is active. A count must fit into a byte."""


@triton.jit  # type: ignore[untyped-decorator]
def _rms_norm(x, weight, out, eps, width, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < width
    value = tl.load(x + row * width + at, mask=inside, other=0.0).to(tl.float32)
    scale = tl.rsqrt(tl.sum(value * value) / width + eps)
    factor = tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row * width + at, (value * scale * factor).to(out.dtype.element_ty), mask=inside)


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Each row over its root mean square, times the weight."""
    out, width = torch.empty_like(x), x.shape[1]
    with torch.cuda.device(x.device):
        _rms_norm[(len(x),)](x, weight, out, eps, width, triton.next_power_of_2(width), num_warps=8)
    return out


@triton.jit  # type: ignore[untyped-decorator]
def _rotate(qkv, cos, sin, position, stride, heads, HEADS: tl.constexpr, HALF: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, HALF)[None, :]
    head = tl.arange(0, HEADS)[:, None]
    inside = (head < heads) & (at < HALF)
    angle = tl.load(position + row).to(tl.int64) * HALF + at
    c, s = tl.load(cos + angle), tl.load(sin + angle)
    first = qkv + row * stride + head * (2 * HALF) + at
    # Both are read before either is written, as each new number needs both old ones.
    left = tl.load(first, mask=inside, other=0.0).to(tl.float32)
    right = tl.load(first + HALF, mask=inside, other=0.0).to(tl.float32)
    tl.store(first, (left * c - right * s).to(qkv.dtype.element_ty), mask=inside)
    tl.store(first + HALF, (right * c + left * s).to(qkv.dtype.element_ty), mask=inside)


def rotate_(qkv: Tensor, cos: Tensor, sin: Tensor, position: Tensor, heads: int) -> None:
    """Turn the first heads of each row to its position, in place; `cos` and `sin` have half a head's width."""
    half = cos.shape[1]
    with torch.cuda.device(qkv.device):
        _rotate[(len(qkv),)](
            qkv, cos, sin, position, qkv.stride(0), heads, triton.next_power_of_2(heads), half, num_warps=4
        )


@triton.jit  # type: ignore[untyped-decorator]
def _gated(both, out, width, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < width
    gate = tl.load(both + row * 2 * width + at, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(both + row * 2 * width + width + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row * width + at, (gate * tl.sigmoid(gate) * up).to(out.dtype.element_ty), mask=inside)


def gated(both: Tensor) -> Tensor:
    """SiLU of each row's first half times its second half."""
    rows, width = len(both), both.shape[1] // 2
    out = both.new_empty(rows, width)
    with torch.cuda.device(both.device):
        _gated[(rows, triton.cdiv(width, 2048))](both, out, width, 2048, num_warps=4)
    return out


@triton.jit  # type: ignore[untyped-decorator]
def _hits(  # type: ignore[no-untyped-def]
    dense, threshold, count, width, GROUPS: tl.constexpr, GROUP: tl.constexpr, LIMITED: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    group = tl.program_id(1) * GROUPS + tl.arange(0, GROUPS)
    at = group[:, None] * GROUP + tl.arange(0, GROUP)[None, :]
    inside = at < width
    here = tl.load(dense + row * width + at, mask=inside, other=float("-inf")).to(tl.float32)
    limit = tl.load(threshold + at, mask=inside, other=0.0).to(tl.float32) if LIMITED else 0.0
    groups = tl.cdiv(width, GROUP)
    hits = tl.sum((inside & (here > limit)).to(tl.int32), 1)
    tl.store(count + row * groups + group, hits.to(tl.uint8), mask=group < groups)


@triton.jit  # type: ignore[untyped-decorator]
def _collect(  # type: ignore[no-untyped-def]
    dense,
    threshold,
    full,
    start,
    row_out,
    feature_out,
    value_out,
    width,
    n_full,
    GROUPS: tl.constexpr,
    GROUP: tl.constexpr,
    LIMITED: tl.constexpr,
):
    item = tl.program_id(0).to(tl.int64) * GROUPS + tl.arange(0, GROUPS)
    real = item < n_full
    which = tl.load(full + item, mask=real, other=0)
    groups = tl.cdiv(width, GROUP)
    row = which // groups
    at = (which % groups)[:, None] * GROUP + tl.arange(0, GROUP)[None, :]
    inside = real[:, None] & (at < width)
    here = tl.load(dense + row[:, None] * width + at, mask=inside, other=float("-inf")).to(tl.float32)
    limit = tl.load(threshold + at, mask=inside, other=0.0).to(tl.float32) if LIMITED else 0.0
    hit = inside & (here > limit)
    # Each group's hits go to places of their own, so that blocks that run in any order give one order.
    place = tl.load(start + item, mask=real, other=0)[:, None] + tl.cumsum(hit.to(tl.int32), 1) - 1
    tl.store(row_out + place, tl.broadcast_to(row[:, None], (GROUPS, GROUP)), mask=hit)
    tl.store(feature_out + place, at, mask=hit)
    tl.store(value_out + place, here, mask=hit)


def active(dense: Tensor, threshold: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Values above the threshold (0 without one) as (row, column, value), by row then column.

    Everything is read once to count the hits of each group of columns; the few groups that have any, once more.
    """
    rows, width = dense.shape
    groups = triton.cdiv(width, GROUP)
    limited = threshold is not None
    # The kernel takes a pointer even where it does not look through it.
    limit = threshold if limited else dense
    count = torch.empty(rows * groups, dtype=torch.uint8, device=dense.device)
    if rows:
        with torch.cuda.device(dense.device):
            _hits[(rows, triton.cdiv(groups, 64))](dense, limit, count, width, 64, GROUP, limited, num_warps=4)
    full = count.nonzero().squeeze(1)
    ends = count[full].cumsum(0)
    total = int(ends[-1]) if len(full) else 0
    row = torch.empty(total, dtype=torch.long, device=dense.device)
    feature = torch.empty(total, dtype=torch.long, device=dense.device)
    value = torch.empty(total, dtype=torch.float32, device=dense.device)
    if total:
        starts = ends - count[full]
        with torch.cuda.device(dense.device):
            _collect[(triton.cdiv(len(full), 32),)](
                dense, limit, full, starts, row, feature, value, width, len(full), 32, GROUP, limited, num_warps=4
            )
    return row, feature, value
