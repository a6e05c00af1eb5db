"""What two answers of a pair differ by, which pair is looked at, and how strong full colour is."""

import pandas as pd
import pytest

from diffing import diff
from diffing.diff import pairs
from diffing.reader.encodings import Encodings
from diffing.study.study import Study
from tests.fakes import finding_study
from tests.fakes.finding_study import CAKE, ITEMS, SPACES, TEA


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
        "probe": ["exclamation marks", "question marks", "closing question", "bold", "characters"],
        "A": [0, 1, 1, 2, 20],
        "B": [1, 0, 0, 2, 20],
    }


def test_what_neither_text_has_is_left_out() -> None:
    assert pairs.counted("", "").empty
