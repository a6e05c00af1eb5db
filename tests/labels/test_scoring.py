"""Scores: what they are of known judges, their interval, and the passages that they rest on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from diffing.labels import scoring
from diffing.labels.history import Label
from diffing.labels.labelling import Score
from diffing.labels.passages import CLOSE, OPEN, Context, Finder, Kind
from diffing.labels.scoring import METHODS, Batch, Item, Verdict, Verdicts, balanced_accuracy, family, share
from tests.fakes import label_study


def passage(kind: Kind, number: int) -> Context:
    return Context(number, f"p{number}", "a", 0, 0, 8, "tea", (), 1.0, kind)


def asked(positive: int = 50, negative: int = 50) -> list[Item]:
    return [Item(passage("fires", n), True) for n in range(positive)] + [
        Item(passage("random", n), False) for n in range(negative)
    ]


def test_judges_that_always_say_the_same_score_one_half_and_an_oracle_one() -> None:
    items = asked()
    for verdict in (True, False):
        one = share([(item, verdict) for item in items])
        assert one.balanced == 0.5
    assert share([(item, item.fits) for item in items]).balanced == 1.0
    assert share([(item, not item.fits) for item in items]).balanced == 0.0
    assert share([(item, None) for item in items]).balanced == 0.0


def test_unequal_numbers_do_not_help_a_judge_that_always_says_yes() -> None:
    assert share([(item, True) for item in asked(50, 5)]).balanced == 0.5


def test_a_random_judge_is_within_its_interval_of_one_half() -> None:
    random = np.random.default_rng(0)
    scores = [share([(item, bool(random.random() < 0.7)) for item in asked()]) for _ in range(400)]
    covered = np.mean([one.low is not None and one.low <= 0.5 <= (one.high or 0) for one in scores])
    # 95 % of 400, give or take three of its standard errors.
    assert 0.917 <= covered <= 0.983


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_the_interval_is_squared_and_added_from_both_of_wilsons(n: int, m: int, data: st.DataObject) -> None:
    k, j = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    mean, low, high = balanced_accuracy(k, n, j, m)
    ends = [proportion_confint(count, total, method="wilson") for count, total in ((k, n), (j, m))]
    below = np.hypot(k / n - ends[0][0], j / m - ends[1][0]) / 2
    above = np.hypot(ends[0][1] - k / n, ends[1][1] - j / m) / 2
    assert mean is not None
    assert mean == pytest.approx((k / n + j / m) / 2)
    assert low == pytest.approx(max(0, mean - below))
    assert high == pytest.approx(min(1, mean + above))


def test_without_one_of_the_kinds_there_is_no_score() -> None:
    one = share([(item, True) for item in asked(50, 0)])
    assert (one.balanced, one.low, one.high, one.positives) == (None, None, None, 50)


def test_what_could_not_be_read_is_counted_and_wrong() -> None:
    items = asked(10, 10)
    one = share([(item, None if n % 2 else item.fits) for n, item in enumerate(items)])
    assert (one.unread, one.true_positives, one.true_negatives, one.balanced) == (10, 5, 5, 0.5)
    assert one.kinds == {"fires": (5, 10), "random": (5, 10)}


def test_kinds_of_score_and_sides_stand_apart() -> None:
    batches = [Batch(0, side, method, 0, asked(4, 4)) for method in METHODS for side in "ab"]
    score = Score(Label(label="tea", author="m", author_kind="llm"), batches)
    for batch in batches:
        right = (batch.method, batch.checkpoint) in {("detection", "a"), ("fuzzing", "b")}
        score.add(batch, [item.fits is right for item in batch.items], 0.25)
    told = score.told()
    found = {(method, side): told[method][side]["balanced"] for method in METHODS for side in "ab"}
    assert found == {
        ("detection", "a"): 1.0,
        ("detection", "b"): 0.0,
        ("fuzzing", "a"): 0.0,
        ("fuzzing", "b"): 1.0,
    }
    # Beside them stands what they cost, and no figure that mixes them.
    assert (set(told), told["cost"]) == ({"detection", "fuzzing", "cost"}, 1.0)


def test_there_must_be_one_verdict_for_each_passage() -> None:
    def told(*passages: int) -> str:
        return scoring.fault(Verdicts(verdicts=[Verdict(passage=n, fits=True) for n in passages]), 3)

    assert told(3, 1, 2) == ""
    for passages in ((1, 2), (1, 2, 2), (1, 2, 3, 4), (0, 1, 2)):
        assert told(*passages) == "give exactly one verdict for each passage from 1 to 3"


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> Finder:
    """Feature 0 fires on red and, weaker, on some of the teas; feature 1 is its neighbour."""
    random = np.random.default_rng(0)
    words, chances = ["red", "pink", "tea", "and", "the"], [1, 1, 20, 20, 20]
    answers = {side: [label_study.babble(random, words, chances, 200) for _ in range(80)] for side in "ab"}
    rules = [{"red": 3.0}, {"red": 1.0, "pink": 2.0}]
    study, encodings = label_study.make(monkeypatch, answers, rules)
    return Finder(study, encodings, "score")


def test_a_test_has_50_positives_of_ten_tenths_25_random_and_25_hard_negatives(finder: Finder) -> None:
    detection = scoring.items(finder, 0, "a", "detection")
    kinds = {
        kind: sum(item.context.kind == kind for item in detection) for kind in ("fires", "random", "neighbour")
    }
    # No token is like red and silent, so the neighbour's passages are all of the hard ones.
    assert kinds == {"fires": 50, "random": 25, "neighbour": 25}
    deciles = [item.context.decile for item in detection if item.fits]
    assert np.bincount(deciles).tolist() == [5] * 10
    assert {item.context.checkpoint for item in detection} == {"a"}
    fuzzing = scoring.items(finder, 0, "a", "fuzzing")
    assert sum(item.context.kind == "misplaced" for item in fuzzing) == 25


def test_passages_are_shuffled_and_plain_in_detection_and_marked_in_fuzzing(finder: Finder) -> None:
    batches = scoring.batches(finder, 0, ("a", "b"))
    assert {len(batch.items) for batch in batches} == {10}
    assert len(batches) == 40
    for batch in batches:
        text = scoring.messages(batch, "red things", "Fires on red.", "Not on pink.")[1]["content"]
        marked = text.count(OPEN) == text.count(CLOSE) > 10
        assert marked is (batch.method == "fuzzing")
        assert "fires" not in text.lower().replace("fires on red", "")
    truths = [item.fits for batch in batches[:10] for item in batch.items]
    changes = sum(one != other for one, other in zip(truths, truths[1:], strict=False))
    assert 30 < changes < 70
    assert batches == scoring.batches(finder, 0, ("a", "b"))


def test_wrong_marks_stand_where_the_feature_is_silent(finder: Finder) -> None:
    for item in scoring.items(finder, 0, "a", "fuzzing"):
        marked = [item.context.text[low:high] for low, high in item.context.marks]
        assert any("red" in text for text in marked) is item.fits


@pytest.mark.parametrize(
    ("model", "maker"),
    [
        ("openai/gpt-4o-mini", "openai"),
        ("gpt-4o", "openai"),
        ("google/gemini-2.5-flash:free", "google"),
        ("gemini-2.5-flash", "google"),
        ("anthropic/claude-sonnet-4", "anthropic"),
        ("Qwen/Qwen3-8B", "qwen"),
        ("qwen3:8b", "qwen"),
        ("x-ai/grok-4", "xai"),
        ("home-grown-7b", "home"),
    ],
)
def test_who_made_a_model(model: str, maker: str) -> None:
    assert family(model) == maker
