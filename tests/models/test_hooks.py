"""Hook names: what they stand for, and that a place nobody has looked up is refused."""

from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from diffing.common.errors import UserError
from diffing.models import hooks
from diffing.models.hooks import Hook


class Decoder(nn.Module):
    """Two layers with the parts that Llama's have, said to be of some architecture."""

    def __init__(self, kind: str, **config: Any) -> None:
        super().__init__()
        attention = nn.ModuleDict({"o_proj": nn.Linear(2, 2)})
        parts = {"self_attn": attention, "mlp": nn.Linear(2, 2), "post_attention_layernorm": nn.LayerNorm(2)}
        self.layers = nn.ModuleList(nn.ModuleDict(parts) for _ in range(2))
        self.config = SimpleNamespace(model_type=kind, **config)


@pytest.mark.parametrize(
    ("name", "hook"),
    [
        ("blocks.3.hook_resid_post", Hook(3, "resid_post")),
        ("blocks.3.hook_resid_pre", Hook(2, "resid_post")),
        ("blocks.0.hook_resid_pre", Hook(0, "resid_pre")),
        ("blocks.12.attn.hook_z", Hook(12, "z")),
        ("model.layers.7", Hook(7, "resid_post")),
        ("transformer.h.7", Hook(7, "resid_post")),
    ],
)
def test_a_name_stands_for_a_place(name: str, hook: Hook) -> None:
    assert hooks.parse_hook(name) == hook


@pytest.mark.parametrize("name", ["", "blocks.1.hook_q", "blocks.1.hook_resid_postx", "model.layers", "layers.x"])
def test_a_name_that_is_not_known_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"Hook '{name}' is no residual stream"):
        hooks.parse_hook(name)


@pytest.mark.parametrize("kind", ["resid_mid", "attn_out", "mlp_out", "z"])
def test_a_place_inside_the_layer_of_an_unknown_model_is_refused_and_not_guessed(kind: hooks.Kind) -> None:
    assert hooks.place(Decoder("llama"), Hook(1, kind))[1] in ("in", "out")
    with pytest.raises(UserError, match=f"Where {kind} lies in a newcomer model is not known here"):
        hooks.place(Decoder("newcomer"), Hook(1, kind))


def test_a_model_that_adds_both_at_once_has_no_middle() -> None:
    with pytest.raises(UserError, match="adds attention and MLP at once and has no resid_mid"):
        hooks.place(Decoder("gpt_neox", use_parallel_residual=True), Hook(1, "resid_mid"))
