"""The language model up to the hook: loading no layer above it, and what the hook sees for a batch of windows.

Holds the plain forward pass: sequences padded to the right, where a causal model cannot see the padding. Promises
the values that a forward hook on the whole model would give, up to rounding. Does not promise speed: `packed`
does, for the models that it computes. Where hooks lie in each architecture is in `hooks`.
"""

import json
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, PretrainedConfig
from transformers.pytorch_utils import Conv1D
from transformers.utils import logging as transformers_logging

from diffing.common import files
from diffing.common.errors import UserError
from diffing.models.hooks import SANDWICH, Hook, layers_of, place
from diffing.models.weights import ModelFiles

TEXT_PREFIX = re.compile(r"^(?:model\.)?language_model\.(?:model\.)?")
"""What stands before the text model's tensor names inside a multimodal model's files."""


def load(found: ModelFiles, hook: Hook, device: torch.device, dtype: torch.dtype) -> "Forward":
    """The model without what lies above the hook."""
    config = truncated(found.config, hook.layers)
    return Forward(read(AutoModel, found, config, device, dtype, {TEXT_PREFIX.pattern: ""}), hook)


def read(
    kind: Any,
    found: ModelFiles,
    config: PretrainedConfig,
    device: torch.device,
    dtype: torch.dtype,
    names: dict[str, str],
) -> Any:
    """A model of the class and the configuration, its tensors found under their names as `names` rewrites them."""
    # A folder of links: `from_pretrained` wants the cut configuration and the weights in one place, and the
    # weights belong to the user or to the Hub's cache, where nothing of ours may be written.
    # In a place of our own, where the next one takes away what a killed process left.
    with quiet(), files.fresh_folder(files.cache_dir("opening"), ".new-") as folder:
        config.save_pretrained(folder)
        for file in found.files:
            (folder / file.name).symlink_to(file.resolve())
        # Weights in other files than the usual single one are found by their index only.
        if len(found.files) > 1 or found.files[0].name != "model.safetensors":
            index = {"metadata": {}, "weight_map": found.weight_map}
            (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
        model, info = kind.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            # Straight to the GPU, without a copy of all weights in the host's memory on the way.
            device_map={"": device} if device.type == "cuda" else None,
            key_mapping=names,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    # `transformers` fills what is missing with random numbers and goes on.
    if missing := sorted(info["missing_keys"]):
        raise UserError(
            f"The model's files lack {len(missing)} of its tensors, '{missing[0]}' among them; fetch it again."
        )
    return model.eval().requires_grad_(False).to(device)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence `transformers` about tensors left unread: that is what is wanted here."""
    before = transformers_logging.get_verbosity()
    bar = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.ERROR)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)
        if bar:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def truncated(config: PretrainedConfig, layers: int) -> PretrainedConfig:
    """The configuration of the first layers alone; lists with one entry a layer are cut with it."""
    fields = config.to_dict()
    total = config.num_hidden_layers
    # Such as which layers see a sliding window; a list as long as that by chance is unknown so far.
    cut = {k: v[:layers] for k, v in fields.items() if isinstance(v, list) and len(v) == total}
    fields.update(cut)
    # GPT-2 calls it `n_layer`.
    fields[config.attribute_map.get("num_hidden_layers", "num_hidden_layers")] = layers
    short = type(config).from_dict(fields)
    # Keys and values of every layer, kept for a next token that never comes.
    short.use_cache = False
    return short


class Forward:
    """What the hook sees."""

    def __init__(self, model: nn.Module, hook: Hook) -> None:
        self.model = model
        self.hook = hook
        self.config: Any = model.config
        self._seen: Tensor | None = None
        module, side = place(model, hook)
        if side == "in":
            module.register_forward_pre_hook(self._see_input, with_kwargs=True)
        else:
            module.register_forward_hook(self._see_output)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def layer(self) -> nn.Module:
        """The hook's own layer."""
        return layers_of(self.model)[self.hook.layer]

    @property
    def embedding(self) -> Tensor:
        """One row a token."""
        model: Any = self.model
        weight: Tensor = model.get_input_embeddings().weight
        return weight

    @property
    def final_norm(self) -> nn.Module:
        # As Llama's kin, GPT-2 and GPT-NeoX call it.
        for name in ("norm", "ln_f", "final_layer_norm"):
            if isinstance(module := getattr(self.model, name, None), nn.Module):
                return module
        raise UserError(f"The final norm of a {self.config.model_type} model is not known here.")

    def through_heads(self, rows: Tensor) -> Tensor:
        """What rows at the heads' outputs (hook_z) add to the residual stream."""
        projection: Any = place(self.model, self.hook)[0]
        weight = projection.weight.float()
        # GPT-2's own kind of layer holds its weights the other way round.
        written: Tensor = rows @ (weight if isinstance(projection, Conv1D) else weight.T)
        if self.config.model_type in SANDWICH:
            written = self.layer.get_submodule("post_attention_layernorm")(written)
        return written

    @torch.inference_mode()
    def __call__(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Hook activations of all tokens, one sequence after another: [total tokens, its width]."""
        lengths = torch.tensor([len(sequence) for sequence in ids])
        kept = torch.arange(int(lengths.max())) < lengths[:, None]
        # Right padding: no real token can attend to it, so it needs no mask. Token 0 is in every vocabulary, and
        # what it gives is dropped.
        batch = torch.zeros(kept.shape, dtype=torch.long)
        batch[kept] = torch.tensor([token for sequence in ids for token in sequence])
        self.model(input_ids=batch.to(self.device), use_cache=False)
        # Taken out, so that a batch's values do not outlive it on the GPU.
        seen, self._seen = self._seen, None
        if seen is None:
            raise RuntimeError(f"{self.config.model_type} did not pass through {self.hook}")
        return seen[kept.to(seen.device)]

    def _see_input(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._seen = args[0] if args else kwargs["hidden_states"]

    def _see_output(self, _module: nn.Module, _args: tuple[Any, ...], output: Any) -> None:
        # Some layers give their hidden states alone, others a tuple that begins with them.
        self._seen = output[0] if isinstance(output, tuple) else output
