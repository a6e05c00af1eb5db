"""Sizes of answers: never taken for smaller than they are, and lists handed over whole, page by page."""

import json

import pytest
from tokenizers import Tokenizer

from diffing.agents import size
from diffing.common.errors import UserError
from diffing.common.files import PROJECT
from diffing.study import sample

ODD = [
    "日本語のテキスト。" * 40,
    "👩‍👩‍👧 🏳️‍🌈 " * 40,
    "0.123456789, -1e-07 [3]; " * 40,
    "{}[]()<>!?#*~`|\\/" * 40,
    "a b c d e f g " * 40,
    "\n\n\t\t  \n" * 40,
]


def test_no_text_is_taken_for_smaller_than_a_small_vocabulary_makes_it() -> None:
    """The starter reader's 8,192 pieces: vocabularies of 100,000 and more, as agents have, take fewer."""
    known = Tokenizer.from_file(str(PROJECT / "diffing" / "starter" / "reader" / "tokenizer.json"))
    assert known.get_vocab_size() <= 8192
    answers = sample._answers()["text"].tolist()
    tables = [json.dumps([{"prompt_id": "d3b46d12b271", "q": 8.618e-11, "what": text[:40]}]) for text in answers]
    ours = [size.tokens(text) for text in [*answers, *tables]]
    theirs = [len(known.encode(text, add_special_tokens=False).ids) for text in [*answers, *tables]]
    assert all(mine >= true for mine, true in zip(ours, theirs, strict=True))
    assert all(size.tokens(text) >= len(known.encode(text, add_special_tokens=False).ids) for text in ODD)


def test_pages_together_are_the_list_and_each_fits() -> None:
    rows = [{"n": n, "text": "wort " * (n % 90)} for n in range(300)]
    found: list[dict[str, object]] = []
    cursor, pages = "", 0
    while True:
        some, cursor = size.page(rows, cursor, 50, lambda row: row)
        assert size.whole(some) <= size.MOST
        found += some
        pages += 1
        if not cursor:
            break
    assert (found, pages > 6) == (rows, True)


def test_a_row_is_handed_over_even_where_it_fills_a_page_alone() -> None:
    rows = ["x" * 100_000, "y"]
    assert size.page(rows, "", 50, lambda row: row) == ([rows[0]], "1")
    assert size.page(rows, "7", 50, lambda row: row) == ([], "")


@pytest.mark.parametrize("cursor", ["-1", "1.5", "x", "１", "9" * 20])
def test_what_is_no_cursor_is_said_to_be_none(cursor: str) -> None:
    with pytest.raises(UserError, match="is no cursor; give the `next_cursor`"):
        size.page([1], cursor, 50, lambda row: row)


def test_text_says_all_that_the_data_says_and_nothing_empty() -> None:
    data = {
        "study": "s",
        "rows": [{"a": 0.5, "b": None, "c": "x\ny"}, {"a": 1e-9, "b": None, "c": ""}],
        "next": "",
    }
    assert size.rendered(data) == "study: s\nrows:\na\tc\n0.5\tx⏎y\n1e-09\t"
    assert size.rendered({"of": {"x": 1}, "yes": True, "said": ["p", "q"]}) == "of:\n  x: 1\nyes: yes\nsaid: p, q"
