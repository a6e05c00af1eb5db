"""Which features are looked at, and in which order."""

import dataclasses

import pandas as pd
import pytest

from diffing.diff import selection
from diffing.diff.selection import Asked

COLUMNS = [
    *("feature", "family", "label", "probes", "delta", "delta_equal_length", "q"),
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
    {"feature": [1, 3, 1, 3], "group": ["code", "code", "travel", "travel"], "delta": [0.0, -0.1, 0.2, 0.1]}
)


def table(group: str | None = None) -> pd.DataFrame:
    made = pd.DataFrame(ROWS, columns=COLUMNS)
    rates = {"rate_a": 1.0, "rate_b": [2.0, 1.0, 0.5, 1.0, 1.0], "q_rate": made["q"], "q_equal_length": made["q"]}
    tests = {"p_rate": made["q"], "p_equal_length": made["q"]}
    return selection.prepared(with_interval(made).assign(**rates, **tests), with_interval(GROUPS), group)


def with_interval(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(ci_low=rows["delta"] - 0.09, ci_high=rows["delta"] + 0.09)


def features(asked: Asked) -> list[int]:
    found: list[int] = selection.chosen(table(asked.group), asked)["feature"].tolist()
    return found


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (Asked(), [3, 1]),
        (Asked(members=True), [1, 2, 3]),
        (Asked(weak=True), [3, 1, 4]),
        (Asked(more="A"), [3]),
        (Asked(more="B", weak=True), [1, 4]),
        (Asked(view="equal length"), [1, 3]),
        (Asked(view="per 1,000 tokens"), [1, 3]),
        (Asked(survives=True), [1]),
        (Asked(replicated=True), [3, 1]),
        (Asked(labelled=True, members=True), [3, 1]),
        (Asked(search="BOLD", members=True), [1, 2]),
        (Asked(search="#3"), [3]),
        (Asked(group="code"), [3, 1]),
        (Asked(group="travel"), [1, 3]),
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


def test_dots_are_the_chosen_families_and_what_does_not_differ() -> None:
    asked = Asked(view="per 1,000 tokens", more="B")
    prepared = table()
    rows = selection.chosen(prepared, asked)
    dots = selection.dots(prepared, rows, asked, seed=0)
    assert dots["feature"].tolist() == [1, 2, 4]
    assert dots["delta"].tolist() == [1.0, 0.0, 0.0]
    picked = dataclasses.replace(asked, only=(3,))
    assert selection.dots(prepared, rows, picked, seed=0)["feature"].tolist() == [3, 4]


def test_what_does_not_differ_is_sampled_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    many = pd.DataFrame({"feature": range(100), "family": range(100), "delta": 0.0, "q": 0.5})
    monkeypatch.setattr(selection, "SAMPLED", 10)
    first, again, other = (selection.dots(many, many, Asked(), seed)["feature"].tolist() for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == 10
