"""A small part of `bench/calibration.py`, with seeds of its own: the diff's figures are what they say."""

import pytest

from bench import calibration

SEED = 11


def share(figures: calibration.Figures, name: str) -> float:
    return figures.share(name)[0]


def test_equal_sides_show_nothing_and_small_p_are_no_commoner_than_they_should_be() -> None:
    found = calibration.run("i", (1, 3), 24, SEED)
    families = [*calibration.FAMILIES, "equal length", "probes"]
    assert max(share(found, f"{name}: any q < 0.05") for name in families) <= 0.15
    for name in families:
        for level in (0.01, 0.05, 0.5):
            ratio, error = found.share(f"{name}: P(p <= {level}) / {level}")
            assert 0 < ratio <= 1.05 + error, (name, level)


def test_what_longer_answers_alone_show_does_not_survive_equal_length() -> None:
    found = calibration.run("ii", (1, 2), 12, SEED)
    assert share(found, "differing plainly, of those tested") > 0.3
    assert share(found, "surviving, of those that differ plainly") <= 0.05


def test_planted_differences_are_found_as_often_as_by_an_independent_computation() -> None:
    one = calibration.run("iii", (1,), 20, SEED)
    assert share(one, "mean false discovery proportion") <= 0.05
    assert share(one, "power") == share(one, "power of statsmodels") > 0.3
    several = calibration.run("iii", (2, 4), 20, SEED)
    assert share(several, "power") > share(several, "power of statsmodels") - 0.05


def test_differences_in_one_category_are_found_without_a_total() -> None:
    found = calibration.run("iv", (1,), 4, SEED)
    assert share(found, "found by heterogeneity") > 0.85
    assert share(found, "found by the plain difference") == 0


@pytest.mark.parametrize("draws", [1, 2, 4])
def test_intervals_hold_the_true_difference(draws: int) -> None:
    found = calibration.run("v", (draws,), 12, SEED)
    for expected in ("10 to 20", "20 to 50", "50 and more"):
        assert share(found, f"coverage, {expected} discordant prompts expected") >= 0.93
