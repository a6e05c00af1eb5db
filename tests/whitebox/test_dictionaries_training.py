"""A dictionary's training: what it finds of a planted truth, and what a kill, a fault or bad numbers do to it."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from diffing.common.errors import Cancelled, UserError
from diffing.whitebox.activations.corpus import Corpus
from diffing.whitebox.activations.source import Passes
from diffing.whitebox.activations.stream import Options as StreamOptions
from diffing.whitebox.activations.stream import Stream
from diffing.whitebox.dictionaries import about, training
from diffing.whitebox.dictionaries.dictionary import Dictionary
from diffing.whitebox.dictionaries.shape import BASE, VARIANT, Scale, scale_of
from diffing.whitebox.dictionaries.training import Options, Place, Training, train
from diffing.whitebox.pairs.opening import open_pair
from diffing.whitebox.texts import Document
from tests.fakes import pairs as fakes
from tests.fakes.planted import Planted, matched

CPU = torch.device("cpu")
SMALL = Options(latents=40, k=3, rate=3e-3, minutes=0)


def small(**changed: Any) -> Options:
    return Options.model_validate(SMALL.model_dump() | changed)


def flow(batches: int = 120) -> Planted:
    return Planted(16, 16, 4, 128, batches, often=0.05)


def trained(made: Planted, options: Options, folder: Path, check: Callable[[], None] = lambda: None) -> Dictionary:
    scale = scale_of(made.pairs(0, 4096), options.shape(made.shared.shape[1]))
    return train(made, made.batches, scale, options, Place(folder), CPU, check)


@pytest.fixture(scope="module")
def crosscoder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Planted, Dictionary, Path]:
    made = Planted(40, 60, 8, 512, 600)
    folder = tmp_path_factory.mktemp("crosscoder") / "one"
    found = trained(made, Options(latents=160, k=4, rate=4e-3), folder)
    return made, found, folder


def test_exclusive_directions_are_found_and_no_others(crosscoder: tuple[Planted, Dictionary, Path]) -> None:
    made, found, _ = crosscoder
    entries = found.encode(made.pairs(10**5, 4096))
    alive = torch.bincount(entries.latent, minlength=160) > 8
    leaning, (side, towards) = found.leaning(), found.towards()
    for which, own, planted in (
        (VARIANT, (leaning > 0.9) & alive, made.variant),
        (BASE, (leaning < 0.1) & alive, made.base),
    ):
        assert (side[own] == which).all()
        recovered, false = matched(towards[own], planted)
        assert recovered >= 0.9 and false <= 0.05
    shared = (leaning > 0.4) & (leaning < 0.6) & alive
    assert matched(towards[shared], made.shared)[0] >= 0.9
    assert float(found.likeness()[shared].min()) > 0.9


def test_in_use_as_many_are_active_as_in_training(crosscoder: tuple[Planted, Dictionary, Path]) -> None:
    made, found, _ = crosscoder
    pairs = made.pairs(10**5 + 1, 4096)
    entries = found.encode(pairs)
    assert abs(len(entries.row) / 4096 - 4) < 0.6
    back = found.decode(entries, 4096)
    spread = (pairs - pairs.mean(0)).square().sum()
    assert float((back - pairs).square().sum() / spread) < 0.1
    # A token is read by itself, whatever else is in the batch.
    alone = found.encode(pairs[7:8])
    mine = entries.latent[entries.row == 7]
    assert alone.latent.tolist() == mine.tolist()


def test_curves_tell_how_it_learnt(crosscoder: tuple[Planted, Dictionary, Path]) -> None:
    _, _, folder = crosscoder
    table = about.curves(folder)
    assert table["step"].tolist() == list(range(50, 601, 50))
    assert table["tokens"].iloc[-1] == 600 * 512
    last = table.iloc[-1]
    assert last["loss"] < 0.3 * table["loss"].iloc[0]
    assert last["active"] == 4 and table["active"].iloc[0] > 20
    shares = last[["explained_base", "explained_variant", "explained_difference"]]
    assert (shares > 0.85).all() and (shares < 1).all()
    assert last["rate"] < 4e-3 / 50


def test_a_difference_sae_finds_what_either_model_has_alone(tmp_path: Path) -> None:
    made = Planted(40, 60, 8, 512, 400)
    # As many as there are: 16 directions in 3 % of the tokens each. With more, what is over goes to noise.
    options = Options(kind="difference", latents=32, k=0.5, rate=4e-3)
    found = trained(made, options, tmp_path / "one")
    alive = torch.bincount(found.encode(made.pairs(10**5, 4096)).latent, minlength=32) > 8
    recovered, false = matched(found.written()[alive, 0], torch.cat([made.variant, -made.base]))
    assert recovered >= 0.9 and false <= 0.05
    assert "explained_base" not in about.curves(tmp_path / "one")


def test_shares_of_variance_are_those_of_the_models_own_numbers() -> None:
    made = flow()
    pairs = made.pairs(1, 200) * torch.tensor([1.0, 5.0])[:, None]
    options = Options(latents=40)
    scale = scale_of(pairs, options.shape(16)).to(CPU, torch.float32)
    left = torch.randn(200, 2, 16)
    told = training.shares(scale.apply(pairs), (left * scale.factor[:, None]).flatten(1), scale)
    wanted = {"explained_base": (pairs[:, 0], left[:, 0]), "explained_variant": (pairs[:, 1], left[:, 1])}
    wanted["explained_difference"] = (pairs[:, 1] - pairs[:, 0], left[:, 1] - left[:, 0])
    for name, (seen, missed) in wanted.items():
        spread = (seen - seen.mean(0)).square().sum()
        assert math.isclose(told[name], float(1 - missed.square().sum() / spread), rel_tol=1e-4)


class Killed(Exception):
    """Stands for the end of a process."""


@pytest.mark.parametrize("stop", [Killed, Cancelled])
def test_killed_and_taken_up_it_ends_with_the_same_weights(tmp_path: Path, stop: type[Exception]) -> None:
    # Dead latents, new beginnings and nested groups among what must go on.
    options = small(variant_only=3, groups=(10, 40), difference=-0.3)
    whole = trained(flow(), options, tmp_path / "whole")
    left = [7, 41, 1, 60]

    def check() -> None:
        left[0] -= 1
        if not left[0]:
            raise stop

    for _ in range(4):
        with pytest.raises(stop):
            trained(flow(), options, tmp_path / "cut", check)
        assert not about.exists(tmp_path / "cut")
        left.pop(0)
    left = [10**6]
    cut = trained(flow(), options, tmp_path / "cut", check)
    for name in ("encoder", "encoder_bias", "decoder", "decoder_bias", "threshold"):
        assert torch.equal(getattr(whole, name), getattr(cut, name)), name
    pd.testing.assert_frame_equal(about.curves(tmp_path / "whole"), about.curves(tmp_path / "cut"))
    assert not Place(tmp_path / "cut").state.exists()


def test_one_that_is_there_is_not_trained_again(tmp_path: Path) -> None:
    found = trained(flow(), SMALL, tmp_path / "one")
    made = flow()
    again = trained(made, SMALL, tmp_path / "one")
    assert made.given == 0 and torch.equal(found.decoder, again.decoder)


class Broken(Planted):
    """A flow whose batches are no numbers from some point on."""

    bad = 60

    def __iter__(self) -> Iterator[Tensor]:
        for pairs in super().__iter__():
            yield pairs * torch.nan if self.given >= self.bad else pairs


def test_numbers_that_are_none_end_it_and_what_was_learnt_is_kept(tmp_path: Path) -> None:
    made, options = Broken(16, 16, 4, 128, 120, often=0.05), SMALL
    with pytest.raises(UserError, match="no number any more; choose a lower rate. What was learnt in 59 steps"):
        trained(made, options, tmp_path / "one")
    # Mended, it goes on from there and ends as if nothing had been.
    mended = trained(flow(), options, tmp_path / "one")
    assert torch.equal(mended.decoder, trained(flow(), options, tmp_path / "two").decoder)


def test_activations_that_are_all_alike_end_it(tmp_path: Path) -> None:
    class Dead(Planted):
        def __iter__(self) -> Iterator[Tensor]:
            for pairs in super().__iter__():
                yield torch.zeros_like(pairs) + scale.mean

    made = Dead(16, 16, 4, 128, 120)
    options = SMALL
    scale = scale_of(made.pairs(0, 4096), options.shape(16)).to(CPU, torch.float32)
    with pytest.raises(UserError, match="hold nothing to learn"):
        train(made, 120, scale, options, Place(tmp_path / "one"), CPU)


def test_a_flow_that_ends_early_is_said_and_kept(tmp_path: Path) -> None:
    made = flow(30)
    scale = scale_of(made.pairs(0, 4096), SMALL.shape(16))
    with pytest.raises(
        UserError, match="ended after 30 of 50 steps; give more texts. What was learnt in 30 steps"
    ):
        train(made, 50, scale, SMALL, Place(tmp_path / "one"), CPU)


def test_a_state_of_other_settings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ended after"):
        scale = scale_of(flow().pairs(0, 4096), SMALL.shape(16))
        train(flow(30), 50, scale, SMALL, Place(tmp_path / "one"), CPU)
    with pytest.raises(UserError, match="had other settings"):
        train(flow(30), 50, scale, small(k=4), Place(tmp_path / "one"), CPU)


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training, "save_file", full)
    with pytest.raises(UserError, match="state cannot be written .*free some space and train on"):
        trained(flow(), SMALL, tmp_path / "one")


def test_a_weight_of_the_difference_asks_for_one_scale() -> None:
    made = flow()
    pairs = made.pairs(0, 4096) * torch.tensor([1.0, 5.0])[:, None]
    with pytest.raises(UserError, match="needs one scale"):
        apart = scale_of(pairs, Options().shape(16))
        Training(made, 10, apart, small(difference=-0.5), Place(Path("none")), CPU)


def test_a_pairs_own_stream_is_learnt_from_and_taken_up_again(tmp_path: Path) -> None:
    folders = fakes.make(tmp_path / "pair", "gemma2")
    texts = [Document(str(n), tuple(row) * 3, 1, 3 * len(row), "text", False) for n, row in enumerate(fakes.IDS)]

    def stream() -> Stream:
        source = Passes(open_pair(folders.low_rank), Corpus(texts), [0])
        return Stream(source, StreamOptions(batch=32, buffer=64, rounds=4))

    def learn(folder: str, check: Callable[[], None] = lambda: None) -> Dictionary:
        made = stream()
        norms = made.norms["text"]
        scale = Scale(norms.mean[0], 1 / norms.rms[0])
        return train(made, -(-made.rows // 32), scale, SMALL, Place(tmp_path / folder), CPU, check)

    left = 9

    def check() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Killed

    whole = learn("whole")
    with pytest.raises(Killed):
        learn("cut", check)
    assert torch.equal(learn("cut").decoder, whole.decoder)
