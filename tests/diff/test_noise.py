"""The band of sampling noise: scale, bins, and silence with one draw."""

import numpy as np
import pytest

from diffing.common.arrays import Array
from diffing.diff import noise, presence
from diffing.diff.pairing import Pairing
from diffing.diff.presence import Shown
from tests.fakes.documents import Documents, paired


def study(prompts: int, draws: int, shares: Array, seed: int = 0) -> tuple[Shown, Pairing]:
    """One-token answers that show each feature with its own probability, on both sides alike."""
    random = np.random.default_rng(seed)
    dense = [(random.random((1, len(shares))) < shares) * 1.0 for _ in range(2 * prompts * draws)]
    return presence.shown(Documents(dense), np.arange(len(dense))), paired(
        np.ones(len(dense), int), prompts, draws
    )


def test_halves_are_the_scaled_difference_of_one_checkpoints_draws() -> None:
    shown, pairing = study(20, 3, np.full(5, 0.4))
    frequency, found = noise.halves(shown, pairing, pairing.b)
    shows = np.zeros((20, 3, 5))
    for row, slot, document in zip(pairing.row, pairing.slot, pairing.b, strict=True):
        shows[row, slot, shown.document(document).feature] = 1
    np.testing.assert_allclose(frequency, shows[:, :2].mean(axis=(0, 1)))
    np.testing.assert_allclose(
        found, np.abs((shows[:, 0] - shows[:, 1]).mean(axis=0)) * np.sqrt(1 / 3), atol=1e-12
    )


@pytest.mark.parametrize("draws", [2, 4])
def test_the_band_holds_nineteen_of_twenty_differences_of_equal_checkpoints(draws: int) -> None:
    shown, pairing = study(60, draws, np.full(600, 0.3))
    bins = noise.band(shown, pairing)
    shows = [np.concatenate([shown.document(d).feature for d in side]) for side in (pairing.a, pairing.b)]
    counts = [np.bincount(feature, minlength=600) for feature in shows]
    frequency = (counts[0] + counts[1]) / (120 * draws)
    delta = np.abs(counts[1] - counts[0]) / (60 * draws)
    inside = np.mean(delta <= noise.of_features(bins, frequency))
    assert inside == pytest.approx(0.95, abs=0.025)


def test_each_checkpoint_is_compared_with_itself_alone() -> None:
    never, each = np.zeros((1, 600)), np.ones((1, 600))
    # Two draws a side: whatever A and B differ by, neither differs from itself.
    dense = [never, never, each, each] * 20
    shown, pairing = presence.shown(Documents(dense), np.arange(80)), paired(np.ones(80, int), 20, 2)
    assert noise.band(shown, pairing).to_dict("list") == {
        "low": pytest.approx([1.0]),
        "high": pytest.approx([1.0]),
        "points": [600],
        "band": [0.0],
    }


def test_every_bin_has_enough_points_and_equal_frequencies_share_one() -> None:
    shown, pairing = study(30, 2, np.linspace(0.02, 0.9, 1500))
    bins = noise.band(shown, pairing)
    assert bins["points"].min() >= 2 * noise.FEATURES
    assert len(bins) >= 3
    assert (bins["low"].to_numpy()[1:] > bins["high"].to_numpy()[:-1]).all()


def test_there_is_no_band_with_one_draw_or_few_features() -> None:
    for shown, pairing in (study(10, 1, np.full(900, 0.5)), study(10, 2, np.full(100, 0.5))):
        bins = noise.band(shown, pairing)
        assert bins.columns.tolist() == noise.COLUMNS
        assert bins.empty
        assert np.isnan(noise.of_features(bins, np.array([0.5]))).all()
