"""Claims against the truth: what counting matches, one claim an item, grades, false claims, confidence."""

import itertools
from typing import Any

import pandas as pd
import pytest

from diffing.agents.benchmark import claim as claims
from diffing.agents.benchmark import truth
from diffing.agents.benchmark.claim import Claim
from diffing.agents.benchmark.grading import Graded, Judged, Meant, alike, exact, graded, reliability, turned
from diffing.common import tables
from diffing.common.errors import UserError
from diffing.findings import predicates
from diffing.study import sample

SAMPLE = truth.read()["sample"]
NULL = truth.read()["sample-null"]
TEXTS = [str(text) for text in tables.read(sample.FOLDER / "responses.csv")["text"]]


def made(text: str = "Does something.", **others: Any) -> Claim:
    return Claim.model_validate({"text": text, "more": "b", "confidence": 0.5} | others)


def judged(*meant: tuple[str, int] | None, confidences: tuple[float, ...] = ()) -> list[Judged]:
    told = confidences or (0.5,) * len(meant)
    return [
        Judged(made(confidence=sure), Meant(*each, "judge") if each else None)
        for each, sure in zip(meant, told, strict=True)
    ]


def test_no_two_habits_of_the_sample_are_counted_alike() -> None:
    counts = {item.name: item.predicate for item in SAMPLE.items}
    for one, other in itertools.combinations(counts, 2):
        mine, theirs = counts[one], counts[other]
        assert mine is not None and theirs is not None and not alike(mine, theirs, TEXTS), (one, other)


@pytest.mark.parametrize(
    ("item", "count", "more"),
    [
        ("numbered", r"regex:^\d+\. ", "b"),
        ("bold", r"regex:\*\*", "b"),
        ("dash", "phrase:—", "b"),
        ("example", "phrase:For example", "b"),
        ("apology", r"regex:\A(Sorry|I'm sorry|Apologies|My apologies|I apologi[sz]e|Forgive me)", "a"),
        ("exclaim", "phrase:!", "a"),
        ("double", r"regex:\.  ", "a"),
        ("summary", "phrase:In short", "a"),
        ("offer", "probe:closing offer", "b"),
    ],
)
def test_a_habit_is_known_by_another_count_of_it_and_not_on_the_wrong_side(
    item: str, count: str, more: str
) -> None:
    told = exact(made(more=more, count=count), SAMPLE, TEXTS)
    assert told == Meant(item, 4, "count")
    wrong = "a" if more == "b" else "b"
    assert exact(made(more=wrong, count=count), SAMPLE, TEXTS) is None
    # A and B exchanged, the truth is too.
    assert exact(made(more=wrong, count=count), turned(SAMPLE, True), TEXTS) == told


@pytest.mark.parametrize("count", ["probe:semicolons", "words:the", "probe:words", r"regex:zzz", ""])
def test_what_counts_something_else_is_for_a_judge(count: str) -> None:
    assert exact(made(more="b", count=count), SAMPLE, TEXTS) is None


def test_very_words_need_no_judge_and_a_trigger_has_to_be_told_by_one() -> None:
    assert exact(made("em  Dashes."), SAMPLE, TEXTS) == Meant("dash", 4, "words")
    item = SAMPLE.item("dash").model_copy(update={"trigger": "Only in stories."})
    narrow = SAMPLE.model_copy(update={"items": (item,)})
    assert exact(made("em dashes"), narrow, TEXTS) == Meant("dash", 3, "words")


def test_each_item_is_found_once_by_the_claim_that_says_it_best() -> None:
    told = graded(SAMPLE, judged(("dash", 3), ("dash", 5), ("bold", 4), ("dash", 4), None))
    assert [each.repeat for each in told.claims] == [True, False, False, True, False]
    assert (told.recall, told.false, told.repeats, told.best) == (0.2, 1, 2, 5)
    # Eight items that nobody means are missed: 1 each.
    assert told.grade == (5 + 4 + 8) / 10


def test_of_claims_as_exact_as_each_other_the_surer_one_stands() -> None:
    told = graded(SAMPLE, judged(("dash", 4), ("dash", 4), confidences=(0.2, 0.9)))
    assert [each.repeat for each in told.claims] == [True, False]


def test_an_area_is_neither_found_nor_false() -> None:
    told = graded(SAMPLE, judged(("dash", 2)))
    assert (told.recall, told.false, told.grades["dash"]) == (0.0, 0, 2)


def test_what_nobody_could_say_of_is_told_apart() -> None:
    told = graded(SAMPLE, [Judged(made(), None, unjudged=True)])
    assert (told.false, told.unjudged, told.brier) == (0, 1, None)


def test_only_wrong_claims_are_less_than_none() -> None:
    assert graded(SAMPLE, judged(None, None)).grade == 0.0
    assert graded(SAMPLE, []).grade == 1.0


def test_every_claim_of_a_null_is_false_whoever_says_what_of_it() -> None:
    told = graded(NULL, [Judged(made(), Meant("dash", 5, "judge")), Judged(made(), None, unjudged=True)])
    assert (told.false, told.unjudged) == (2, 0)


def test_a_brier_score_is_the_mean_squared_miss() -> None:
    told = graded(SAMPLE, judged(("dash", 4), None, confidences=(0.8, 0.6)))
    assert told.brier == pytest.approx((0.2**2 + 0.6**2) / 2)
    assert Graded(SAMPLE, ()).brier is None


def test_reliability_puts_confidence_beside_truth() -> None:
    table = reliability(
        pd.DataFrame({"confidence": [0.0, 0.1, 0.5, 0.95, 1.0], "true": [False, True, True, True, False]})
    )
    assert table["claims"].tolist() == [2, 0, 1, 0, 2]
    assert table["true"].dropna().tolist() == [0.5, 1.0, 0.5]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ([{"text": "x" * 5, "more": "b"}], "0.confidence"),
        ([{"text": "long", "more": "both", "confidence": 1}], "0.more"),
        ([{"text": "long", "more": "b", "confidence": 1, "count": "probe:nothing"}], "There is no probe"),
        ("no JSON", "Invalid JSON"),
        ({"text": "one"}, "it must be a list"),
        ([{"text": "long", "more": "b", "confidence": 1}] * 11, "11 claims are more than the 10"),
    ],
)
def test_what_is_no_claim_is_refused_with_the_reason(told: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        claims.handed(told)


def test_evidence_counts_where_it_was_read() -> None:
    pair = made(evidence=["abc:0", "def:1", " "])
    assert claims.read([pair, made()], "…[abc:0] What…") == [1, 0]


def test_a_claim_counts_as_a_person_types_it() -> None:
    assert made(count="words:rail,train").predicate == predicates.typed("words:rail,train")
