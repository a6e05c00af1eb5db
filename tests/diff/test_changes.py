"""What each pair shows: examples go with the difference, none is held out, and the clearest come first."""

import numpy as np
import pandas as pd
import pytest

from diffing.diff import changes, content
from diffing.diff.pairing import Pairing

ROWS = pd.DataFrame(
    {
        "prompt_id": ["p", "q", "r", "s", "t"],
        "draw": 0,
        "split": ["discovery", "discovery", "held-out", "discovery", "discovery"],
        "category": ["x", "x", "x", "y", "y"],
        "changed": [0.1, 0.9, 0.8, 0.5, 0.2],
        "a1": [10.0, 40.0, 10.0, 10.0, 20.0],
        "b1": [10.0, 90.0, 10.0, 30.0, 40.0],
        "a2": [0.0, 1.0, 0.0, 2.0, 0.0],
        "b2": [1.0, 9.0, 5.0, 0.0, 1.0],
        "a3": [0.5, np.nan, 0.5, 0.2, 0.1],
        "b3": [0.6, 0.5, 0.9, 0.9, np.nan],
    }
)


def examples(number: int, kind: str, side: str = "b", against: bool = False, category: str = "") -> list[str]:
    row = {"behaviour": number, "kind": kind, "side": side, "category": category}
    return [each.prompt_id for each in changes.Pairs(ROWS).examples(row, against)]


def test_examples_go_with_the_difference_and_none_is_held_out() -> None:
    # Where A has none of it first, and of those the shorter answers.
    assert examples(2, "habit") == ["p", "t", "q"]
    assert examples(2, "habit", against=True) == ["s"]
    assert examples(2, "habit", side="a") == ["s"]
    assert examples(2, "content", category="y") == ["t"]


def test_of_an_amount_the_first_example_is_an_ordinary_one() -> None:
    # Twice, 2.25 times, three times as long: q's answers are longer, and s's ratio is larger, than usual.
    assert examples(1, "amount") == ["t", "q", "s"]


def test_of_equally_clear_examples_the_one_that_takes_least_to_see_comes_first() -> None:
    efforts = {"q": 0.1, "p": 0.9, "t": 0.5}
    rows = ROWS.assign(effort2=[efforts.get(name, 0.0) for name in ROWS["prompt_id"]])
    row = {"behaviour": 2, "kind": "habit", "side": "b", "category": ""}
    # q's A shows some of it itself, which no ease makes up for.
    assert [each.prompt_id for each in changes.Pairs(rows).examples(row)] == ["t", "p", "q"]
    assert "effort2" not in changes.most_changed(rows, [2])


def test_of_a_place_pairs_count_in_which_both_show_it() -> None:
    assert examples(3, "place") == ["s", "p"]


def test_prompts_come_by_how_many_behaviours_differ_and_then_by_words() -> None:
    assert changes.most_changed(ROWS, [])["prompt_id"].tolist() == ["q", "r", "s", "t", "p"]
    ranked = changes.most_changed(ROWS, [2, 3])
    assert ranked["prompt_id"].tolist() == ["t", "q", "r", "s", "p"]
    assert ranked["differ"].tolist() == [2, 1, 1, 1, 1]


def test_a_table_has_each_pair_with_what_both_sides_show() -> None:
    prompts = pd.DataFrame({"id": ["p", "q"], "split": "discovery", "category": "x", "tags": "", "group": ""})
    none, one = np.zeros(2, dtype=bool), np.ones(2, np.int64)
    pairs = Pairing(prompts, np.arange(2), np.array([0, 1]), np.array([2, 3]), one, one, none, none, {})
    texts = ["one two two", "same", "two one three", "same"]
    values = np.array([[3.0, 0.0], [1.0, np.nan], [3.0, 2.0], [1.0, 0.5]])
    made = changes.table(values, [None, None], pairs, np.array([0, 1, 0, 1]), texts)
    assert made["changed"].tolist() == pytest.approx([1 / 3, 0.0])
    assert made[["prompt_id", "draw", "a1", "b1", "b2"]].to_numpy().tolist() == [
        ["p", 0, 3.0, 3.0, 2.0],
        ["q", 1, 1.0, 1.0, 0.5],
    ]


def test_categories_have_mean_differences_over_prompts() -> None:
    behaviours = pd.DataFrame({"behaviour": [1, 2], "kind": ["amount", "habit"]})
    twice = pd.concat([ROWS, ROWS.assign(draw=1, b2=0.0)])
    grid = changes.by_category(twice, behaviours).set_index("category")
    assert grid.loc["x", "2"] == pytest.approx((0.5 - 0.5 + 0.5) / 3)
    assert grid.loc["y", "1"] == pytest.approx((np.log(3) + np.log(2)) / 2)
    assert grid["prompts"].tolist() == [3, 2]


def test_a_behaviour_belongs_to_a_category_only_if_the_others_lack_it() -> None:
    random = np.random.default_rng(0)
    groups = pd.Series(["code"] * 60 + ["chat"] * 60 + [""] * 60)
    code = (groups == "code").to_numpy()

    def shown(own: float, rest: float) -> np.ndarray:
        return (random.random(180) < np.where(code, own, rest)).astype(float)

    difference = np.column_stack([shown(0.5, 0.0), shown(0.5, 0.2), shown(0.3, 0.3), shown(0.0, 0.0)])
    held_out = {"code": 30, "chat": 30}
    assert content.categories(difference, groups, held_out) == ["code", "", "", ""]
    # Too few held-out prompts of the category: it could not be asked again.
    assert content.categories(difference, groups, {"code": 5, "chat": 30}) == [""] * 4


def test_alike_categories_rarely_own_anything() -> None:
    random = np.random.default_rng(1)
    groups = pd.Series(["x", "y", "z"] * 50)
    owned = 0
    for _ in range(100):
        difference = random.choice([-1.0, 0.0, 1.0], (150, 5), p=[0.1, 0.8, 0.1])
        owned += any(content.categories(difference, groups, dict.fromkeys("xyz", 50)))
    assert owned <= 13
