"""Which pair of answers shows a behaviour most plainly: each trouble a reader has puts a pair behind the other."""

import numpy as np
import pytest

from diffing.diff import plain
from diffing.diff.plain import Marks, Texts
from diffing.probes import scan

BARE = "The answer is short and says nothing of the kind."
WELL = "Remember, the pan is hot. Take a cloth."


def effort(shown: tuple[str, str], probe: str = "", words: str = "Remember,") -> list[float]:
    """Of two pairs, whose second answers show the words or the probe."""
    texts = [BARE, BARE, *shown]
    if probe:
        marks = Marks.of_scan(scan.scan(texts), scan.NAMES.index(probe))
    else:
        found = [(place, text.index(words)) for place, text in enumerate(texts) if words in text]
        document, start = np.array(found).T
        marks = Marks(document, start, start + len(words))
    sides = np.array([0, 1]), np.array([2, 3])
    return [float(value) for value in plain.effort(Texts(texts), [marks], sides, np.zeros(2))[:, 0]]


@pytest.mark.parametrize(
    "worse",
    [
        pytest.param("A mnemonic. Oh! Need To Remember, it is hot.", id="part of a name"),
        pytest.param(f"{'The oven needs a while to warm up. ' * 30}{WELL}", id="far from the beginning"),
        pytest.param("x = {y['pan'] | z} <b>\nRemember, \\frac{a_1}{b^2}.", id="between signs"),
        pytest.param(f"{WELL} {'Then wait for the dough to rise, which takes an hour. ' * 8}", id="longer"),
    ],
)
def test_what_is_harder_to_see_comes_later(worse: str) -> None:
    plain_one, hard_one = effort((WELL, worse))
    assert plain_one < hard_one


def test_a_mark_that_its_line_cuts_comes_after_one_that_is_seen_whole() -> None:
    whole, cut = (f"To start, {'take the warm bowl and ' * times}mix.\n\n1. Flour\n2. Water" for times in (1, 8))
    short, long = effort((whole, cut), probe="introduction to a list")
    assert short < long


def test_words_in_capitals_are_shown_by_words_and_not_by_a_pattern() -> None:
    words, pattern = effort(
        ("Do NOT open it. It is hot.", "The H_AR pattern of it is H_AR_."), probe="all-caps words"
    )
    assert words < pattern


def test_of_equal_marks_the_answers_that_differ_in_fewest_words_come_first() -> None:
    texts, marks = Texts([BARE, WELL]), Marks(np.array([1]), np.array([0]), np.array([9]))
    sides = np.array([0, 0]), np.array([1, 1])
    alike, other = plain.effort(texts, [marks], sides, np.array([0.2, 0.9]))[:, 0]
    assert alike < other


def test_an_amount_has_no_marks_and_prose_before_code() -> None:
    texts = Texts([BARE, BARE, WELL, "def f(x): {return x[0] | y_1} # <>\n```\n"])
    prose, code = plain.effort(texts, [None], (np.array([0, 1]), np.array([2, 3])), np.zeros(2))[:, 0]
    assert prose < code


def test_text_of_any_kind_has_an_effort() -> None:
    """Also none at all, halves of characters, and a behaviour that nothing shows."""
    texts = Texts(["", "\ud83d", "日本語", "Remember,"])
    nothing = Marks(*(np.zeros(0, np.int64) for _ in range(3)))
    last = Marks(np.array([1, 3]), np.array([0, 0]), np.array([1, 9]))
    found = plain.effort(texts, [nothing, last, None], (np.array([0, 2]), np.array([1, 3])), np.zeros(2))
    assert found.shape == (2, 3) and np.isfinite(found).all()
