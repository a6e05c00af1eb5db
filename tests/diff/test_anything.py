"""One test over all views: by another's corrections, with views that come and go, and on exchanged sides."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.exchange import Sides, exchanged
from diffing.diff import anything
from diffing.reader import encode
from tests.fakes.diff_study import made
from tests.fakes.reader import FakeReader


def corrected(**p: list[float]) -> pd.DataFrame:
    """A table with the q of each column by itself, by scipy."""
    columns = {}
    for name, values in p.items():
        q, made = np.array(values), ~np.isnan(values)
        q[made] = stats.false_discovery_control(q[made]) if made.any() else q[made]
        columns[name.replace("p", "q", 1)] = q
    return pd.DataFrame(columns)


NONE = [np.nan] * 4
TABLES = {
    "features": corrected(p=[0.2, 0.01, np.nan, 0.04], p_rate=NONE, p_mean=[0.3] * 4).assign(
        # Both cuts are one family, and come corrected as one.
        q_equal_length=[0.5, np.nan, np.nan, 0.6],
        q_equal_length_tail=[0.9, 0.012, np.nan, 0.7],
    ),
    "probes": corrected(p=[0.03, 0.8], p_rate=[0.5, 0.02]),
}
EXPECTED = [
    {"view": "presence", "tests": 3, "p": pytest.approx(3 * 0.01)},
    {"view": "first and last tokens", "tests": 5, "p": 0.012},
    {"view": "strength", "tests": 4, "p": pytest.approx(0.3)},
    # The smaller of two families of tests, 2 x 0.02, counts for both.
    {"view": "surface probes", "tests": 4, "p": pytest.approx(2 * 2 * 0.02)},
]


def test_each_view_gives_its_smallest_q_and_the_smallest_of_all_counts_as_often_as_there_are_views() -> None:
    found = anything.of(TABLES)
    assert found["views"] == EXPECTED
    assert found["p"] == pytest.approx(4 * 0.012)
    assert found["says"] == "differs"


def test_views_that_come_later_are_taken_as_they_come() -> None:
    features = TABLES["features"].assign(q_rarefied=[0.5, 0.6, np.nan, 0.7], q_heterogeneity=0.9)
    # What became rows of many candidates has its q over all of them.
    phrases = pd.DataFrame({"q": [0.0001, 0.5]})
    found = anything.of({**TABLES, "features": features, "phrases": phrases})
    names = [view["view"] for view in found["views"]]
    assert set(names) - {view["view"] for view in EXPECTED} == {"equal numbers of tokens", "categories", "phrases"}
    assert found["p"] == pytest.approx(7 * 0.0001)


def test_what_was_not_tested_says_nothing() -> None:
    untested = {"features": TABLES["features"][["q_rate"]], "probes": pd.DataFrame({"q": []})}
    assert anything.of(untested) == {"p": None, "says": "cannot tell", "views": []}
    assert anything.in_words(anything.of(untested)).startswith(
        "No difference can be told: nothing differs on enough prompts"
    )


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, ""),
        (anything.of(TABLES), "Something differs (p = 0.048 over 4 views together)."),
        (
            anything.of({"probes": TABLES["probes"]}),
            "No difference can be told (p = 0.08 over 1 view together); that does not prove no change.",
        ),
    ],
)
def test_the_first_words_say_what_the_one_test_says(found: dict[str, object] | None, said: str) -> None:
    assert anything.in_words(found) == said


def test_exchanged_sides_of_real_answers_say_something_in_no_more_than_one_study_of_twenty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # B's answers end in a bold word, and an exchange hides that.
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: FakeReader(window=64))
    sides, random = Sides(made(prompts=40)), np.random.default_rng(1)
    assert anything.of(sides.compared(sides.pairs, 0).tables)["says"] == "differs"
    says = [anything.of(sides.compared(exchanged(sides.pairs, random), n).tables)["says"] for n in range(60)]
    assert says.count("differs") <= 3
