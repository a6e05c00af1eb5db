"""More than two checkpoints: exact nulls against enumeration, and the whole way through a study."""

from itertools import permutations, product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from diffing.common.arrays import Array
from diffing.common.errors import UserError
from diffing.diff import measure, series
from diffing.diff.presence import Shown, shown
from diffing.reader import encode
from tests.fakes.diff_study import made
from tests.fakes.documents import Documents
from tests.fakes.reader import FakeReader


def study(values: Array, draws: int) -> tuple[Shown, Array, Array]:
    """Checkpoints × prompts: how many of the draws show the only feature."""
    checkpoints, prompts = values.shape
    dense: list[Array] = []
    documents = np.zeros((checkpoints, prompts * draws), np.int64)
    for checkpoint, prompt, draw in product(range(checkpoints), range(prompts), range(draws)):
        documents[checkpoint, prompt * draws + draw] = len(dense)
        dense.append(np.full((1, 1), float(draw < values[checkpoint, prompt])))
    return shown(Documents(dense), np.arange(len(dense))), documents, np.repeat(np.arange(prompts), draws)


def enumerated(values: Array, score: Array) -> float:
    """Twice the smaller tail of the score's sum over every way to permute checkpoints within prompts."""
    moved = values[:, (values != values[0]).any(axis=0)]
    steps = [[np.dot(score, order) for order in permutations(column)] for column in moved.T]
    sums = np.array([0.0])
    for step in steps:
        sums = np.add.outer(sums, np.array(step)).ravel()
    observed = np.sum(score @ moved)
    return float(min(1.0, 2 * min(np.mean(sums <= observed + 1e-9), np.mean(sums >= observed - 1e-9))))


@pytest.mark.parametrize(("checkpoints", "draws"), [(3, 1), (3, 2), (4, 1)])
def test_p_is_that_of_every_permutation_within_prompts(
    checkpoints: int, draws: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "LEAST", 1)
    keys = [f"c{n}" for n in range(checkpoints)]
    for seed in range(5):
        values = np.random.default_rng(seed).integers(0, draws + 1, (checkpoints, 5))
        counts = series.count(*study(values, draws))
        first = np.eye(checkpoints)[0]
        rest = series.table(counts, keys, "against rest").loc[0]
        assert rest["p"] == pytest.approx(enumerated(values, first), abs=1e-11)
        assert rest["delta"] == pytest.approx((values[0].mean() - values[1:].mean()) / draws)
        line = series.table(counts, keys, "trend").loc[0]
        assert line["p"] == pytest.approx(enumerated(values, np.arange(checkpoints)), abs=1e-11)
        shares = values.mean(axis=1) / draws
        assert line["slope"] == pytest.approx(np.polyfit(np.arange(checkpoints), shares, 1)[0])


def test_unlike_numbers_of_draws_weigh_alike() -> None:
    numbers, documents, row = study(np.array([[2, 1], [0, 1], [1, 2]]), 2)
    counts = series.count(numbers, np.delete(documents, 3, axis=1), np.delete(row, 3))
    assert (counts.sums / (counts.unit * counts.prompts)).ravel().tolist() == [1.0, 0.5, 0.75]


def test_patterns_of_many_draws_are_not_taken_for_each_other() -> None:
    # Forty draws have 41 values, of which a number of 64 bits cannot hold three checkpoints' sums.
    values = np.array([[33, 34, 35, 1], [0, 0, 0, 0], [40, 39, 38, 2]])
    counts = series.count(*study(values, 40))
    assert counts.patterns == [(0, 1, 2), (0, 33, 40), (0, 34, 39), (0, 35, 38)]
    assert counts.numbers.tolist() == [[1, 1, 1, 1]]


def answer(prompt: int, checkpoint: str, draw: int) -> str:
    """The share of answers with a mark rises from checkpoint to checkpoint."""
    random = np.random.default_rng([prompt, ord(checkpoint), draw])
    marked = random.random() < {"a": 0.0, "b": 0.4, "c": 0.9}[checkpoint]
    return "plain words here" + (" mark" if marked else "")


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: FakeReader(window=64))
    return made(answer, prompts=30, keys="abc")


def test_a_rising_habit_is_a_trend_and_the_last_against_the_rest(three: Any) -> None:
    line = series.trend(three, ["a", "b", "c"])
    mark = line.loc[line["slope"].idxmax()]
    assert mark["q"] < 0.001
    assert mark["frequency_a"] == 0
    assert mark["slope"] == pytest.approx(mark["frequency_c"] / 2)
    rest = series.against_rest(three, "c").loc[mark["feature"]]
    assert rest["q"] < 0.001
    assert rest["delta"] == pytest.approx(mark["frequency_c"] - mark["frequency_b"] / 2)


def test_a_stored_table_is_read_again_and_not_when_answers_changed(three: Any) -> None:
    first = series.trend(three, ["a", "b", "c"])
    pd.testing.assert_frame_equal(first, series.trend(three, ["a", "b", "c"]))
    assert len(list((three.folder / "diffs").iterdir())) == 1
    three.add_responses(three.responses().head(1).assign(text="", flag="empty"))
    assert series.trend(three, ["a", "b", "c"])["n_prompts"].iloc[0] == 29


@pytest.mark.parametrize("keys", [["a", "b"], ["a", "b", "b"], ["a", "b", "x"]])
def test_a_series_needs_three_known_checkpoints(three: Any, keys: list[str]) -> None:
    with pytest.raises(UserError, match="three to 7 different|no checkpoint 'x'"):
        series.trend(three, keys)
