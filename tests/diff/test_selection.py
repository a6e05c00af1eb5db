"""Which features are looked at, and in which order."""

from typing import Any

import pandas as pd
import pytest

from diffing.diff import selection
from diffing.diff.answer import Behaviour
from diffing.diff.selection import Asked

COLUMNS = [
    *("feature", "family", "label", "probes", "delta", "delta_rarefied", "q"),
    *("survives_equal_length", "replicated", "named_by"),
]
ROWS = [
    (1, 1, "bold words", "bold +0.9", 0.30, 0.25, 0.001, True, "yes", "llm"),
    (2, 1, "bold headings", "bold +0.8", 0.50, 0.20, 0.002, True, "no", "rule"),
    (3, 3, "apologies", "", -0.40, -0.01, 0.010, False, "yes", "person"),
    (4, 4, "numbers", "numbered +0.3", 0.10, 0.05, 0.200, None, "", "rule"),
    (5, 5, "rare", "", 0.02, 0.02, None, None, "", "rule"),
]
GROUPS = pd.DataFrame(
    {
        "feature": [1, 3, 1, 3],
        "group": ["code", "code", "travel", "travel"],
        "delta": [0.0, -0.1, 0.2, 0.1],
        "discordant_a": [0, 9, 0, 0],
        "discordant_b": [0, 0, 8, 2],
    }
)


def table(group: str | None = None) -> pd.DataFrame:
    made = pd.DataFrame(ROWS, columns=COLUMNS)
    rates = {"rate_a": 1.0, "rate_b": [2.0, 1.0, 0.5, 1.0, 1.0], "q_rate": made["q"], "q_rarefied": made["q"]}
    tests = {"p_rate": made["q"], "p_rarefied": made["q"], "p_mean": [0.9, 0.8, 0.001, 0.9, None]}
    tests |= {"q_mean": tests["p_mean"], "title": "", "mean_a": [1.0, 2.0, 4.0, 0.0, 0.0], "mean_b": 1.0}
    tests |= {"peak_a": [2.0, 4.0, 8.0, 5.0, 0.0], "peak_b": [1.0, 1.0, 1.0, 2.0, 0.0]}
    return selection.prepared(with_interval(made).assign(**rates, **tests), with_interval(GROUPS), group)


def with_interval(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(ci_low=rows["delta"] - 0.09, ci_high=rows["delta"] + 0.09)


def behaviour(number: int, members: list[int]) -> Behaviour:
    fields: dict[str, Any] = dict.fromkeys(Behaviour._fields, None)
    return Behaviour(**fields | {"number": number, "features": members})


def features(asked: Asked) -> list[int]:
    found: list[int] = selection.chosen(table(asked.group), asked)["feature"].tolist()
    return found


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (Asked(everything=True), [3, 1]),
        (Asked(), [1]),
        (Asked(everything=True, members=True), [1, 2, 3]),
        (Asked(weak=True), [3, 1, 4]),
        (Asked(everything=True, more="A"), [3]),
        (Asked(more="B", weak=True), [1, 4]),
        (Asked(view="equal length", everything=True), [1, 3]),
        (Asked(view="per 1,000 tokens", everything=True), [1, 3]),
        (Asked(view="strength", everything=True), [3]),
        (Asked(replicated=True, everything=True), [3, 1]),
        (Asked(labelled=True, everything=True, members=True), [3, 1]),
        (Asked(search="BOLD", members=True), [1, 2]),
        (Asked(search="#3", everything=True), [3]),
        (Asked(group="code", everything=True), [3, 1]),
        (Asked(group="travel", everything=True), [1, 3]),
        (Asked(group="travel", more="A", everything=True), []),
        (Asked(only=(4, 2)), [2, 4]),
        (Asked(only=(5,), weak=True), []),
        (Asked(search="nothing like it"), []),
    ],
)
def test_filters_choose_and_order(asked: Asked, shown: list[int]) -> None:
    assert features(asked) == shown


def test_a_family_has_its_size_on_its_lead() -> None:
    sizes = table().set_index("feature")["size"]
    assert sizes.dropna().to_dict() == {1: 2, 3: 1, 4: 1, 5: 1}


def test_strength_is_a_share_of_each_features_strongest_activation() -> None:
    assert table().set_index("feature")["strength_difference"].dropna().to_dict() == {
        1: 0.0, 2: -0.25, 3: -0.375, 4: 0.2,
    }  # fmt: skip


def test_a_group_has_its_own_difference_and_its_own_exact_test() -> None:
    rows = table("travel").set_index("feature")
    assert rows["delta_in_group"].to_dict() == {1: 0.2, 3: 0.1}
    # Eight of eight and two of two prompts, corrected for two features.
    assert rows["q_in_group"].to_dict() == pytest.approx({1: 2 * 2 / 2**8, 3: 0.5})


def test_dots_are_the_chosen_rows_and_a_cloud_of_all_else(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(view="per 1,000 tokens", everything=True)
    prepared = table()
    rows = selection.chosen(prepared, asked)
    dots = selection.dots(prepared, rows, asked)
    assert (dots.live["feature"].tolist(), dots.cloud["feature"].tolist()) == ([1, 3], [2, 4])
    assert (dots.live["delta"].tolist(), dots.chosen, dots.tested) == ([1.0, -0.5], 2, 4)
    monkeypatch.setattr(selection, "LIVE", 1)
    fewer = selection.dots(prepared, rows, asked)
    assert (fewer.live["feature"].tolist(), sorted(fewer.cloud["feature"])) == ([1], [2, 3, 4])


def test_rows_stand_under_the_behaviour_of_their_family_and_those_of_none_come_last() -> None:
    made = table()
    behaviours = [behaviour(1, []), behaviour(2, [3, 1]), behaviour(3, [2])]
    groups = selection.grouped(selection.chosen(made, Asked(weak=True)), made, behaviours)
    assert [group.behaviour and group.behaviour.number for group in groups] == [2, None]
    assert [group.rows["feature"].tolist() for group in groups] == [[3, 1], [4]]
