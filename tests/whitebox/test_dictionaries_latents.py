"""What is said of latents, against least squares done by hand, and the published mistakes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from diffing.common.arrays import Floats
from diffing.common.errors import UserError
from diffing.whitebox.dictionaries import latents
from diffing.whitebox.dictionaries.dictionary import Dictionary
from diffing.whitebox.dictionaries.latents import Seen, measured
from diffing.whitebox.dictionaries.shape import scale_of
from diffing.whitebox.dictionaries.training import Options, Place, train
from tests.fakes.planted import Planted

CPU = torch.device("cpu")
TOKENS = 3000


@pytest.fixture(scope="module")
def planted() -> Planted:
    return Planted(24, 30, 5, 256, 300, often=0.04)


def learnt(made: Planted, options: Options, folder: Path) -> Dictionary:
    made.given = 0
    shape = options.shape(made.shared.shape[1])
    return train(made, made.batches, scale_of(made.pairs(0, 4096), shape), options, Place(folder), CPU)


@pytest.fixture(scope="module")
def crosscoder(planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> Dictionary:
    return learnt(planted, Options(latents=80, k=3, rate=4e-3), tmp_path_factory.mktemp("cross") / "one")


@pytest.fixture(scope="module")
def difference(planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> Dictionary:
    options = Options(kind="difference", latents=20, k=0.4, rate=4e-3)
    return learnt(planted, options, tmp_path_factory.mktemp("difference") / "one")


def given(made: Planted, offset: float = 0.0) -> Tensor:
    """Activations that no dictionary was trained on; `offset` is what both have everywhere beside."""
    return made.pairs(10**5, TOKENS) + offset


def seen(pairs: Tensor) -> Iterator[Seen]:
    """In batches, a document every 10 tokens, of two kinds of text."""
    document = np.arange(len(pairs)) // 10
    for begin in range(0, len(pairs), 700):
        part = slice(begin, begin + 700)
        yield Seen(pairs[part], document[part], document[part] % 2)


def dense(found: Dictionary, pairs: Tensor) -> Tensor:
    entries = found.encode(pairs)
    values = torch.zeros(len(pairs), found.shape.latents, dtype=torch.float64)
    values[entries.row, entries.latent] = entries.value.double()
    return values


def by_hand(target: Tensor, direction: Tensor, activation: Tensor) -> float:
    """Least squares of a target's part along a direction on an activation and a constant."""
    along = (target.double() @ direction.double() / direction.double().square().sum()).numpy()
    design = np.stack([np.ones(len(along)), activation.numpy()], 1)
    return float(np.linalg.lstsq(design, along)[0][1])


