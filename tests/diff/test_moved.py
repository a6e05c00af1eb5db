"""What has moved in answers: places by plain reading, and never what only got more room before or behind it."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from diffing.diff import moved
from diffing.diff.pairing import Pairing
from diffing.probes import scan
from diffing.reader.firing import Tokens

PROMPTS = 40
FILLER = "The cat sat on the mat and looked at us. "


def pairing(a: list[str], b: list[str]) -> Pairing:
    every = np.arange(len(a))
    prompts = pd.DataFrame(
        {"id": every.astype(str), "split": "discovery", "category": "", "tags": "", "group": ""}
    )
    tokens_a, tokens_b = (np.array([len(text.split()) for text in side]) for side in (a, b))
    never = np.zeros(len(a), dtype=bool)
    return Pairing(prompts, every, every, every + len(a), tokens_a, tokens_b, never, never, {})


def found(a: list[str], b: list[str]) -> moved.Moved:
    return moved.of(scan.scan([*a, *b]), pairing(a, b), np.ones(len(a), dtype=bool))


def answer(before: int, behind: int, thing: str = "Use **this** one. ") -> str:
    return FILLER * before + thing + FILLER * behind


def sizes(seed: int) -> list[tuple[int, int]]:
    random = np.random.default_rng(seed)
    return [(int(x), int(y)) for x, y in random.integers(1, 5, (PROMPTS, 2))]


def test_a_thing_that_went_to_the_end_has_moved_and_its_places_are_those_read() -> None:
    a = [answer(first, first + 4) for first, _ in sizes(0)]
    b = [answer(first + 4, first) for first, _ in sizes(0)]
    there = found(a, b)
    assert there.probes == ["bold"]
    row = moved.figures(there, pairing(a, b)).iloc[0]
    places = [
        np.array([text.index("**this**") / (len(text) - len("**this**")) for text in side]) for side in (a, b)
    ]
    assert (row["a"], row["b"]) == pytest.approx([side.mean() for side in places])
    assert row["delta"] == pytest.approx((places[1] - places[0]).mean())
    low, high = stats.t.interval(0.95, PROMPTS - 1, row["delta"], stats.sem(places[1] - places[0]))
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high))
    assert (row["prompts"], row["more_a"], row["more_b"]) == (PROMPTS, 0, PROMPTS)
    assert row["p"] == pytest.approx(2 * 0.5**PROMPTS, rel=1e-6)


@pytest.mark.parametrize("more", ["before", "behind", "both"])
def test_more_text_around_a_thing_moves_nothing(more: str) -> None:
    a = [answer(before, behind) for before, behind in sizes(1)]
    added = {"before": (6, 0), "behind": (0, 6), "both": (3, 3)}[more]
    b = [answer(before + added[0], behind + added[1]) for before, behind in sizes(1)]
    assert found(a, b).probes == []


def test_where_nothing_moved_hardly_any_study_says_so() -> None:
    moves = 0
    for seed in range(60):
        a = [answer(before, behind) for before, behind in sizes(2 * seed)]
        b = [answer(before, behind) for before, behind in sizes(2 * seed + 1)]
        moves += bool(found(a, b).probes)
    # At 5 % one in a thousand such sets of studies has more than nine.
    assert moves <= 9


def test_what_stands_in_a_habit_of_its_own_is_looked_over() -> None:
    texts = ["Use **this**. Is **that** all?", "No **thing**."]
    scanned = scan.scan(texts)
    spans = np.array([[0, 4], [4, 13], [14, 30], [0, 12]])
    tokens = Tokens(np.arange(2), np.array([0, 3, 4]), spans, np.zeros(4, np.int64))
    left = moved.beside(scanned, tokens, np.array([False, False, True, False]))
    bold = scan.NAMES.index("bold")
    kept = np.flatnonzero(left.probe == bold)
    spans_left = np.column_stack([left.document, left.start, left.end])[kept].tolist()
    assert spans_left == [[0, 4, 12], [1, 3, 12]]


def test_a_habit_is_left_to_itself() -> None:
    there = moved.Moved(["bold", "italics"], np.array([[0.1, 0.2]]))
    left = there.without({"bold"})
    assert (left.probes, left.places.tolist()) == (["italics"], [[0.2]])
