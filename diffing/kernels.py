"""What a GPU does between matrix products, in one pass each: norm, rotary positions, gated SiLU, active features.

Written in Triton, which comes with PyTorch for CUDA; importing this module needs it. Sums and products are taken
in float32 and rounded once, so results lie nearer to exact arithmetic than a chain of bfloat16 operations.
"""

import torch
import triton  # type: ignore[import-not-found]
import triton.language as tl  # type: ignore[import-not-found]
from torch import Tensor

ROOM = 256
"""Active features of a token that are expected at most; more cost a second pass."""


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
    one = tl.load(first, mask=inside, other=0.0).to(tl.float32)
    two = tl.load(first + HALF, mask=inside, other=0.0).to(tl.float32)
    tl.store(first, (one * c - two * s).to(qkv.dtype.element_ty), mask=inside)
    tl.store(first + HALF, (two * c + one * s).to(qkv.dtype.element_ty), mask=inside)


def rotate_(qkv: Tensor, cos: Tensor, sin: Tensor, position: Tensor, heads: int) -> None:
    """Turn the first heads of each row to its position, in place; `cos` and `sin` have half a head's width."""
    half = cos.shape[1]
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
    _gated[(rows, triton.cdiv(width, 2048))](both, out, width, 2048, num_warps=4)
    return out


@triton.jit  # type: ignore[untyped-decorator]
def _active(  # type: ignore[no-untyped-def]
    dense, threshold, feature, value, count, room, width: tl.constexpr, BLOCK: tl.constexpr, LIMITED: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    found = 0
    for start in range(0, width, BLOCK):
        at = start + tl.arange(0, BLOCK)
        inside = at < width
        here = tl.load(dense + row * width + at, mask=inside, other=float("-inf")).to(tl.float32)
        if LIMITED:
            hit = inside & (here > tl.load(threshold + at, mask=inside, other=0.0).to(tl.float32))
        else:
            hit = inside & (here > 0)
        place = found + tl.cumsum(hit.to(tl.int32), 0) - 1
        fits = hit & (place < room)
        tl.store(feature + row * room + place, at, mask=fits)
        tl.store(value + row * room + place, here, mask=fits)
        found += tl.sum(hit.to(tl.int32))
    tl.store(count + row, found)


def active(dense: Tensor, threshold: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Values above the threshold (0 without one) as (row, column, value), by row then column."""
    rows, width = dense.shape
    count = torch.empty(rows, dtype=torch.int32, device=dense.device)
    room = most = ROOM
    while True:
        feature = torch.empty(rows, room, dtype=torch.int32, device=dense.device)
        value = torch.empty(rows, room, dtype=torch.float32, device=dense.device)
        limited = threshold is not None
        limit = threshold if limited else dense
        _active[(rows,)](dense, limit, feature, value, count, room, width, 4096, limited, num_warps=8)
        most = int(count.max()) if rows else 0
        if most <= room:
            break
        room = triton.next_power_of_2(most)
    row, place = (torch.arange(most, device=count.device) < count[:, None]).nonzero(as_tuple=True)
    return row, feature[row, place], value[row, place]
