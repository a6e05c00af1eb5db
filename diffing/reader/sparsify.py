"""A loaded SAE at work: the features of a batch of tokens, sparse before anything leaves the device.

Promises what SAELens's own `encode` gives, up to rounding, and that only a slice of the tokens is held densely at
once. Takes any object with the parts that the arithmetic names, so it needs no SAELens itself.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor

DENSE_CPU = 2**20
DENSE_GPU = 2**29
"""Most activations held densely at once: a slice of the tokens, all features.

On a CPU 4 MiB of float32, which stay in its caches between the product and the search for what is active; on a GPU
1 GiB of bfloat16, little beside the model and still long products.
"""


def slices(rows: int, features: int, gpu: bool) -> Iterator[slice]:
    """Rows in runs whose dense activations stay small."""
    # A dictionary wider than the bound is still read, token by token.
    step = max(1, (DENSE_GPU if gpu else DENSE_CPU) // features)
    for start in range(0, rows, step):
        yield slice(start, start + step)


@torch.inference_mode()
def sparse(sae: Any, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Active features as (row, feature, value), by row then feature; active means other than zero."""
    rows, features, values = [], [], []
    for part in slices(len(hidden), sae.cfg.d_sae, hidden.is_cuda):
        row, feature, value = _sparse(sae, hidden[part])
        rows.append(row + part.start)
        features.append(feature)
        values.append(value.float())
    if not rows:
        none = torch.zeros(0, dtype=torch.long, device=hidden.device)
        return none, none, none.float()
    return torch.cat(rows), torch.cat(features), torch.cat(values)


def _sparse(sae: Any, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    kind = sae.cfg.architecture()
    # Rare kinds, each with arithmetic of its own that is not worth a second writing here.
    if kind in ("gated", "abstopk", "matching_pursuit"):
        dense = sae.encode(hidden)
        row, feature = dense.nonzero(as_tuple=True)
        return row, feature, dense[row, feature]
    before = torch.addmm(sae.b_enc, sae.process_sae_in(hidden), sae.W_enc)
    if kind == "topk":
        if sae.cfg.rescale_acts_by_decoder_norm:
            before *= sae.W_dec.norm(dim=-1)
        # Wanted is the order of features; `topk`'s own, by value, would only be undone.
        value, feature = before.topk(sae.cfg.k, dim=-1, sorted=False)
        feature, order = feature.sort(dim=-1)
        value = value.gather(-1, order)
        # SAELens puts a ReLU behind the choice: where fewer than k are above zero, fewer are active.
        row, place = (value > 0).nonzero(as_tuple=True)
        return row, feature[row, place], value[row, place]
    # ReLU comes first in SAELens, so a threshold below zero is as good as zero.
    threshold = sae.threshold.clamp(min=0) if kind == "jumprelu" else None
    if before.is_cuda and find_spec("triton") is not None:
        # Only builds of torch for CUDA bring Triton, which it is written in.
        from diffing.models import kernels

        # Triton launches on the current device, wherever the data lies.
        with torch.cuda.device(before.device):
            return kernels.active(before, threshold)
    if before.dtype == torch.float32 and not before.is_cuda:
        # NumPy finds them in a third of the time that `nonzero` takes; it knows no bfloat16.
        dense = before.numpy()
        active = np.flatnonzero(dense > (0 if threshold is None else threshold.numpy()))
        row, feature = map(torch.from_numpy, np.divmod(active, dense.shape[1]))
        return row, feature, torch.from_numpy(dense.reshape(-1)[active])
    row, feature = (before > (0 if threshold is None else threshold)).nonzero(as_tuple=True)
    return row, feature, before[row, feature]


@torch.inference_mode()
def unexplained(sae: Any, hidden: Tensor) -> float:
    """Share of the tokens' variance that is missing from the reconstruction."""
    lost = 0.0
    for part in slices(len(hidden), sae.cfg.d_sae, hidden.is_cuda):
        back = sae.decode(sae.encode(hidden[part]))
        # In float32: a sum of so many squares has no digits left in bfloat16.
        lost += (back.float() - hidden[part].float()).square().sum().item()
    spread = (hidden.float() - hidden.float().mean(dim=0)).square().sum().item()
    # Tokens that are all alike have no variance: then anything lost at all is all of it.
    return lost / spread if spread > 0 else float(lost > 0)