def test_a_crosscoders_slopes_are_least_squares_done_by_hand(planted: Planted, crosscoder: Dictionary) -> None:
    pairs = given(planted)
    table = measured(crosscoder, seen(pairs), ["even", "odd"])
    values = dense(crosscoder, pairs)
    written, (_, directions) = crosscoder.written().double(), crosscoder.towards()
    back = crosscoder.decode(crosscoder.encode(pairs), TOKENS).double()
    fired = (values > 0).sum(0)
    for latent in fired.topk(12).indices.tolist():
        row, activation = table.loc[latent], values[:, latent]
        others = back - activation[:, None, None] * written[latent]
        for n, side in enumerate(("base", "variant")):
            for name, target in {
                "beta": pairs[:, n],
                "reconstruction": others[:, n],
                "error": pairs[:, n].double() - others[:, n],
            }.items():
                wanted = by_hand(target, directions[latent], activation)
                assert abs(row[f"{name}_{side}"] - wanted) < 1e-4, (latent, name, side)
        gap = by_hand(pairs[:, 1] - pairs[:, 0], directions[latent], activation)
        assert abs(row["beta_difference"] - gap) < 1e-4
        assert abs(row["beta_variant"] - row["beta_base"] - row["beta_difference"]) < 1e-9
        assert row["frequency"] == pytest.approx(float(fired[latent]) / TOKENS)
        assert row["largest"] == pytest.approx(float(activation.max()))
        even = torch.from_numpy(np.arange(TOKENS) // 10 % 2 == 0)
        assert row["frequency_even"] == pytest.approx(float((activation[even] > 0).double().mean()))


def test_latents_of_one_model_are_told_from_shared_ones(planted: Planted, crosscoder: Dictionary) -> None:
    table = measured(crosscoder, seen(given(planted)))
    alive = table[table["frequency"] > 0.01]
    for side, other, own in (
        ("variant", "base", alive[alive["leaning"] > 0.9]),
        ("base", "variant", alive[alive["leaning"] < 0.1]),
    ):
        assert len(own) >= 4 and (own["side"] == side).all()
        # Where it fires the other model has nothing of it: only chance, which the interval covers.
        assert (own[f"beta_{side}"] > 0.8).all() and (own[f"beta_{other}"].abs() < 0.2).all()
        inside = (own[f"beta_{other}_low"] < 0.05) & (own[f"beta_{other}_high"] > -0.05)
        assert inside.mean() > 0.8
        assert (own["nu_error"].abs() < 0.2).all()
    shared = alive[(alive["leaning"] > 0.4) & (alive["leaning"] < 0.6)]
    assert len(shared) >= 25
    assert ((shared["beta_base"] - shared["beta_variant"]).abs() < 0.15).all()
    assert ((shared["nu_error"] - 1).abs() < 0.2).all()


def test_a_difference_saes_slopes_add_up_and_tell_new_from_removed(
    planted: Planted, difference: Dictionary
) -> None:
    pairs = given(planted)
    table = measured(difference, seen(pairs))
    alive = table[table["frequency"] > 0.01]
    assert len(alive) >= 9
    torch.testing.assert_close(
        torch.tensor((alive["beta_variant"] - alive["beta_base"]).to_numpy()),
        torch.tensor(alive["beta_difference"].to_numpy()),
        rtol=0,
        atol=1e-9,
    )
    assert ((alive["beta_difference"] - 1).abs() < 0.2).all()
    rows = torch.nn.functional.normalize(difference.written()[alive["latent"].to_numpy(), 0], dim=1)
    new = (rows @ planted.variant.T > 0.9).any(1).numpy()
    gone = (rows @ -planted.base.T > 0.9).any(1).numpy()
    assert new.sum() >= 4 and gone.sum() >= 4
    assert (alive["beta_base"][new].abs() < 0.2).all() and (alive["beta_variant"][gone].abs() < 0.2).all()
    values, written = dense(difference, pairs), difference.written().double()[:, 0]
    change = pairs[:, 1].double() - pairs[:, 0].double()
    back = difference.decode(difference.encode(pairs), TOKENS).double()[:, 0]
    for latent in alive["latent"].head(5):
        own = values[:, latent, None] * written[latent]
        wanted = by_hand(change - (back - own), written[latent], values[:, latent])
        assert abs(table.loc[latent, "error_difference"] - wanted) < 1e-4
        wanted = by_hand(back - own, written[latent], values[:, latent])
        assert abs(table.loc[latent, "reconstruction_difference"] - wanted) < 1e-4


def test_what_both_models_have_everywhere_changes_no_slope(planted: Planted, difference: Dictionary) -> None:
    pairs = given(planted)
    plain = measured(difference, seen(pairs))
    moved = measured(difference, seen(pairs + 20))
    for name in ("beta_base", "beta_variant", "beta_difference", "error_difference"):
        np.testing.assert_allclose(moved[name], plain[name], atol=2e-3)
    # Without an intercept, as published, the same offset alone is taken for a latent's presence.
    latent = int(plain["frequency"].argmax())
    activation, direction = dense(difference, pairs)[:, latent], difference.written().double()[latent, 0]

    def published(target: Tensor) -> float:
        along = target.double() @ direction
        return float((activation * along).sum() / (activation.square().sum() * direction.square().sum()))

    assert abs(published(pairs[:, 0] + 20) - published(pairs[:, 0])) > 0.5


def test_a_difference_sae_fed_with_raw_activations_is_noticed(
    planted: Planted, difference: Dictionary, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = given(planted)
    right = measured(difference, seen(pairs))
    # The published mistake: the variant's activations take the place of the difference.
    raw = torch.stack([torch.zeros_like(pairs[:, 1]), pairs[:, 1]], 1)
    with pytest.raises(UserError, match="worse than the mean: it reads the variant's activations less"):
        measured(difference, seen(raw))
    with pytest.raises(UserError, match="latents are active a token, where 0.02 were in training"):
        measured(replace(difference, active=0.02), seen(pairs))
    # What it would have told: of latents that write what the base alone had, that they are in neither model.
    monkeypatch.setattr(latents, "_fed", lambda *_: None)
    wrong = measured(difference, seen(raw))
    assert wrong["frequency"].sum() > 2 * right["frequency"].sum()
    gone = right[(right["frequency"] > 0.01) & (right["beta_base"] < -0.8)]["latent"]
    assert len(gone) >= 4 and (wrong["beta_base"][gone].fillna(0) == 0).all()


def test_the_identity_is_asserted(
    planted: Planted, difference: Dictionary, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = latents._slope

    def off(sums: latents.Sums, slopes: latents.Slopes) -> Floats:
        # Targets brought to the difference's scale, as published, and one of them not.
        return plain(sums, slopes) * (1.1 if slopes is sums.slopes["variant"] else 1.0)

    monkeypatch.setattr(latents, "_slope", off)
    with pytest.raises(AssertionError, match="is off"):
        measured(difference, seen(given(planted)))


def test_few_documents_have_fewer_blocks_and_silent_latents_no_slope(
    planted: Planted, difference: Dictionary
) -> None:
    pairs = given(planted)[:90]
    silent = replace(difference, threshold=difference.threshold.clone())
    silent.threshold[3] = 1e9
    table = measured(replace(silent, active=0), [Seen(pairs, np.arange(90) // 30)])
    assert table.loc[3, "frequency"] == 0 and np.isnan(table.loc[3, "beta_base"])
    assert isinstance(table, pd.DataFrame) and table["beta_base"].notna().any()
    with pytest.raises(UserError, match="no activations"):
        measured(difference, [])
