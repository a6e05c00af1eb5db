"""Phrases: what a person is told, where a text shows them, and their form, which any other program can keep."""

import json
from typing import Any

import pytest

from diffing.common.errors import UserError
from diffing.probes import phrases
from diffing.probes.phrases import Phrase


def marked(phrase: Phrase, text: str) -> list[str]:
    return [text[start:end] for start, end in phrases.spans(text, phrase)]


@pytest.mark.parametrize(
    ("kind", "symbols", "text", "expected"),
    [
        ("opening", ("Certainly", "!"), "\nCertainly! Certainly!", ["Certainly!"]),
        ("opening", ("Certainly",), "certainly so", []),
        ("opening", ("Sure", ",", "here"), "Sure, here it is", ["Sure, here"]),
        ("opening", ("Sure", ",", "here"), "Sure,", []),
        ("last sentence", ("Let", "me"), "Let me see. Let me know!", ["Let me"]),
        ("last sentence", ("Let", "me"), "Let me know!", []),
        ("ending", ("more", "questions", "!"), "Any more questions! More questions!\n", []),
        ("ending", ("more", "questions", "!"), "Any more questions!\n", ["more questions!"]),
        ("ending", ("a", "b", "c"), "b c", []),
        ("anywhere", ("for", "example"), "For example, FOR EXAMPLE; for\nexample", ["For example", "FOR EXAMPLE"]),
        ("anywhere", (":", "**"), "**a:** b **c**: `:**`", [":**"]),
        ("anywhere", ("\n", "1. "), "x\n1. a\n12. b\n\n3. c", ["\n1. ", "\n12. "]),
        ("anywhere", ("it's",), "It’s it's its", ["It’s", "it's"]),
        ("anywhere", ("ha", "ha"), "ha ha ha", ["ha ha", "ha ha"]),
        ("anywhere", (".", "  "), "One.  Two. Three.  ", [".  ", ".  "]),
        ("anywhere", ("x",), "", []),
    ],
)
def test_a_phrase_is_found_in_its_place(
    kind: str, symbols: tuple[str, ...], text: str, expected: list[str]
) -> None:
    assert marked(Phrase(kind, symbols), text) == expected
    assert Phrase(kind, symbols).matches(text) == bool(expected)


@pytest.mark.parametrize(
    ("phrase", "shown"),
    [
        (Phrase("opening", ("Certainly", "!"), "Certainly!"), "opens with “Certainly!”"),
        (Phrase("last sentence", ("Let", "me")), "begins its last sentence with “Let me”"),
        (Phrase("ending", ("questions", ".")), "ends with “questions.”"),
        (Phrase("anywhere", ("for", "example"), "For example"), "says “For example”"),
        (Phrase("anywhere", (",", "such", "as")), "says “, such as”"),
        (Phrase("anywhere", (":", "**")), "has “:**” (colon, end of bold)"),
        (Phrase("anywhere", ("**", ":")), "has “**:” (end of bold, colon)"),
        (Phrase("anywhere", ("\n\n", "**")), "has “↵↵**” (empty line, start of bold)"),
        (
            Phrase("anywhere", ("\n", "1. ", "**"), "\n2. **"),
            "has “↵2. **” (line break, item's number, start of bold)",
        ),
        (Phrase("anywhere", (" \n\n",)), "has “␣↵↵” (empty line after spaces)"),
        (Phrase("anywhere", ("  - ",)), "has “␣␣- ” (bullet, set in)"),
        (Phrase("anywhere", (".", "  ")), "has “.␣␣” (full stop, two spaces)"),
        (Phrase("anywhere", (" (",)), "has “␣(” (left parenthesis)"),
        (Phrase("opening", ("\0",)), "opens with “code” (code)"),
        (Phrase("anywhere", ("—",)), "has “—” (em dash)"),
    ],
)
def test_how_a_phrase_is_told(phrase: Phrase, shown: str) -> None:
    assert phrase.shown == shown


def test_many_texts_are_read_once_for_many_phrases() -> None:
    some = [Phrase("opening", ("Yes",)), Phrase("ending", ("no", ".")), Phrase("anywhere", ("yes", ","))]
    texts = ["Yes, or no.", "", "No.", "yes, no", "Oh yes,\n\nno."]
    wanted = [[phrase.matches(text) for phrase in some] for text in texts]
    assert phrases.shown_by(texts, some).tolist() == wanted
    assert [sum(column) for column in zip(*wanted, strict=True)] == [1, 2, 3]


def test_a_form_goes_through_json_and_finds_the_same() -> None:
    phrase = Phrase("anywhere", (":", "**", "\n\n"), ":**\n\n")
    again = Phrase.of(json.loads(json.dumps(phrase.form)))
    assert again == phrase
    assert again.matches("**a:**\n \nb")


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("Sure", "'Sure' is no phrase; it needs a kind and a list of symbols, as `form` gives them."),
        ({"kind": "opening", "symbols": []}, "is no phrase"),
        ({"kind": "opening", "symbols": ["a", 3]}, "is no phrase"),
        (
            {"kind": "middle", "symbols": ["a"]},
            "'middle' is no kind of phrase; the kinds are opening, last sentence",
        ),
    ],
)
def test_what_is_no_form_is_said(form: Any, said: str) -> None:
    with pytest.raises(UserError) as error:
        Phrase.of(form)
    assert said in str(error.value)
