"""Words that only one of two answers has."""

from diffing.diff import wording


def test_words_that_only_one_side_has_are_marked_and_neighbours_joined() -> None:
    a, b = "Sure, here is  one plain way.", "Certainly! here is  another"
    ours, theirs = wording.only(a, b)
    assert [a[start:end] for start, end in ours] == ["Sure,", "one plain way."]
    assert [b[start:end] for start, end in theirs] == ["Certainly!", "another"]


def test_words_beyond_the_bound_stay_unmarked() -> None:
    a, b = "a " * (wording.MOST + 9), "b " * (wording.MOST + 9)
    assert wording.only(a, b) == ([(0, 2 * wording.MOST - 1)], [(0, 2 * wording.MOST - 1)])
