"""Excerpts: a mark is in view, and no cut goes through a word or a character that a reader sees as one."""

from itertools import accumulate

import regex  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from diffing.probes.excerpts import Excerpt, Piece, around

FILLER = "some plain words that nobody marked, "


def test_a_short_text_is_whole_with_its_marks_as_pieces() -> None:
    made = around("He said sorry, so sorry.", [(8, 13), (18, 23)])
    pieces = [("He said ", False), ("sorry", True), (", so ", False), ("sorry", True), (".", False)]
    assert made == Excerpt([Piece(*each) for each in pieces], before=False, after=False)


def test_without_marks_it_is_the_beginning_up_to_a_word_and_joins_marks_that_touch() -> None:
    text = "one two three four five six"
    assert around(text, [], 11) == Excerpt([Piece("one two", False)], before=False, after=True)
    assert around("abcd", [(2, 4), (0, 2), (3, 3), (9, 12)], 11).pieces == [Piece("abcd", True)]


def test_it_shows_the_place_where_marks_are_closest_and_of_equal_ones_the_first() -> None:
    text = FILLER * 9 + "**one** and **two** here " + FILLER * 9 + "**three** alone " + FILLER * 9
    spans = [match.span() for match in regex.finditer(r"\*\*\w+\*\*", text)]
    for given_spans, marked in ((spans, ["**one**", "**two**"]), (spans[2:], ["**three**"])):
        made = around(text, given_spans, 120)
        assert [piece.text for piece in made.pieces if piece.marked] == marked
        assert (made.before, made.after) == (True, True)
        shown = "".join(piece.text for piece in made.pieces)
        begin = text.index(shown)
        assert text[begin - 1] == " " and text[begin + len(shown)] == " " and not shown.startswith(" ")
    twice = "**first** " + FILLER * 9 + "**second** " + FILLER * 9
    assert (
        around(twice, [m.span() for m in regex.finditer(r"\*\*\w+\*\*", twice)], 60).pieces[0].text == "**first**"
    )


def test_spaces_that_are_marked_stay_at_the_edge() -> None:
    text = FILLER * 9 + "end.  \n" + FILLER * 9
    at = text.index("end.") + 4
    marked = [piece for piece in around(text, [(at, at + 2)], 40).pieces if piece.marked]
    assert marked == [Piece("  ", True)]


ATOMS = st.sampled_from(
    [
        "a",
        "word ",
        "\n",
        " ",
        "e\u0301",
        "👩‍👩‍👧",
        "🇩🇪",
        "한",
        "\ud83d\ude00",
        "\ud83d",
        "漢字",
        "naïve ",
        "\u0301",
        "\r\n",
    ]
)


@given(st.lists(ATOMS, max_size=60).map("".join), st.data())
def test_whatever_the_text_a_mark_is_shown_and_no_character_is_split(text: str, data: st.DataObject) -> None:
    places = st.integers(0, len(text))
    spans = [(min(pair), max(pair)) for pair in data.draw(st.lists(st.tuples(places, places), max_size=4))]
    length = data.draw(st.integers(1, 50))
    made = around(text, spans, length)
    shown = "".join(piece.text for piece in made.pieces)
    borders = {0, *(m.end() for m in regex.finditer(r"[\ud800-\udbff][\udc00-\udfff]|\X", text))}
    longest = max((m.end() - m.start() for m in regex.finditer(r"\X", text)), default=0)
    begins = [at for at in range(len(text) + 1) if text.startswith(shown, at)]
    cuts = [set(accumulate((len(piece.text) for piece in made.pieces), initial=at)) for at in begins]
    assert any(each <= borders and (min(each) > 0) == made.before for each in cuts)
    assert len(shown) <= max(length, longest, 2) or len(shown) == len(text) <= length
    assert any(piece.marked for piece in made.pieces) == any(start < stop for start, stop in spans)
