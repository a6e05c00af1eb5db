"""Where a feature shows, in which order pairs are looked at, and what two answers of a pair differ by."""

import pandas as pd
import pytest

from diffing import diff
from diffing.diff import pairs
from diffing.diff.pairs import ORDERS, Order
from diffing.reader.encodings import Encodings
from diffing.study.study import Study
from tests.fakes import finding_study, label_study
from tests.fakes.finding_study import CAKE, ITEMS, SPACES, TEA


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
        ("most different", ["p0", "p4", "p2", "p1"]),
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


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    return finding_study.make(monkeypatch, prompts=80)


@pytest.mark.parametrize(
    ("asked", "length", "stop"),
    [
        (None, 3, (0, 2, 1)),
        (0, 3, (0, 2, 1)),
        (1, 3, (1, 0, 2)),
        (2, 3, (2, 1, 0)),
        (99, 3, (2, 1, 0)),
        (5, 1, (0, 0, 0)),
    ],
)
def test_a_queue_of_pairs_is_a_ring(asked: int | None, length: int, stop: tuple[int, int, int]) -> None:
    assert pairs.stop(asked, length) == stop


def test_full_colour_is_the_strongest_on_either_side() -> None:
    assert pairs.full_colour(pd.Series({"peak_a": 2.0, "peak_b": 3.5})) == 3.5
    assert pairs.full_colour(pd.Series({"peak_a": -4.0, "peak_b": 3.5})) == 4.0
    assert pairs.full_colour(pd.Series({"peak_a": 0.0, "peak_b": 0.0})) == 0.0


def test_answers_are_found_by_checkpoint_and_draw(study: Study) -> None:
    encodings = Encodings.open(study)
    prompt = study.prompts()["id"].iloc[5]
    found = pairs.documents(encodings, prompt)
    assert set(found) == {("a", 0), ("b", 0)}
    rows = encodings.documents.loc[list(found.values())]
    assert list(zip(rows["checkpoint"], rows["draw"], strict=True)) == list(found)
    assert set(rows["prompt_id"]) == {prompt}


def test_what_differs_here_is_kept_to_what_differs_everywhere(study: Study) -> None:
    encodings, table = Encodings.open(study), diff.load(study, "a", "b").features
    sure = set(table.loc[table["q"] < 0.05, "feature"])
    assert sure == {SPACES, ITEMS, CAKE, TEA}
    for prompt in study.prompts()["id"].head(10):
        left, right = (pairs.documents(encodings, prompt)[key, 0] for key in "ab")
        every = pairs.differences(encodings, left, right, table, everywhere=False)
        kept = pairs.differences(encodings, left, right, table, everywhere=True)
        assert set(kept["feature"]) == set(every["feature"]) & sure
        peaks = every.set_index("feature")[["peak_left", "peak_right"]]
        for feature, row in peaks.iterrows():
            assert tuple(row) == tuple(encodings.peaks(int(feature))[[left, right]])
        shares = table.set_index("feature").loc[kept["feature"], "frequency_a"]
        assert kept["frequency_a"].tolist() == shares.tolist()


def test_what_two_texts_differ_by_comes_first() -> None:
    rows = pairs.counted("**One** and **two**?", "**One** and **two**!")
    assert rows.head(5).to_dict("list") == {
        "probe": ["exclamation marks", "question marks", "closing question", "exclaiming opening", "bold"],
        "A": [0, 1, 1, 0, 2],
        "B": [1, 0, 0, 1, 2],
    }


def test_what_neither_text_has_is_left_out() -> None:
    assert pairs.counted("", "").empty
