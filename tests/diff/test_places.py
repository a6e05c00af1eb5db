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
    # By the verdict, which is the amount's where presence cannot differ.
    verdicts = ["differs", "no change", "cannot tell", "differs"]
    table = pd.DataFrame({"feature": [0, 1, 2, 3], "q": [0.049, 0.05, float("nan"), 0.9], "verdict": verdicts})
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
            "probe": ["bold", "tables", "links", "words"],
            "judged_by": ["presence", "presence", "presence", "amount"],
            "frequency_a": [0.1, 0.4, 0.2, 1.0],
            "frequency_b": [0.5, 0.1, 0.1, 1.0],
            "delta": [0.4, -0.3, -0.1, 0.0],
            "ci_low": [0.05, -0.4, -0.15, -0.01],
            "ci_high": [0.75, -0.2, -0.06, 0.01],
            "q": [0.04, 0.001, 0.01, float("nan")],
            "change": [0.1, -0.1, 0.1, 0.5],
            "change_low": [0.0, -0.2, 0.0, 0.1],
            "change_high": [0.2, 0.0, 0.2, 0.9],
            "q_mean": [0.9, 0.9, 0.1, 0.02],
        }
    )
    rows = selection.probes(table).set_index("probe")
    # At least 20, 9 (0.1 of 1.1), 6 and 5 in a hundred.
    assert rows.index.tolist() == ["tables", "words", "links", "bold"]
    assert rows["q_judged"].tolist() == [0.001, 0.02, 0.01, 0.04]
    assert rows["description"].map(len).min() > 5
    # Each has the figures of its own test alone.
    assert rows["delta"].isna().tolist() == rows["frequency_a"].isna().tolist() == [False, True, False, False]
    assert rows["change"].isna().tolist() == rows["change_low"].isna().tolist() == [True, False, True, True]


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
