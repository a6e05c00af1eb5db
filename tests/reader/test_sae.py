"""Sparse features against SAELens's own `encode`, and the SAEs that are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from sae_lens import SAE
from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory
from transformer_lens.loading_from_pretrained import get_official_model_name

from diffing.common.errors import UserError
from diffing.reader import sae
from diffing.reader.reader import Reader
from diffing.study.settings import ReaderChoice
from tests.fakes import tiny
from tests.fakes.tiny import Whole, assert_close, dense, load

BATCH = [
    [0, *range(20, 60)],
    [0, 7],
    [0, *range(300, 317)],
    [0, *range(399, 340, -1)],
]
SAES: list[tuple[str, dict[str, Any]]] = [
    ("standard", {}),
    ("standard", {"apply_b_dec_to_input": False}),
    ("standard", {"normalize_activations": "layer_norm"}),
    ("standard", {"normalize_activations": "constant_norm_rescale"}),
    ("standard", {"normalize_activations": "expected_average_only_in"}),
    ("gated", {}),
    ("gated", {"normalize_activations": "layer_norm"}),
    ("jumprelu", {}),
    ("jumprelu", {"apply_b_dec_to_input": False, "normalize_activations": "constant_norm_rescale"}),
    ("topk", {"k": 9}),
    ("topk", {"k": 9, "rescale_acts_by_decoder_norm": True}),
    ("abstopk", {"k": 9}),
    ("abstopk", {"k": 5, "rescale_acts_by_decoder_norm": True}),
    ("matching_pursuit", {"residual_threshold": 0.5, "max_iterations": 12}),
]

BOUND = 1e-5
"""Of the largest feature: the same 32 products added up in another order."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("llama")
    return Whole(folder, tiny.model(folder, tiny.configs()["llama"]))


@pytest.mark.parametrize(("architecture", "changes"), SAES, ids=lambda value: str(value))
def test_each_kind_of_sae_gives_what_saelens_gives(
    architecture: str, changes: dict[str, Any], whole: Whole, tmp_path: Path
) -> None:
    tiny.sae(tmp_path, architecture, **changes)
    reader = load(whole.folder, tmp_path)
    hidden = reader.hidden(BATCH)
    reference = SAE.load_from_disk(tmp_path)
    with torch.inference_mode():
        wanted = reference.encode(hidden)
    found = dense(reader, hidden)
    tiny.assert_same_features(found, wanted, tiny.margin(reference, hidden), BOUND)
    assert architecture != "abstopk" or bool((found < 0).any())


def test_heads_side_by_side_are_the_heads_that_saelens_wants_apart(whole: Whole, tmp_path: Path) -> None:
    tiny.sae(tmp_path, hook="blocks.2.attn.hook_z", reshape_activations="hook_z")
    reader = load(whole.folder, tmp_path)
    hidden = reader.hidden(BATCH)
    with torch.inference_mode():
        wanted = SAE.load_from_disk(tmp_path).encode(hidden.reshape(len(hidden), 4, -1))
    assert_close(dense(reader, hidden), wanted)


