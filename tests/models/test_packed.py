"""The packed pass against the plain one, and which models it is for."""

from typing import Any

import pytest
import torch
from transformers import AutoModel

from diffing.models import packed
from diffing.models.forward import Forward
from diffing.models.hooks import Hook
from tests.fakes import tiny

LENGTHS = [1, 2, 3, 7, 19, 40]


def model(name: str, **changes: Any) -> Forward:
    """A random model with norms and biases that are not at their neutral values."""
    config = tiny.configs()[name]
    for key, value in changes.items():
        setattr(config, key, value)
    torch.manual_seed(0)
    made = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    made.eval().requires_grad_(False)
    for parameter in made.parameters():
        if parameter.dim() == 1:
            parameter += 0.3 * torch.randn_like(parameter)
        else:
            parameter.copy_(torch.randn_like(parameter) / parameter.shape[1] ** 0.5)
    return Forward(made, Hook(tiny.LAYERS - 1, "resid_post"))


CASES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": None},
    "qwen2": {"layer_types": ["full_attention"] * tiny.LAYERS},
    "qwen3": {},
}


@pytest.mark.parametrize("name", CASES)
def test_packed_gives_what_the_plain_pass_gives_in_any_order(name: str) -> None:
    plain = model(name, **CASES[name])
    assert packed.fits(plain, 40)
    sequences = [torch.randint(tiny.VOCABULARY, (n,)).tolist() for n in LENGTHS]
    expected = [plain([sequence]) for sequence in sequences]
    fast = packed.Packed(plain)
    tolerance = 1e-5 * float(max(e.abs().max() for e in expected))
    torch.testing.assert_close(fast(sequences), torch.cat(expected), rtol=0, atol=tolerance)
    torch.testing.assert_close(fast(sequences[::-1]), torch.cat(expected[::-1]), rtol=0, atol=tolerance)
    # The plain pass still works on the weights that are now shared.
    torch.testing.assert_close(plain(sequences), torch.cat(expected), rtol=0, atol=tolerance)


def test_llama_3s_stretched_positions_are_met() -> None:
    stretched = {
        "rope_type": "llama3",
        "rope_theta": 500.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    }
    plain = model("llama", rope_parameters=stretched)
    assert packed.fits(plain, 256)
    sequence = [torch.randint(tiny.VOCABULARY, (200,)).tolist()]
    expected = plain(sequence)
    torch.testing.assert_close(packed.Packed(plain)(sequence), expected, rtol=0, atol=1e-5 * float(expected.max()))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("gpt2", {}),
        ("gpt_neox", {}),
        ("gemma2", {}),
        ("mistral", {}),
        ("qwen2", {}),
        ("llama", {"mlp_bias": True}),
        ("llama", {"attention_bias": True}),
        ("llama", {"hidden_act": "gelu"}),
        ("llama", {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 500.0, "factor": 2.0}}),
    ],
)
def test_models_that_it_does_not_compute_are_left_to_the_plain_pass(name: str, changes: dict[str, Any]) -> None:
    assert not packed.fits(model(name, **changes), 40)


def test_other_hooks_and_windows_under_a_sliding_attention_are_told_apart() -> None:
    assert packed.fits(model("mistral"), 8)
    other = model("llama")
    other.hook = Hook(2, "mlp_out")
    assert not packed.fits(other, 8)
