"""What a reader is: its key, its window, its self-check, and the names it goes by."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from diffing.common.errors import UserError
from tests.fakes import tiny
from tests.fakes.tiny import Whole, load


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("llama")
    return Whole(folder, tiny.model(folder, tiny.configs()["llama"]))


def test_keys_change_with_whatever_changes_an_encoding(whole: Whole, tmp_path: Path) -> None:
    model, sae = tmp_path / "model", tmp_path / "sae"
    shutil.copytree(whole.folder, model)
    tiny.sae(sae)
    keys = [load(model, sae).key, load(model, sae, context="prompt+answer").key]
    tiny.sae(sae, metadata={"prepend_bos": False})
    keys.append(load(model, sae).key)
    tiny.sae(sae, hook="blocks.1.hook_resid_post")
    keys.append(load(model, sae).key)
    tiny.sae(sae)
    tiny.tokenizer("{{ messages[-1].content }}").save_pretrained(model)
    keys.append(load(model, sae).key)
    assert len(set(keys)) == len(keys)


def test_keys_do_not_change_with_the_place(whole: Whole, tmp_path: Path) -> None:
    tiny.sae(tmp_path / "sae")
    shutil.copytree(whole.folder, tmp_path / "moved")
    assert load(whole.folder, tmp_path / "sae").key == load(tmp_path / "moved", tmp_path / "sae").key


def test_window_is_what_the_sae_was_trained_on_within_the_models_positions(whole: Whole, tmp_path: Path) -> None:
    windows = []
    for size in (64, 10_000, None):
        tiny.sae(tmp_path, metadata={"context_size": size})
        windows.append(load(whole.folder, tmp_path).window)
    assert windows == [64, 256, 256]


def perfect(folder: Path, **changes: Any) -> None:
    """An SAE that gives back whatever it reads, with 32 of 64 features active."""
    sae = tiny.sae(folder, "standard", d_sae=64, **changes)
    identity = torch.eye(tiny.WIDTH)
    with torch.no_grad():
        sae.W_enc.copy_(torch.cat([identity, -identity], dim=1))
        sae.W_dec.copy_(torch.cat([identity, -identity]))
        sae.b_enc.zero_()
        sae.b_dec.zero_()
    sae.save_model(folder)


def test_self_check_measures_what_the_sae_leaves_out(whole: Whole, tmp_path: Path) -> None:
    perfect(tmp_path, metadata={"context_size": 24})
    checked = load(whole.folder, tmp_path).check([*tiny.TEXTS, ""])
    assert (checked.texts, checked.unread, checked.l0) == (5, 1, 32.0)
    assert checked.unexplained < 1e-6
    assert 0 < checked.over_window < 1
    assert checked.faults == ["32 features are active per token where 1 to 16 would be believable"]
    assert "1 of 5 texts cannot be read" in checked.notes[-1]


def test_self_check_is_an_error_where_the_sae_belongs_to_another_model(whole: Whole, tmp_path: Path) -> None:
    tiny.sae(tmp_path, "topk", k=9)
    checked = load(whole.folder, tmp_path).check(tiny.TEXTS)
    assert checked.usual_l0 == 9
    assert checked.l0 <= 9
    with pytest.raises(UserError, match="reconstruction is worse than the mean"):
        checked.require()
