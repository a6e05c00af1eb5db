"""A whole causal model: what several of its layers and its head give for a batch of sequences, in one pass.

Promises the values that forward hooks on the layers of the plain model would give, up to rounding, and that no
layer above the highest one wanted is computed. The pass is packed where `packed` knows the architecture and
padded elsewhere, with the model's own code. Logits are given for chosen rows only, since those of a whole batch
would not fit. Not safe to be used by two threads at once.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PretrainedConfig

from diffing.common.errors import UserError
from diffing.models import forward, packed, weights
from diffing.models.hooks import Hook, layers_of
from diffing.models.weights import ModelFiles

NAMES = {
    r"^(?:model\.)?language_model\.lm_head": "lm_head",
    forward.TEXT_PREFIX.pattern: "model.",
}
"""A text model's tensors inside a multimodal model's files, as the text model alone calls them."""

SCALED = ("logits_scaling", "logit_scale")
"""Fields of configurations whose heads do more than multiply and cap: no such model was compared."""


class Seen(NamedTuple):
    """What one pass gave: a row a token, one sequence after another."""

    hidden: dict[int, Tensor]
    """Layer → its output."""
    last: Tensor | None
    """The final norm's output, from which `Whole.logits` are computed; None where no logits were wanted."""


class _Enough(Exception):
    """The highest layer wanted has been seen."""


def load(found: ModelFiles, device: torch.device, dtype: torch.dtype) -> "Whole":
    """The model with all its layers and its head."""
    for file in found.files:
        # A file whose download broke off is known before the rest is read.
        weights.tensor_names(file)
    for name in SCALED:
        # 1 is what such a field says where it changes nothing.
        if (getattr(found.config, name, None) or 1.0) != 1.0:
            raise UserError(
                f"The head of a {found.config.model_type} model is not known here; choose another model."
            )
    config = type(found.config).from_dict(found.config.to_dict())
    config.use_cache = False
    # Of one that is built of parts only the text model is read.
    return Whole(forward.read(AutoModelForCausalLM, found, config, device, dtype, NAMES))


def size(found: ModelFiles, dtype: torch.dtype) -> int:
    """Bytes that the model's weights take in memory, read from the files' heads alone."""
    numbers = 0
    for file in found.files:
        weights.tensor_names(file)
        with safe_open(file, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118 - no dictionary, and not iterable
                count = 1
                for side in opened.get_slice(name).get_shape():
                    count *= side
                numbers += count
    return numbers * dtype.itemsize


class Whole:
    """A loaded model."""

    def __init__(self, model: Any) -> None:
        self.causal = model
        self.model: Any = model.base_model
        self.config: PretrainedConfig = model.config
        self.layers = len(layers_of(self.model))
        self.hook = Hook(self.layers - 1, "resid_post")
        self.window = int(getattr(self.config, "max_position_embeddings", None) or 2048)
        self._fast: packed.Packed | None = None
        self._head: Any = None
        self.carriers: list[tuple[str, Any]] | None = None
        """Modules that carry adapters, by path; None until somebody has looked."""
        self.lit = ""
        """The adapter that is switched on."""

    @property
    def device(self) -> torch.device:
        place: torch.device = next(self.model.parameters()).device
        return place

    @property
    def dtype(self) -> torch.dtype:
        numbers: torch.dtype = next(self.model.parameters()).dtype
        return numbers

    @property
    def layer(self) -> nn.Module:
        return layers_of(self.model)[-1]

    def changed(self) -> None:
        """To be said after a module or a weight was put in another's place: the packed pass looks at them anew."""
        self._fast, self.carriers = None, None

    def moved(self, device: torch.device) -> None:
        """Put the weights onto another device."""
        if self.device != device:
            self.causal.to(device)
            self.changed()

    def keep_head(self, device: torch.device) -> None:
        """Leave a copy of the head on a device, where it answers while the rest is away."""
        self._head = copy.deepcopy(self.causal.get_output_embeddings()).to(device)

    def fast(self, longest: int) -> packed.Packed | None:
        """The packed pass, where it computes this model for sequences of that length."""
        if not packed.fits(self, longest):
            return None
        if self._fast is None:
            # What is made here are weights, which may be trained beside: not as the pass's own tensors are.
            with torch.inference_mode(False), torch.no_grad():
                self._fast = packed.Packed(self)
        return self._fast

    @torch.inference_mode()
    def __call__(self, ids: Sequence[Sequence[int]], layers: Sequence[int] = (), logits: bool = False) -> Seen:
        """Outputs of the layers wanted, and what the head reads where logits are wanted."""
        if outside := [layer for layer in layers if not 0 <= layer < self.layers]:
            raise UserError(
                f"There is no layer {outside[0]}: the model has layers 0 to {self.layers - 1}; choose one of them."
            )
        longest = max(map(len, ids))
        if longest > self.window:
            raise UserError(
                f"A text has {longest:,} tokens where the model takes {self.window:,}; cut it shorter."
            )
        if not layers and not logits:
            return Seen({}, None)
        fast = self.fast(longest)
        if fast is not None:
            return Seen(*fast.seen(ids, layers, logits))
        return self._plain(ids, layers, logits)

    def _plain(self, ids: Sequence[Sequence[int]], layers: Sequence[int], logits: bool) -> Seen:
        lengths = torch.tensor([len(sequence) for sequence in ids])
        kept = torch.arange(int(lengths.max())) < lengths[:, None]
        # Right padding: no real token can attend to it, so it needs no mask. Token 0 is in every vocabulary, and
        # what it gives is dropped.
        batch = torch.zeros(kept.shape, dtype=torch.long)
        batch[kept] = torch.tensor([token for sequence in ids for token in sequence])
        kept = kept.to(self.device)
        hidden: dict[int, Tensor] = {}
        last: Tensor | None = None
        with self._watched(hidden, kept, layers, logits):
            try:
                last = self.model(input_ids=batch.to(self.device), use_cache=False).last_hidden_state[kept]
            except _Enough:
                last = None
        return Seen(hidden, last if logits else None)

    @contextmanager
    def _watched(
        self, hidden: dict[int, Tensor], kept: Tensor, layers: Sequence[int], logits: bool
    ) -> Iterator[None]:
        """Hooks that fill `hidden` and end the pass above the highest layer wanted."""
        blocks = layers_of(self.model)

        def watch(layer: int) -> Any:
            def see(_module: nn.Module, _args: Any, output: Any) -> None:
                # Some layers give their hidden states alone, others a tuple that begins with them.
                hidden[layer] = (output[0] if isinstance(output, tuple) else output)[kept]
                if not logits and layer == max(layers):
                    raise _Enough

            return see

        handles = [blocks[layer].register_forward_hook(watch(layer)) for layer in set(layers)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @torch.inference_mode()
    def logits(self, last: Tensor) -> Tensor:
        """Of rows that the final norm gave, in float32: [rows, vocabulary]."""
        head = self._head or self.causal.get_output_embeddings()
        found: Tensor = head(last.to(next(head.parameters()).device)).float()
        cap = getattr(self.config, "final_logit_softcapping", None)
        return found if cap is None else torch.tanh(found / cap) * cap
