"""Promoted tokens against the decoder row through the whole model's own norm and unembedding."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from diffing.reader import lens
from tests.fakes import tiny
from tests.fakes.tiny import assert_close, load


def through(norm: nn.Module, row: Tensor) -> Tensor:
    """A row at the length of a unit-variance residual, through the norm, less what the norm adds to anything."""
    row = row * tiny.WIDTH**0.5 / row.norm()
    passed: Tensor = norm(row) - norm(torch.zeros_like(row))
    return passed.detach()


@pytest.mark.parametrize("name", ["llama", "gemma2", "gpt2", "gpt_neox"])
def test_promoted_tokens_are_the_decoder_row_through_norm_and_unembedding(name: str, tmp_path: Path) -> None:
    model: Any = tiny.model(tmp_path / "model", tiny.configs()[name])
    sae = tiny.sae(tmp_path / "sae")
    reader = load(tmp_path / "model", tmp_path / "sae")
    norm = {"gpt2": "transformer.ln_f", "gpt_neox": "gpt_neox.final_layer_norm"}.get(name, "model.norm")
    logits = model.get_output_embeddings().weight @ through(model.get_submodule(norm), sae.W_dec[5])
    found = lens.ends(reader, [5, 6], k=4)
    assert found.top[0].tolist() == logits.topk(4).indices.tolist()
    assert found.bottom[0].tolist() == logits.topk(4, largest=False).indices.tolist()
    assert_close(torch.from_numpy(found.top_logits[0]), logits.topk(4).values.detach())


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


def test_promoted_tokens_are_kept_for_pages_without_a_reader(tmp_path: Path) -> None:
    tiny.model(tmp_path / "model", tiny.configs()["llama"])
    tiny.sae(tmp_path / "sae")
    reader = load(tmp_path / "model", tmp_path / "sae")
    assert lens.stored(reader.key, [3]) == {}
    lens.store(reader, k=3)
    found = lens.stored(reader.key, [3, 95])
    assert list(found) == [3, 95]
    for feature, kept in found.items():
        now = lens.ends(reader, [feature], k=3)
        for pairs, ids, logits in (
            (kept.promoted, now.top, now.top_logits),
            (kept.suppressed, now.bottom, now.bottom_logits),
        ):
            assert [token for token, _ in pairs] == lens.spelled(reader, ids[0])
            assert [logit for _, logit in pairs] == pytest.approx(logits[0].tolist(), rel=1e-5)
