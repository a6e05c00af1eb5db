"""Words for numbers: what is not known is said to be so, and no figure is rounded to nothing."""

import math

import pytest

from diffing.common import words


@pytest.mark.parametrize(
    ("cost", "said"),
    [(None, "cost unknown"), (0.0, "$0.00"), (0.0042, "$0.0042"), (0.01, "$0.01"), (12.3, "$12.30")],
)
def test_dollars(cost: float | None, said: str) -> None:
    assert words.dollars(cost) == said


def test_about_is_said_of_what_is_known_only() -> None:
    assert (words.about(1.5), words.about(None)) == ("about $1.50", "cost unknown")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "time unknown"), (0.4, "0 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (7325, "2 h 2 min")],
)
def test_durations(seconds: float | None, said: str) -> None:
    assert words.duration(seconds) == said


def test_shares_and_points_round_to_whole_ones_and_say_what_is_missing() -> None:
    assert [words.share(value) for value in (0.126, 1.0, math.nan)] == ["13\u00a0%", "100\u00a0%", "–"]
    assert [words.points(value) for value in (0.126, -0.4, 0.0, math.nan)] == ["+13", "−40", "+0", "–"]
    assert words.interval(-0.1, 0.25) == "−10 to +25"
    assert words.interval(math.nan, 0.25) == "–"


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (0.0854, 0.3932, "8.5\u00a0% → 39.3\u00a0%"),
        (0.1, 0.4, "10\u00a0% → 40\u00a0%"),
        (0.4, 0.1, "40\u00a0% → 10\u00a0%"),
        (math.nan, 0.4, "– → 40\u00a0%"),
    ],
)
def test_two_shares_never_contradict_the_difference_beside_them(a: float, b: float, said: str) -> None:
    """9 % and 39 % beside +31 points would."""
    assert words.ab(a, b) == said


def test_what_was_not_tested_has_no_p() -> None:
    values = (0.04567, 0.3149, 0.00312, 0.0000016, 1.7e-10, 1e-100, 0.0, math.nan)
    shown = ["0.046", "0.31", "0.003", "2e-6", "2e-10", "1e-100", "0", "not tested"]
    assert [words.small(value) for value in values] == shown


def test_lists_and_counts_read_as_sentences() -> None:
    assert [words.listed(things) for things in ([], ["a"], "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
    assert [words.count(number, "pair") for number in (0, 1, 1200)] == ["0 pairs", "1 pair", "1,200 pairs"]
    assert words.count(2, "family", "families") == "2 families"
    assert [words.yes(value) for value in (True, False, None)] == ["yes", "no", "–"]
