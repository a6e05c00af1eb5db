"""A person's own rules: what they find, and expressions that would take all time or memory there is."""

from typing import Any

import pytest

from diffing.common import expressions
from diffing.common.errors import UserError
from diffing.probes import own_probes
from diffing.probes.own import Rule


def parts(rule: Rule, text: str) -> list[str]:
    return [text[start:end] for start, end in rule.spans(text)]


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ({"words": "sorry, I am sorry,C++"}, ["I  am\nSorry", "sorry", "C++"]),
        ({"phrase": "sorry. C"}, ["sorry. C"]),
        ({"phrase": "Sorry."}, []),
        ({"regex": r"^Sorry|s\w+y"}, ["Sorry", "sorry", "sorry"]),
        # Nothing can be shown of a place without width.
        ({"regex": "^|$"}, []),
    ],
)
def test_a_rule_finds_what_it_says_and_no_more(typed: dict[str, str], wanted: list[str]) -> None:
    rule = own_probes.rule_of(**typed)
    assert rule is not None
    assert parts(rule, "I  am\nSorry, sorry. C++ xC++ unsorry") == wanted


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("(", "cannot be read"),
        ("(?R)?a", "calls itself"),
        ("(?P<x>a(?&x)?)", "calls itself"),
        ("((a{1000}){1000}){1000}", "more than 100,000 repetitions"),
        ("a{99999999999999999999}", "more than 100,000 repetitions"),
        ("(" * 900 + ")" * 900, "too many brackets"),
        ("a" * 2001, "at most 2,000"),
    ],
)
def test_an_expression_that_takes_all_memory_is_refused_unread(text: str, fault: str) -> None:
    with pytest.raises(UserError, match=fault):
        own_probes.rule_of(regex=text)


def test_an_expression_without_end_is_told_and_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "SECONDS", 0.05)
    rule = Rule(kind="regex", text="(a+)+$")
    with pytest.raises(UserError, match="more than 0.05 s on one answer"):
        rule.spans("a" * 3000 + "!")


@pytest.mark.parametrize(
    "typed",
    [{"words": "a", "phrase": "b"}, {"words": " , "}, {"words": "x" * 2001}, {"words": ",".join("x" * 201)}],
)
def test_what_is_no_one_thing_is_refused(typed: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        own_probes.rule_of(**typed)
