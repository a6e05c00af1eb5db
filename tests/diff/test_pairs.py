"""Where a feature shows: held-out prompts only when asked, no excluded pair, both directions in equal reach."""

import pandas as pd
import pytest

from diffing.diff import pairs
from diffing.diff.pairs import ORDERS, Order
from diffing.reader.encodings import Encodings
from diffing.study.study import Study
from tests.fakes import label_study


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> tuple[Study, Encodings]:
    """B says tea on every prompt, A on every third."""
    answers = {"a": [f"{'tea' if n % 3 == 0 else 'milk'} {n}" for n in range(30)], "b": ["tea"] * 30}
    return label_study.make(monkeypatch, answers, [{"tea": 2.0}])


def test_held_out_prompts_stay_out_unless_asked_for(opened: tuple[Study, Encodings]) -> None:
    study, encodings = opened
    split = study.prompts().set_index("id")["split"]
    shown = pairs.pairs(study, encodings, 0, "a", "b")
    assert set(split[shown["prompt_id"]]) == {"discovery"}
    assert len(pairs.pairs(study, encodings, 0, "a", "b", held_out=True)) == 30 > len(shown)


def test_a_pair_that_the_diff_excludes_is_no_example(opened: tuple[Study, Encodings]) -> None:
    study, encodings = opened
    blocked = study.responses().query("checkpoint == 'a'").head(4)
    study.add_responses(blocked.assign(flag="blocked"))
    shown = pairs.pairs(study, encodings, 0, "a", "b", held_out=True)
    assert len(shown) == 26
    assert not set(shown["prompt_id"]) & set(blocked["prompt_id"])


TABLE = pd.DataFrame(
    [("p0", 0.0, 3.0), ("p1", 2.0, 0.0), ("p2", 5.0, 4.0), ("p3", 0.0, 0.0), ("p4", 1.0, 1.0)],
    columns=["prompt_id", "peak_a", "peak_b"],
)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("most different", ["p0", "p1", "p2", "p4"]),
        ("strongest", ["p2", "p0", "p1", "p4"]),
        ("against the difference", ["p1", "p2"]),
    ],
)
def test_orders(order: Order, expected: list[str]) -> None:
    assert pairs.ordered(TABLE, order, 0.3, 0)["prompt_id"].tolist() == expected


@pytest.mark.parametrize("order", ORDERS)
def test_exchanging_the_sides_changes_no_order(order: Order) -> None:
    turned = TABLE.rename(columns={"peak_a": "peak_b", "peak_b": "peak_a"})
    one, other = pairs.ordered(TABLE, order, 0.3, 7), pairs.ordered(turned, order, -0.3, 7)
    assert one["prompt_id"].tolist() == other["prompt_id"].tolist()
