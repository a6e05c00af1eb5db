"""Symbols: pieces that make the whole text again, and what each of them stands for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffing.probes import symbols
from diffing.probes.rules import Answer
from tests.fakes.markup import MARKUP


def names(text: str) -> list[str]:
    read = symbols.read([text])
    return [read.names[number] for number in read.cased.tolist()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sure! It’s 3.5, don't", ["Sure", "!", "It’s", "3.5", ",", "don't"]),
        ('He (a) said "so" now', ["He", " (", "a", ")", "said", ' "', "so", '"', "now"]),
        ("**Rest:** x, a **b**.", ["**", "Rest", ":", "**", "x", ",", "a", " **", "b", "**", "."]),
        ("One.  Two. \nThree\n \n\n  four ", ["One", ".", "  ", "Two", ".", " \n", "Three", "\n\n ", "four", " "]),
        (
            "- a\n  * b\n12. c\n   3) d\n1999. e",
            ["- ", "a", "\n", "  * ", "b", "\n", "1. ", "c", "\n", "  1) ", "d", "\n", "1999", ".", "e"],
        ),
        ("# T\n#### U -- v ---- w", ["#", "T", "\n", "###", "U", " --", "v", " ---", "w"]),
        ("Use `x = 1` or\n```\ny  = 2\n```\nend", ["Use", "\0", "or", "\n", "\0", "\n", "end"]),
        ("well-known_name 1–2 😊", ["well", "-", "known", "_", "name", "1", "–", "2", " 😊"]),
        ("a\r\nb\r\n\r\nc\td", ["a", "\n", "b", "\n\n", "c", "\t", "d"]),
        ("", []),
    ],
)
def test_a_text_is_words_marks_and_the_space_that_matters(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_the_same_symbol_in_small_letters_and_with_a_straight_apostrophe() -> None:
    read = symbols.read(["IT’s It's"])
    assert [read.names[number] for number in read.folded.tolist()] == ["it's", "it's"]


@settings(max_examples=200)
@given(st.text() | MARKUP)
def test_pieces_leave_nothing_out_and_places_are_those_of_the_text(text: str) -> None:
    assert "".join(symbols.PIECE.findall(Answer(text).prose)) == Answer(text).prose
    read = symbols.read([text])
    assert (read.start < read.end).all()
    assert (read.end[:-1] <= read.start[1:]).all()
    assert (read.start[1:] - read.end[:-1] <= 1).all()
    if len(read.end):
        assert (int(read.start[0]) <= 1, int(read.end[-1])) == (True, len(text))


@settings(max_examples=60)
@given(st.lists(st.text() | MARKUP, max_size=4))
def test_a_text_reads_the_same_alone_and_among_others(texts: list[str]) -> None:
    together = symbols.read(texts)
    edges = together.edges
    assert together.owners().tolist() == np.repeat(np.arange(len(texts)), np.diff(together.begins)).tolist()
    for number, text in enumerate(texts):
        alone = symbols.read([text])
        here = slice(together.begins[number], together.begins[number + 1])
        assert [together.names[n] for n in together.cased[here]] == [alone.names[n] for n in alone.cased]
        assert together.start[here].tolist() == alone.start.tolist()
        for kind, place in alone.edges.items():
            wanted = -1 if place[0] < 0 else together.begins[number] + place[0]
            assert edges[kind][number] == wanted, kind


@pytest.mark.parametrize(
    ("text", "opening", "sentence", "ending"),
    [
        ("\n\nSure! Here it is. Let me know.\n", "Sure", "Let", "."),
        ('He came. "Why?" she asked. (Nobody knew.) 😊', "He", " (", " 😊"),
        ("One sentence, and its end.", "One", "", "."),
        ("An abbreviation, e.g. this.", "An", "this", "."),
        ("A title\n- an item\n- **another** one", "A", "- ", "one"),
        ("Yes.  **No!**  Perhaps", "Yes", "Perhaps", "Perhaps"),
        ("3.5 litres. 4.5 more", "3.5", "4.5", "more"),
        (" \n ", "", "", ""),
    ],
)
def test_where_an_answer_its_last_sentence_and_its_ending_stand(
    text: str, opening: str, sentence: str, ending: str
) -> None:
    read = symbols.read([text])
    there = {kind: int(place[0]) for kind, place in read.edges.items()}
    said = {kind: read.names[read.cased[place]] if place >= 0 else "" for kind, place in there.items()}
    assert said == {"opening": opening, "last sentence": sentence, "ending": ending}


@pytest.mark.parametrize("piece", ["-", "- ", "1. ", " ", "\t", "\n ", "*", "a'", "1,", "\0", "`", "“", "\r", "_"])
def test_a_long_run_of_anything_is_read_without_trouble(piece: str) -> None:
    text = piece * (60_000 // len(piece)) + "x"
    assert symbols.read([text]).end[-1] == len(text)
