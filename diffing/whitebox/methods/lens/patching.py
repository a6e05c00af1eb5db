"""A model run with one layer's output changed on the way, by its own code and a hook.

Promises that the hook is gone when the pass ends, however it ends, and that padding is never changed nor given
back. Knows nothing of why something is changed.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from diffing.models.hooks import layers_of
from diffing.models.whole import Whole

Change = Callable[[Tensor], Tensor]
"""From a layer's output, a row a token and one text after another, to what it shall be."""


@torch.inference_mode()
def logits(whole: Whole, ids: Sequence[Sequence[int]], layer: int, change: Change) -> Tensor:
    """Of every token of the texts, one text after another, in float32."""
    lengths = torch.tensor([len(row) for row in ids])
    kept = torch.arange(int(lengths.max())) < lengths[:, None]
    # To the right of a text nothing it attends to; token 0 is in every vocabulary.
    batch = torch.zeros(kept.shape, dtype=torch.long)
    batch[kept] = torch.tensor([token for row in ids for token in row])
    kept = kept.to(whole.device)

    def changed(_module: Any, _args: Any, output: Any) -> Any:
        hidden = (output[0] if isinstance(output, tuple) else output).clone()
        # In float32, or a small direction is lost in rounding.
        hidden[kept] = change(hidden[kept].float()).to(hidden.dtype)
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    handle = layers_of(whole.model)[layer].register_forward_hook(changed)
    try:
        last = whole.model(input_ids=batch.to(whole.device), use_cache=False).last_hidden_state[kept]
    finally:
        handle.remove()
    return whole.logits(last)
