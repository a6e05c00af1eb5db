"""Excerpts: a stretch of the text as it stands, with its marks in view."""

import random

import pytest

from diffing.findings import excerpts

WORDS = "one two three four five six seven eight nine ten eleven twelve"


def test_marks_are_in_view_and_the_stretch_is_the_texts_own() -> None:
    text = f"{WORDS} {WORDS} {WORDS} here it is, {WORDS} {WORDS}"
    start = text.index("here")
    cut = excerpts.around(text, [(start, start + 4)], 60)
    joined = "".join(piece.text for piece in cut.pieces)
    assert joined in text and len(joined) <= 60
    assert [piece.text for piece in cut.pieces if piece.marked] == ["here"]
    assert (cut.before, cut.after) == (True, True)
    assert joined.startswith(("nine", "ten", "eleven", "twelve")) and not joined[-1].isspace()


def test_without_marks_it_is_the_beginning_and_a_short_text_is_whole() -> None:
    assert excerpts.around(WORDS, [], 14) == excerpts.Excerpt(
        [excerpts.Piece("one two three", False)], False, True
    )
    assert excerpts.around("short", [(0, 5)], 240) == excerpts.Excerpt(
        [excerpts.Piece("short", True)], False, False
    )
    assert excerpts.around("", [(0, 3)], 240) == excerpts.Excerpt([], False, False)


def test_where_marks_are_many_it_is_cut_about_most_of_them() -> None:
    text = "x " * 100 + "m " * 3 + "x " * 100 + "m " * 9 + "x " * 100
    marks = [(place, place + 1) for place, sign in enumerate(text) if sign == "m"]
    cut = excerpts.around(text, marks, 60)
    assert sum(piece.marked for piece in cut.pieces) == 9


@pytest.mark.parametrize("seed", range(20))
def test_any_marks_in_any_text_give_a_stretch_of_it(seed: int) -> None:
    draw = random.Random(seed)
    text = "".join(draw.choice("ab c\n  日👩‍🚀") for _ in range(draw.randrange(1, 600)))
    marks = [(place, place + draw.randrange(9)) for place in (draw.randrange(-5, 620) for _ in range(9))]
    cut = excerpts.around(text, marks, 80)
    joined = "".join(piece.text for piece in cut.pieces)
    at = text.find(joined)
    assert at >= 0 and len(joined) <= 80
    assert cut.before or text.startswith(joined)
    assert cut.after or text.endswith(joined)
    assert all(piece.text for piece in cut.pieces)
