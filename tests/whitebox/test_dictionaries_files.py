"""Dictionaries on disk: ours, SAELens's, and the layouts in which others publish theirs."""

import json
import pickle
from pathlib import Path

import pandas as pd
import pytest
import torch
from sae_lens import SAE
from safetensors.torch import save_file
from torch import Tensor

from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.reader import sae as readers
from diffing.whitebox.dictionaries import about, files, published
from diffing.whitebox.dictionaries.dictionary import TENSORS, Dictionary
from diffing.whitebox.dictionaries.shape import Scale, Shape

WIDTH, LATENTS, TOKENS = 12, 50, 300


def made(sides: int) -> Dictionary:
    """A dictionary with random numbers everywhere."""
    torch.manual_seed(sides)
    inputs = WIDTH * sides
    return Dictionary(
        Shape(WIDTH, LATENTS, sides, groups=(10, LATENTS)),
        Scale(torch.randn(sides, WIDTH), torch.rand(sides) + 0.5),
        torch.randn(LATENTS, inputs),
        torch.randn(LATENTS),
        torch.randn(LATENTS, inputs),
        torch.randn(inputs),
        torch.rand(LATENTS) * 4,
        active=7.5,
    )


def pairs() -> Tensor:
    torch.manual_seed(9)
    return torch.randn(TOKENS, 2, WIDTH) * 2 + 0.3


def dense(found: Dictionary, given: Tensor) -> tuple[Tensor, Tensor]:
    """Activations [tokens, latents] and what they give back, by way of the sparse ones."""
    entries = found.encode(given)
    values = torch.zeros(len(given), found.shape.latents)
    values[entries.row, entries.latent] = entries.value
    return values, found.decode(entries, len(given))


@pytest.mark.parametrize("sides", [1, 2])
def test_what_is_read_is_what_was_written(sides: int, tmp_path: Path) -> None:
    one, curves = made(sides), pd.DataFrame({"step": [50], "loss": [0.5]})
    files.save(tmp_path / "one", one, {"tokens": 5}, curves)
    two = files.load(tmp_path / "one")
    assert two.shape == one.shape and two.active == 7.5
    for name in TENSORS:
        assert torch.equal(getattr(one, name), getattr(two, name))
    for mine, theirs in zip(one.scale, two.scale, strict=True):
        assert torch.equal(mine, theirs)
    assert about.facts(tmp_path / "one") == {"tokens": 5}
    pd.testing.assert_frame_equal(about.curves(tmp_path / "one"), curves)


