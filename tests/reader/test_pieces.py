"""Answers in pieces that can be shown: nothing is lost, and nothing that is seen as one is parted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffing.reader import pieces
from diffing.reader.pieces import TokenTable


def by_characters(text: str) -> list[str]:
    """The pieces of a text whose tokens are its single characters."""
    spans = np.array([[at, at + 1] for at in range(len(text))], np.int32).reshape(-1, 2)
    return [piece.text for piece in pieces.pieces(text, spans)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ab", ["a", "b"]),
        ("ae\u0301x", ["a", "e\u0301", "x"]),
        ("👍🏽!", ["👍🏽", "!"]),
        ("👩\u200d👧.", ["👩\u200d👧", "."]),
        ("🇩🇪 ", ["🇩🇪", " "]),
        ("❤\ufe0fa", ["❤\ufe0f", "a"]),
    ],
)
def test_a_character_and_its_marks_stay_in_one_piece(text: str, shown: list[str]) -> None:
    assert by_characters(text) == shown


@given(st.text("a é\u0301👍🏽🇩\u200d", max_size=12), st.data())
def test_pieces_join_to_any_answer_and_have_every_token_once(text: str, data: st.DataObject) -> None:
    borders = st.integers(0, len(text))
    ends = sorted(data.draw(st.lists(borders, max_size=6)))
    drawn = [data.draw(st.integers(0, end)) for end in ends]
    # Tokens of shared characters begin before the one ahead of them ends, but never before it begins.
    starts = np.maximum.accumulate(np.array(drawn, np.int32)) if drawn else np.empty(0, np.int32)
    cut = pieces.pieces(text, np.stack([starts, np.array(ends, np.int32)], axis=1))
    assert "".join(piece.text for piece in cut) == (text if len(ends) else "")
    assert [token for piece in cut for token in range(piece.first, piece.last)] == list(range(len(ends)))


def test_a_piece_has_the_value_of_largest_size_among_its_tokens() -> None:
    spans = np.array([[0, 1], [0, 1], [1, 2], [2, 3]], np.int32)
    values = np.array([0.5, -2.0, 1.0, -3.0], np.float32)
    table = TokenTable(np.arange(4), spans, "abc")
    assert table.pieces(values) == [("a", -2.0), ("b", 1.0), ("c", -3.0)]
