"""Places in a model that hooks name, and where they lie in each architecture.

Holds the meaning of hook names, TransformerLens' and `transformers'` own. Promises that a place inside a layer
whose whereabouts in an architecture are not known is an error rather than a guess; a layer's own input and output
are the residual stream in decoders of the usual build. Loads nothing.
"""

import re
from typing import Any, Literal, NamedTuple

from torch import nn
from transformers import PretrainedConfig

from diffing.common.errors import UserError

Kind = Literal["resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out", "z"]

HOOK = re.compile(r"blocks\.(\d+)\.(?:attn\.)?hook_(resid_pre|resid_mid|resid_post|attn_out|mlp_out|z)")

# What a module hook sees is the layer's output.
MODULE_HOOK = re.compile(r"(?:\w+\.)*?(?:layers|h)\.(\d+)")


class Hook(NamedTuple):
    """A place in the model."""

    layer: int
    kind: Kind

    @property
    def layers(self) -> int:
        """How many layers must be kept to compute it."""
        return self.layer + 1


def parse_hook(name: str) -> Hook:
    """The place that a hook name of TransformerLens, or a layer's path in `transformers`, stands for."""
    if match := HOOK.fullmatch(name):
        layer, kind = int(match[1]), match[2]
        # The same tensor, one layer less to load.
        if kind == "resid_pre" and layer > 0:
            return Hook(layer - 1, "resid_post")
        return Hook(layer, kind)  # type: ignore[arg-type]
    if match := MODULE_HOOK.fullmatch(name):
        return Hook(int(match[1]), "resid_post")
    raise UserError(
        f"Hook '{name}' is no residual stream, attention output or MLP output of a layer; choose another SAE."
    )


SANDWICH = {"gemma2", "gemma3_text"}
"""Models that normalise what attention and MLP give before adding it: their outputs are taken after that."""

PLAIN = {"llama", "mistral", "gemma", "qwen2", "qwen3", "gpt2", "gpt_neox"}
"""Models that add what attention and MLP give as it is. Both sets hold those that were compared with a hook on the
whole model, and no others."""


def width(config: PretrainedConfig, hook: Hook) -> int:
    """Size of what the hook sees."""
    size = int(config.hidden_size)
    if hook.kind != "z":
        return size
    # Gemma's heads together are wider or narrower than its residual stream.
    heads = int(config.num_attention_heads)
    return heads * int(getattr(config, "head_dim", None) or size // heads)


def layers_of(model: nn.Module) -> nn.ModuleList:
    # "h" is GPT-2's.
    for name in ("layers", "h"):
        if isinstance(layers := getattr(model, name, None), nn.ModuleList):
            return layers
    raise UserError(f"The layers of a {type(model).__name__} are not known here; choose another reader.")


def place(model: nn.Module, hook: Hook) -> tuple[nn.Module, Literal["in", "out"]]:
    """The module whose input or output the hook sees."""
    layer = layers_of(model)[hook.layer]
    if hook.kind == "resid_post":
        return layer, "out"
    if hook.kind == "resid_pre":
        return layer, "in"
    config: Any = model.config
    kind = config.model_type
    if kind not in SANDWICH | PLAIN:
        raise UserError(
            f"Where {hook.kind} lies in a {kind} model is not known here; choose an SAE of the residual stream."
        )
    if hook.kind == "resid_mid" and getattr(config, "use_parallel_residual", False):
        raise UserError(
            f"This {kind} model adds attention and MLP at once and has no resid_mid; choose another SAE."
        )
    # The names of Llama's kin, of GPT-2 and of GPT-NeoX, here and below.
    attention = first(layer, "self_attn", "attn", "attention")
    if hook.kind == "z":
        return first(attention, "o_proj", "c_proj", "dense"), "in"
    if kind in SANDWICH:
        return {
            "attn_out": (layer.get_submodule("post_attention_layernorm"), "out"),
            "resid_mid": (layer.get_submodule("pre_feedforward_layernorm"), "in"),
            "mlp_out": (layer.get_submodule("post_feedforward_layernorm"), "out"),
        }[hook.kind]  # type: ignore[return-value]
    if hook.kind == "attn_out":
        return attention, "out"
    if hook.kind == "mlp_out":
        return layer.get_submodule("mlp"), "out"
    return first(layer, "post_attention_layernorm", "ln_2"), "in"


def first(module: nn.Module, *names: str) -> nn.Module:
    """The first child of these names."""
    for name in names:
        if isinstance(child := getattr(module, name, None), nn.Module):
            return child
    raise UserError(f"A {type(module).__name__} has none of {', '.join(names)}; choose another reader.")