def test_a_damaged_or_missing_one_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no dictionary"):
        files.load(tmp_path / "none")
    files.save(tmp_path / "one", made(2), {})
    (tmp_path / "one" / about.WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(Damaged, match="train it again"):
        files.load(tmp_path / "one")


def test_saelens_loads_a_difference_sae_and_agrees_and_what_reads_one_model_refuses_it(tmp_path: Path) -> None:
    one = made(1)
    files.save(tmp_path / "one", one, {}, hook="blocks.3.hook_resid_post", model="some/model")
    given = pairs()
    values, back = dense(one, given)
    lengths = one.written()[:, 0].norm(dim=1)
    theirs = SAE.load_from_disk(tmp_path / "one", dtype="float32")
    told = theirs.cfg.metadata
    assert (told.hook_name, told.model_name, told.reads) == (
        "blocks.3.hook_resid_post",
        "some/model",
        "variant less base",
    )
    encoded = theirs.encode(given[:, 1] - given[:, 0])
    # A value near its threshold may fall on its other side.
    assert float(((encoded > 0) != (values > 0)).float().mean()) < 1e-3
    both = (encoded > 0) & (values > 0)
    torch.testing.assert_close(encoded[both], (values * lengths)[both], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(theirs.decode(encoded), back[:, 0], rtol=1e-3, atol=1e-3)
    with pytest.raises(UserError, match="reads the difference of two models"):
        readers.load_folder(tmp_path / "one")


def test_a_crosscoder_is_not_written_as_what_it_is_not(tmp_path: Path) -> None:
    files.save(tmp_path / "one", made(2), {}, hook="blocks.3.hook_resid_post")
    assert not (tmp_path / "one" / "cfg.json").exists()


def crosscoder(kind: int | None, normed: bool) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """A state dict as crosscoder_learning saves it, and what it gives for the pairs, by its definition."""
    torch.manual_seed(4)
    state = {
        "encoder.weight": torch.randn(2, WIDTH, LATENTS),
        "encoder.bias": torch.randn(LATENTS),
        "decoder.weight": torch.randn(2, LATENTS, WIDTH),
        "decoder.bias": torch.randn(2, WIDTH),
        "k": torch.tensor(8, dtype=torch.int),
        "threshold": torch.tensor(30.0),
    }
    if kind is not None:
        state["code_normalization_id"] = torch.tensor(kind)
    mean, spread = torch.full((2, WIDTH), torch.nan), torch.full((2, WIDTH), torch.nan)
    factor = torch.ones(2)
    if normed:
        mean, spread = torch.randn(2, WIDTH), torch.rand(2, WIDTH) + 0.5
        factor = 3 / (spread.square().sum(1) + 1e-8).sqrt()
    state |= {"activation_mean": mean, "activation_std": spread, "activation_global_scale": factor}
    given = pairs()
    seen = (given - mean.nan_to_num(0)) * factor[:, None]
    before = (torch.einsum("bld,ldf->bf", seen, state["encoder.weight"]) + state["encoder.bias"]).relu()
    lengths = state["decoder.weight"].norm(dim=2)
    rank = {
        1: lengths.sum(0),
        2: lengths.square().sum(0).sqrt(),
        3: lengths.square().sum(0).sqrt() + 0.1 * lengths.sum(0),
        4: torch.ones(LATENTS),
    }[kind or 1]
    codes = before * (before * rank > 30)
    back = torch.einsum("bf,lfd->bld", codes, state["decoder.weight"]) + state["decoder.bias"]
    return state, codes, back / factor[:, None] + mean.nan_to_num(0)


@pytest.mark.parametrize("kind", [None, 1, 2, 3, 4])
@pytest.mark.parametrize("normed", [False, True])
def test_published_crosscoders_give_what_they_gave(kind: int | None, normed: bool, tmp_path: Path) -> None:
    state, codes, back = crosscoder(kind, normed)
    torch.save(state, tmp_path / "ae.pt")
    found = published.load(tmp_path)
    values, given = dense(found, pairs())
    assert 0 < int((codes > 0).sum()) < codes.numel() / 2
    assert float(((codes > 0) != (values > 0)).float().mean()) < 1e-3
    both = (codes > 0) & (values > 0)
    torch.testing.assert_close(values[both], codes[both], rtol=1e-4, atol=1e-4)
    same = ((codes > 0) == (values > 0)).all(1)
    torch.testing.assert_close(given[same], back[same], rtol=1e-3, atol=1e-3)
    assert found.active == 8


def test_they_come_as_safetensors_compiled_or_with_one_embedding_a_side(tmp_path: Path) -> None:
    state, _, _ = crosscoder(1, True)
    torch.save(state, tmp_path / "plain.pt")
    plain = published.load(tmp_path / "plain.pt")
    (tmp_path / "hub").mkdir()
    save_file(state, tmp_path / "hub" / "model.safetensors")
    torch.save({f"_orig_mod.{name}": value for name, value in state.items()}, tmp_path / "compiled.pt")
    layers = {f"decoder.layers.{n}.weight": state["decoder.weight"][n] for n in range(2)}
    torch.save({n: v for n, v in state.items() if n != "decoder.weight"} | layers, tmp_path / "bags.pt")
    for name in ("hub", "compiled.pt", "bags.pt"):
        other = published.load(tmp_path / name)
        for tensor in TENSORS:
            assert torch.equal(getattr(plain, tensor), getattr(other, tensor)), (name, tensor)


def test_a_plain_crosscoder_without_threshold_counts_all_above_zero(tmp_path: Path) -> None:
    state, _, _ = crosscoder(None, False)
    parts = {name: value for name, value in state.items() if name.startswith(("encoder", "decoder"))}
    torch.save(parts, tmp_path / "ae.pt")
    values, _ = dense(published.load(tmp_path / "ae.pt"), pairs())
    before = torch.einsum("bld,ldf->bf", pairs(), parts["encoder.weight"]) + parts["encoder.bias"]
    torch.testing.assert_close(values, before.relu(), rtol=1e-4, atol=1e-4)
    # Below 0 none was learnt.
    torch.save(parts | {"threshold": torch.tensor(-1.0)}, tmp_path / "new.pt")
    assert torch.equal(dense(published.load(tmp_path / "new.pt"), pairs())[0], values)


@pytest.mark.parametrize("embedded", [False, True])
def test_published_saes_on_differences_give_what_they_gave(embedded: bool, tmp_path: Path) -> None:
    torch.manual_seed(6)
    rows = torch.randn(LATENTS, WIDTH)
    state = {
        "encoder.weight": torch.randn(LATENTS, WIDTH),
        "encoder.bias": torch.randn(LATENTS),
        "decoder.weight": rows if embedded else rows.T.contiguous(),
        "b_dec": torch.randn(WIDTH),
        "k": torch.tensor(5),
        "threshold": torch.tensor(3.0),
    }
    torch.save(state, tmp_path / "ae.pt")
    found = published.load(tmp_path / "ae.pt")
    given = pairs()
    seen = given[:, 1] - given[:, 0]
    before = ((seen - state["b_dec"]) @ state["encoder.weight"].T + state["encoder.bias"]).relu()
    codes = before * (before > 3)
    values, back = dense(found, given)
    assert float(((codes > 0) != (values > 0)).float().mean()) < 1e-3
    same = ((codes > 0) == (values > 0)).all(1)
    torch.testing.assert_close(values[same], codes[same], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(back[same, 0], (codes @ rows + state["b_dec"])[same], rtol=1e-3, atol=1e-3)


class Evil:
    """What a pickle may hold: a call that it makes when it is opened."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("should-not-exist"),))  # type: ignore[return-value]


def test_no_code_in_a_file_is_run_and_what_is_not_understood_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.pt").write_bytes(pickle.dumps({"encoder.weight": Evil()}))
    with pytest.raises(UserError, match="cannot be read as weights"):
        published.load(tmp_path / "evil.pt")
    assert not (tmp_path / "should-not-exist").exists()
    state, _, _ = crosscoder(1, False)
    torch.save(state | {"code_normalization_id": torch.tensor(5)}, tmp_path / "ae.pt")
    with pytest.raises(UserError, match="DECOUPLED"):
        published.load(tmp_path / "ae.pt")
    torch.save({"W": torch.ones(3)}, tmp_path / "other.pt")
    with pytest.raises(UserError, match="no dictionary of a known layout"):
        published.load(tmp_path / "other.pt")
    three = {name: value for name, value in state.items() if not name.startswith("activation")}
    three["encoder.weight"] = torch.randn(3, WIDTH, LATENTS)
    torch.save(three, tmp_path / "three.pt")
    with pytest.raises(UserError, match="two models of one width"):
        published.load(tmp_path / "three.pt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="name the file itself"):
        published.load(tmp_path / "empty")
    each, _, _ = crosscoder(1, True)
    torch.save(each | {"activation_global_scale": torch.ones(2)}, tmp_path / "each.pt")
    with pytest.raises(UserError, match="a spread of its own"):
        published.load(tmp_path / "each.pt")


def test_a_configuration_beside_tells_what_the_weights_do_not(tmp_path: Path) -> None:
    state, codes, _ = crosscoder(4, False)
    del state["code_normalization_id"]
    torch.save(state, tmp_path / "ae.pt")
    (tmp_path / "config.json").write_text(json.dumps({"code_normalization": "none"}), encoding="utf-8")
    values, _ = dense(published.load(tmp_path), pairs())
    assert float(((codes > 0) != (values > 0)).float().mean()) < 1e-3
