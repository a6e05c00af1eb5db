"""Promoted tokens against the decoder row through the whole model's own norm and unembedding."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from diffing.models import weights
from diffing.reader import lens
from tests.fakes import tiny
from tests.fakes.tiny import assert_close, load

BOUND = 1e-5
"""Of the largest logit: products of 32 numbers in another order, and a norm before them."""


def through(norm: nn.Module, row: Tensor) -> Tensor:
    """A row at the length of a unit-variance residual, through the norm, less what the norm adds to anything."""
    row = row * tiny.WIDTH**0.5 / row.norm()
    passed: Tensor = norm(row) - norm(torch.zeros_like(row))
    return passed.detach()


def assert_ends(tokens: Sequence[int], told: Sequence[float], logits: Tensor, largest: bool) -> None:
    """The tokens at one end of the logits, in order; of two that rounding may swap either may come first."""
    found, wanted = logits[list(tokens)], logits.topk(len(tokens), largest=largest).values
    room = BOUND * float(logits.abs().max())
    assert len(set(tokens)) == len(tokens)
    torch.testing.assert_close(found, wanted, rtol=0, atol=room)
    torch.testing.assert_close(torch.tensor(told), wanted, rtol=0, atol=room)


@pytest.mark.parametrize("name", ["llama", "gemma2", "gpt2", "gpt_neox"])
def test_promoted_tokens_are_the_decoder_row_through_norm_and_unembedding(name: str, tmp_path: Path) -> None:
    model: Any = tiny.model(tmp_path / "model", tiny.configs()[name])
    sae = tiny.sae(tmp_path / "sae")
    reader = load(tmp_path / "model", tmp_path / "sae")
    norm = {"gpt2": "transformer.ln_f", "gpt_neox": "gpt_neox.final_layer_norm"}.get(name, "model.norm")
    logits = model.get_output_embeddings().weight @ through(model.get_submodule(norm), sae.W_dec[5])
    found = lens.ends(reader, [5, 6], k=4)
    assert_ends(found.top[0].tolist(), found.top_logits[0].tolist(), logits.detach(), largest=True)
    assert_ends(found.bottom[0].tolist(), found.bottom_logits[0].tolist(), logits.detach(), largest=False)


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_promoted_tokens_of_heads_go_through_their_projection(name: str, tmp_path: Path) -> None:
    model: Any = tiny.model(tmp_path / "model", tiny.configs()[name])
    sae = tiny.sae(tmp_path / "sae", hook="blocks.2.attn.hook_z")
    reader = load(tmp_path / "model", tmp_path / "sae")
    if name == "gpt2":
        written = sae.W_dec[0] @ model.transformer.h[2].attn.c_proj.weight
        norm = model.transformer.ln_f
    else:
        written = model.model.layers[2].self_attn.o_proj.weight @ sae.W_dec[0]
        norm = model.model.norm
    assert_close(reader.written([0])[0], through(norm, written))


def test_promoted_tokens_read_no_tensor_but_the_unembedding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.model(tmp_path / "model", tiny.configs()["llama"])
    tiny.sae(tmp_path / "sae")
    reader = load(tmp_path / "model", tmp_path / "sae")
    asked: list[str] = []

    class Opened:
        """A file of weights that notes what is read of it."""

        def __init__(self, path: Path, framework: str) -> None:
            self.file = safe_open(path, framework=framework)

        def __enter__(self) -> "Opened":
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def get_tensor(self, name: str) -> Tensor:
            asked.append(name)
            tensor: Tensor = self.file.get_tensor(name)  # type: ignore[no-untyped-call]  # safetensors has no types
            return tensor

    monkeypatch.setattr(weights, "safe_open", Opened)
    lens.ends(reader, [0, 1], k=3)
    lens.ends(reader, [2], k=3)
    assert asked == ["lm_head.weight"]


def test_promoted_tokens_are_kept_for_pages_without_a_reader(tmp_path: Path) -> None:
    tiny.model(tmp_path / "model", tiny.configs()["llama"])
    tiny.sae(tmp_path / "sae")
    reader = load(tmp_path / "model", tmp_path / "sae")
    assert lens.stored(reader.key, [3]) == {}
    lens.store(reader, k=3)
    found = lens.stored(reader.key, [3, 95])
    assert list(found) == [3, 95]
    for feature, kept in found.items():
        logits = (reader.written([feature]) @ reader.unembedding().T)[0]
        names = lens.spelled(reader, range(len(logits)))
        for pairs, largest in ((kept.promoted, True), (kept.suppressed, False)):
            # Several tokens may be spelled alike: the one whose logit is nearest is meant.
            tokens = [
                min(
                    (i for i, name in enumerate(names) if name == token),
                    key=lambda i: abs(float(logits[i]) - told),
                )
                for token, told in pairs
            ]
            assert_ends(tokens, [told for _, told in pairs], logits, largest)
