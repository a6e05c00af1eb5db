"""What a direction of the residual stream writes: its scores over the vocabulary, through a model's own head.

Promises the final norm and the head of the very model that is given, in float32, at a length at which the norm's
own small constant does not matter. A score says which tokens a direction would make likelier if nothing but it
were there; it says nothing of what the layers above make of it. Where the norm takes the mean away or adds a bias,
a direction and its opposite are two questions: ask both. Pieces that a corpus never shows have scores like any
others, and often the largest: rank those that `common` names.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from diffing.common.errors import UserError
from diffing.models.whole import Whole

NORMS = ("norm", "ln_f", "final_layer_norm")
"""What architectures call their final norm."""


def final_norm(whole: Whole) -> nn.Module:
    """The norm between the last layer and the head."""
    for name in NORMS:
        if isinstance(norm := getattr(whole.model, name, None), nn.Module):
            return norm
    raise UserError(f"The final norm of a {type(whole.model).__name__} is not known here; choose another model.")


@torch.inference_mode()
def scores(whole: Whole, directions: Tensor) -> Tensor:
    """Logits of directions taken as the residual stream: [directions, vocabulary], on the host.

    Directions count, lengths do not: each is given the length of a vector of ones.
    """
    rows = directions.to(whole.device, torch.float32)
    lengths = rows.norm(dim=-1, keepdim=True)
    # A direction of no length stays one, and writes nothing.
    rows = rows / lengths.where(lengths > 0, 1.0) * rows.shape[-1] ** 0.5
    norm: Any = final_norm(whole)
    return whole.logits(norm(rows.to(whole.dtype))).cpu()


def common(rows: Iterable[Iterable[int]], vocabulary: int, least: int = 5) -> Tensor:
    """Which tokens texts show often enough to be ranked, as a mask: those of too few have scores at random."""
    ids = torch.tensor([token for row in rows for token in row], dtype=torch.long)
    return torch.bincount(ids, minlength=vocabulary)[:vocabulary] >= least
