"""Places in a ranking, rows by their number, and what a page picks out of a diff's tables."""

import pandas as pd
import pytest

from diffing.diff import selection
from diffing.diff.selection import Asked, Place


def test_a_feature_has_a_place_and_neighbours() -> None:
    ranking = [7, 3, 9]
    assert selection.place(ranking, 7) == Place(0, 3, None, 3)
    assert selection.place(ranking, 3) == Place(1, 3, 7, 9)
    assert selection.place(ranking, 9) == Place(2, 3, 3, None)
    assert selection.place([0], 0) == Place(0, 1, None, None)


def test_nothing_stands_beside_what_is_not_ranked() -> None:
    assert selection.place([7, 3], 8) == Place(None, 2, None, None)
    assert selection.place([], 8) == Place(None, 0, None, None)


def test_a_row_is_found_by_its_number_and_not_by_its_place() -> None:
    table = pd.DataFrame({"feature": [5, 0, 2], "family": [0, 0, 2], "label": ["five", "none", "two"]})
    row = selection.row_of(table, 0)
    assert row is not None and row["label"] == "none"
    assert selection.row_of(table, 1) is None
    assert selection.family_of(table, row)["label"].tolist() == ["five"]


def test_differing_is_what_holds_after_correction() -> None:
    table = pd.DataFrame({"feature": [0, 1, 2, 3], "q": [0.049, 0.05, float("nan"), 1e-9]})
    assert selection.differing(table)["feature"].tolist() == [0, 3]


@pytest.mark.parametrize(
    ("kind", "q", "differ"),
    [("category", 0.01, True), ("category", 0.05, False), ("category", float("nan"), False), ("tag", 0.01, False)],
)
def test_groups_differ_where_their_test_says_so(kind: str, q: float, differ: bool) -> None:
    assert selection.differ_between_groups(pd.DataFrame({"kind": kind, "q_heterogeneity": [q, q]})) is differ


def test_probes_come_surest_first_with_what_they_count() -> None:
    table = pd.DataFrame(
        {
            "probe": ["bold", "tables", "links"],
            "delta": [0.4, -0.3, -0.1],
            "ci_low": [0.05, -0.4, -0.15],
            "ci_high": [0.75, -0.2, -0.05],
            "q_mean": [0.9, 0.9, 0.1],
        }
    )
    rows = selection.probes(table)
    assert rows["probe"].tolist() == ["tables", "links", "bold"]
    assert rows["description"].map(len).min() > 5
    assert list(rows.columns) == ["probe", "delta", "ci_low", "ci_high", "q_mean", "description"]


def test_a_finding_leans_to_where_most_of_it_is_shown_more() -> None:
    features, none = pd.DataFrame({"delta": [-0.2, -0.1, 0.4]}), pd.DataFrame({"delta": []})
    assert selection.leaning(features, none) == "a"
    assert selection.leaning(features, pd.DataFrame({"delta": [0.1]})) == "b"
    assert selection.leaning(none, none) == "b"


def test_the_noise_band_is_known_of_whole_answers_alone() -> None:
    table = pd.DataFrame({"noise_band": [0.1, float("nan"), 0.3]})
    assert selection.noise_band(table, Asked()) == 0.2
    assert selection.noise_band(table, Asked(view="equal length")) is None
    assert selection.noise_band(table.assign(noise_band=float("nan")), Asked()) is None
