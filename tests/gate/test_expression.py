"""A rule: what may stand in it, what it comes to, and that nothing of it runs."""

import math

import pytest

from diffing.common.errors import UserError
from diffing.gate import expression
from diffing.gate.expression import Type

NAMES: dict[str, Type] = {"delta": "number", "q": "number", "kind": "text", "name": "text"}
FIGURES = {"delta": -0.2, "q": 0.01, "kind": "habit", "name": "uses bold"}


def holds(text: str, **figures: float) -> bool:
    return expression.parse(text, NAMES).holds(FIGURES | figures)


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("q < 0.05 and abs(delta) > 0.1", True),
        ("q<0.05 and delta>0.1", False),
        ("not q < 0.05 or delta <= -0.2", True),
        ("-0.3 < delta < -0.1", True),
        ("kind == 'habit' and name != 'x'", True),
        ("kind in ('amount', 'habit')", True),
        ('kind not in ["amount", "habit"]', False),
        ("'bold' in name", True),
        ("max(q, abs(delta)) == 0.2 and min(q, 1) == q", True),
        ("(q < 0.001\n or delta < 0)", True),
    ],
)
def test_a_rule_comes_to_what_it_says(text: str, true: bool) -> None:
    assert holds(text) is true


@pytest.mark.parametrize("text", ["q < 1", "q != 0.5", "abs(q) > 0", "max(0, q) >= 0", "0 < q < 1", "q in (1, 2)"])
def test_what_is_not_known_makes_every_comparison_untrue(text: str) -> None:
    assert not holds(text, q=math.nan)
    assert holds(f"not {text}", q=math.nan)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("__import__('os').system('true')", "is a call; only abs(), min() and max() may be called"),
        ("print(q) < 1", "'print(q)' in the rule is a call"),
        ("abs(q, key=q) < 1", "is a call"),
        ("max(*(1, 2)) < 1", "is a call"),
        ("q.real < 1", "'q.real' in the rule is a name with a point"),
        ("name[0] == 'u'", "something in square brackets"),
        ("q + 1 < 2", "'q + 1' in the rule is arithmetic"),
        ("9**9**9**9 < q", "arithmetic"),
        ("(lambda: 1)() < q", "is a call"),
        ("(q := 1) < 2", "an assignment"),
        ("f'{q}' == 'a'", "a text with code in it"),
        ("[q for q in (1,)] == q", "something else"),
        ("True", "something else"),
        ("1j < q", "something else"),
        ("q is 1", "compares by 'is'"),
        ("q", "compares nothing"),
        ("q and delta > 0", "'q' in the rule is a number where true or untrue is asked for"),
        ("kind < 0.05", "'0.05' in the rule is a number where a text is asked for"),
        ("q in 0.05", "cannot be compared so"),
        ("(q < 1) == (delta < 1)", "cannot be compared so"),
        ("q < (1, 2)", "something else"),
        ("q in (1, 2) < 3", "something else"),
        ("abs() < 1", "abs() takes one number"),
        ("max(q) < 1", "min() and max() two or more"),
        ("q <", "cannot be read"),
        ("", "cannot be read"),
        ("q < 1\x00", "cannot be read"),
        ("q < 1; import os", "cannot be read"),
        (
            "detla > 0.1",
            "'detla' is no name that a rule knows; did you mean 'delta'? It knows delta, q, kind, name.",
        ),
        ("abs > 0.1", "'abs' is no name"),
        ("q < 1 or " * 200 + "q < 1", "write one of at most 1,000"),
        ("(" * 300 + "q < 1" + ")" * 300, "cannot be read"),
        ("not " * 40 + "q < 1", "write a shorter one"),
        (" or ".join(["q < 1"] * 90), "write a shorter one"),
    ],
)
def test_what_cannot_stand_in_a_rule_is_refused_before_anything_is_compared(text: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        expression.parse(text, NAMES)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("q < 0.05 and abs(delta) > 0.1", 0.1),
        ("0.2 < delta or delta < -0.05", 0.05),
        ("q < 0.05", None),
        ("delta > 0", None),
    ],
)
def test_the_size_that_a_rule_asks_for_is_the_smallest_it_names(text: str, size: float | None) -> None:
    assert expression.parse(text, NAMES).size(("delta",)) == size
