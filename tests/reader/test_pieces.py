"""Pieces of an answer: joined they are the answer, and a character stays whole with its marks."""

import unicodedata
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from diffing.reader.pieces import pieces


def test_pieces_join_bytes_and_marks() -> None:
    text = "a😀e\u0301👍🏽"
    spans = np.array([[0, 1], [1, 2], [1, 2], [1, 2], [2, 3], [3, 4], [4, 5], [5, 6], [5, 6]], np.int32)
    assert [tuple(piece) for piece in pieces(text, spans)] == [
        ("a", 0, 1),
        ("😀", 1, 4),
        ("e\u0301", 4, 6),
        ("👍🏽", 6, 9),
    ]


@given(st.text(max_size=40), st.lists(st.integers(0, 40), max_size=12))
def test_the_pieces_joined_are_the_answer_and_every_token_is_in_one(text: str, cuts: list[int]) -> None:
    borders = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    spans = np.array(list(pairwise(borders)), np.int32).reshape(-1, 2)
    shown = pieces(text, spans)
    assert "".join(piece.text for piece in shown) == text
    # A piece is worth a run of tokens, and the next piece goes on where it ends.
    assert [token for piece in shown for token in range(piece[1], piece[2])] == list(range(len(spans)))
    assert not any(unicodedata.combining(piece.text[0]) for piece in shown[1:])
