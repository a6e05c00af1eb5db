"""What a direction writes, against the plain model's own norm and head."""

from pathlib import Path
from typing import Any

import pytest
import torch

from diffing.common.errors import UserError
from diffing.models.whole import Whole
from diffing.whitebox.measures import unembed
from tests.fakes import pairs as fakes
from tests.fakes import tiny
from tests.fakes.tiny import assert_close

NAMES = ["llama", "gemma2", "gemma3", "qwen2", "qwen3", "gpt2", "mistral"]


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_the_models_own_head_behind_its_own_norm(name: str, tmp_path: Path) -> None:
    tiny.model(tmp_path, tiny.configs()[name])
    plain = fakes.plain(tmp_path)
    whole = Whole(plain)
    ids = torch.tensor([[0, *range(20, 40)]])
    # The last entry is behind the final norm, the one before what it reads: at the last layer, but for its length.
    seen: list[torch.Tensor] = []
    handle = unembed.final_norm(whole).register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad():
        wanted = plain(ids).logits[0].float()
    handle.remove()
    assert_close(unembed.scores(whole, seen[0][0]), wanted)
    # Lengths do not count.
    assert_close(unembed.scores(whole, 1000 * seen[0][0]), wanted)


def test_a_direction_and_its_opposite_are_opposites_where_the_norm_has_no_bias(tmp_path: Path) -> None:
    directions = torch.randn(3, tiny.WIDTH, generator=torch.Generator().manual_seed(0))
    for name, odd in (("llama", True), ("gpt2", False)):
        tiny.model(tmp_path / name, tiny.configs()[name])
        whole = Whole(fakes.plain(tmp_path / name))
        norm: Any = unembed.final_norm(whole)
        if not odd:
            torch.nn.init.constant_(norm.bias, 0.5)
        up, down = unembed.scores(whole, directions), unembed.scores(whole, -directions)
        assert torch.allclose(up, -down, atol=1e-5) is odd


def test_a_direction_of_no_length_writes_nothing(tmp_path: Path) -> None:
    tiny.model(tmp_path, tiny.configs()["llama"])
    assert not unembed.scores(Whole(fakes.plain(tmp_path)), torch.zeros(1, tiny.WIDTH)).any()


def test_tokens_that_are_seen_often_enough_are_common() -> None:
    told = unembed.common([[1, 1, 2], [1, 3, 3]], 5, least=2)
    assert told.tolist() == [False, True, False, True, False]


def test_a_model_whose_norm_is_not_known_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.model(tmp_path, tiny.configs()["llama"])
    whole = Whole(fakes.plain(tmp_path))
    monkeypatch.setattr(unembed, "NORMS", ("elsewhere",))
    with pytest.raises(UserError, match="final norm"):
        unembed.scores(whole, torch.ones(1, tiny.WIDTH))
