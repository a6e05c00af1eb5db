"""Pairs of answers as people look at them: which there are, in which order, and which stay hidden."""

import pandas as pd
import pytest

from diffing.diff import pairs
from diffing.diff.pairs import Order, Stop
from diffing.reader import encode
from diffing.reader.encodings import Encodings
from diffing.study.study import Study
from tests.fakes.diff_study import made, words
from tests.fakes.reader import FakeReader


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    """Forty prompts, of which one has an answer that no reader can take."""
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: FakeReader(window=64))
    return made(lambda prompt, key, draw: "unreadable" if (prompt, key) == (3, "a") else words(prompt, key, draw))


def test_held_out_prompts_stay_out_unless_asked_for(study: Study) -> None:
    encodings = Encodings.open(study)
    shown = pairs.pairs(study, encodings, 5, "a", "b")
    everything = pairs.pairs(study, encodings, 5, "a", "b", held_out=True)
    assert set(shown["split"]) == {"discovery"}
    assert set(everything["split"]) == {"discovery", "held-out"}
    pd.testing.assert_frame_equal(shown, everything[everything["split"] == "discovery"].reset_index(drop=True))


def test_a_pair_excluded_from_the_diff_is_no_example_of_it(study: Study) -> None:
    ids = study.prompts()["id"].tolist()
    shown = pairs.pairs(study, Encodings.open(study), 5, "a", "b", held_out=True)
    assert sorted(shown["prompt_id"]) == sorted(ids[:3] + ids[4:])


def test_each_pair_has_both_answers_peaks(study: Study) -> None:
    encodings = Encodings.open(study)
    table = encodings.documents
    for pair in pairs.pairs(study, encodings, 5, "a", "b").to_dict("records"):
        for side in "ab":
            document = int(pair[f"document_{side}"])
            assert table.loc[document, ["prompt_id", "checkpoint"]].tolist() == [pair["prompt_id"], side]
            assert pair[f"peak_{side}"] == encodings.dense(document, 5).max()


TABLE = pd.DataFrame({"id": range(5), "peak_a": [0.0, 5.0, 1.0, 0.0, 3.0], "peak_b": [2.0, 4.0, 1.0, 0.0, 0.0]})


@pytest.mark.parametrize(
    ("order", "delta", "ids"),
    [
        ("most different", 0.2, [4, 0, 1, 2]),
        ("strongest", 0.2, [1, 4, 0, 2]),
        ("against the difference", 0.2, [4, 1]),
        ("against the difference", -0.2, [0]),
        ("against the difference", 0.0, [4, 1]),
    ],
)
def test_examples_for_a_difference_and_against_it_are_ordered_the_clearest_first(
    order: Order, delta: float, ids: list[int]
) -> None:
    assert pairs.ordered(TABLE, order, delta, seed=0)["id"].tolist() == ids


def test_a_random_order_has_every_pair_and_hangs_on_the_seed() -> None:
    first, again, other = (pairs.ordered(TABLE, "random", 0.2, seed)["id"].tolist() for seed in (1, 1, 2))
    assert first == again != other
    assert sorted(first) == [0, 1, 2, 3, 4]


def test_behind_the_last_pair_comes_the_first() -> None:
    assert [pairs.stop(asked, 3) for asked in (None, 2, 7)] == [Stop(0, 2, 1), Stop(2, 1, 0), Stop(2, 1, 0)]