def test_slices_of_many_tokens_join_up(whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.sae(tmp_path)
    reader = load(whole.folder, tmp_path)
    hidden = reader.hidden(BATCH)
    at_once = dense(reader, hidden)
    monkeypatch.setattr("diffing.reader.sparsify.DENSE_CPU", 7 * 96)
    tiny.assert_same_features(dense(reader, hidden), at_once, tiny.margin(reader.sae, hidden), BOUND)
    assert [len(part) for part in reader.sparse(hidden[:0])] == [0, 0, 0]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"architecture": "transcoder"}, "reads one place and writes another"),
        ({"architecture": "jumprelu_skip_transcoder"}, "reads one place and writes another"),
        ({"architecture": "temporal"}, "depend on the tokens before"),
        ({"architecture": "batchtopk"}, "save_inference_model"),
        ({"architecture": "matryoshka_batchtopk"}, "save_inference_model"),
        ({"architecture": "crosscoder"}, "reads one place and writes another"),
        ({"architecture": "mystery"}, "known kinds are standard, gated"),
        ({"metadata": {"hook_name": "blocks.2.hook_mlp_in"}}, "hook_mlp_in"),
        ({"metadata": {"hook_name": "hook_embed"}}, "hook_embed"),
        ({"metadata": {}}, "does not name its hook"),
        ({"metadata": {"hook_name": "blocks.9.hook_resid_post"}}, "layers 0 to 4"),
        ({"metadata": {"hook_name": "blocks.2.attn.hook_z", "hook_head_index": 1}}, "reads head 1"),
        ({"d_in": 16}, "takes 16 numbers a token, but blocks.2.hook_resid_post .* gives 32"),
        (
            {
                "metadata": {
                    "hook_name": "blocks.2.hook_resid_post",
                    "model_from_pretrained_kwargs": {"hf_model": 1},
                }
            },
            "hf_model",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_does_not_fit_is_refused_with_its_reason(
    config: dict[str, Any], words: str, whole: Whole, tmp_path: Path
) -> None:
    tiny.sae(tmp_path, d_in=config.pop("d_in", tiny.WIDTH))
    stated = json.loads((tmp_path / "cfg.json").read_text())
    if "metadata" in config:
        # Without a version, SAELens takes the file for one of an older layout.
        config["metadata"] = {**config["metadata"], "sae_lens_version": "6.54.12"}
    (tmp_path / "cfg.json").write_text(json.dumps({**stated, **config}))
    with pytest.raises(UserError, match=words):
        load(whole.folder, tmp_path)


def test_broken_folders_are_refused(whole: Whole, tmp_path: Path) -> None:
    tiny.sae(tmp_path / "sae")
    with pytest.raises(UserError, match="no model folder"):
        load(tmp_path / "nowhere", tmp_path / "sae")
    with pytest.raises(UserError, match=r"no cfg\.json"):
        load(whole.folder, tmp_path)
    (tmp_path / "sae" / "sae_weights.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match="cannot read the SAE"):
        load(whole.folder, tmp_path / "sae")


def test_pickled_weights_are_refused(whole: Whole, tmp_path: Path) -> None:
    whole.model.config.save_pretrained(tmp_path / "model")
    torch.save({}, tmp_path / "model" / "pytorch_model.bin")
    tiny.sae(tmp_path / "sae")
    with pytest.raises(UserError, match="no safetensors weights"):
        load(tmp_path / "model", tmp_path / "sae")


def test_unknown_releases_and_ids_are_told_with_near_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.block_network(monkeypatch)
    with pytest.raises(UserError, match="gpt2-small-res-jb"):
        Reader.load(ReaderChoice(release="gpt2-small-res-jp", sae_id="x"))
    with pytest.raises(UserError, match=r"blocks\.8\.hook_resid_pre"):
        Reader.load(ReaderChoice(release="gpt2-small-res-jb", sae_id="blocks.8.hook_resid"))


@pytest.mark.parametrize(
    ("release", "sae_id", "words"),
    [
        (
            "gemma-scope-2-270m-it-transcoders-all",
            "layer_0_width_16k_l0_big",
            "reads one place and writes another",
        ),
        ("mwhanna-qwen3-4b-transcoders", "layer_0", "reads one place and writes another"),
        ("temporal-sae-gemma-2-2b", "blocks.12.hook_resid_post", "depend on the tokens before"),
    ],
)
def test_the_registrys_other_kinds_are_refused_before_anything_is_fetched(
    release: str, sae_id: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.block_network(monkeypatch)
    with pytest.raises(UserError, match=words):
        Reader.load(ReaderChoice(release=release, sae_id=sae_id))


def test_the_short_names_of_saelens_mean_what_transformer_lens_takes_them_for() -> None:
    names = {entry.model for entry in get_pretrained_saes_directory().values()}
    short = sorted(name for name in names if "/" not in name)
    assert len(short) >= 10
    assert {name: sae.model_id(name, "") for name in short} == {n: get_official_model_name(n) for n in short}
    assert sae.model_id("owner/model", "gpt2-small") == "owner/model"
    assert sae.model_id("", "somebody's own") == "somebody's own"
