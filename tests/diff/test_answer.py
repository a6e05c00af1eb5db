"""The answer: a sentence that says what was confirmed, length first, and lists that say the rest."""

import dataclasses
import json
from typing import Any

import pandas as pd
import pytest

from diffing import diff
from diffing.diff import answer
from diffing.diff.stored import Diff
from tests.fakes import finding_study


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Diff:
    return diff.load(finding_study.make(monkeypatch), "a", "b")


class Changed(Diff):
    """A diff whose behaviours are others."""

    def __init__(self, stored: Diff, **tables: Any) -> None:
        super().__init__(stored.folder, stored.a, stored.b, stored.settings, stored.summary)
        self.__dict__ |= {"behaviours": stored.behaviours, "habits": stored.habits, **tables}


def test_length_comes_first_then_each_side_with_its_own_figures(stored: Diff) -> None:
    assert answer.sentence(stored).replace("\u00a0", " ") == (
        "B's answers are 7 % longer (15 → 16 words); B more often uses numbered lists (5 % → 95 %) and says "
        "“cake” (14 % → 88 %); A more often has double spaces within lines (93 % → 7 %) and says “tea” "
        "(77 % → 23 %)."
    )


def test_only_what_was_confirmed_and_has_words_is_said(stored: Diff) -> None:
    table = stored.behaviours.copy()
    table.loc[table["name"] == "says “tea”", "confirmed"] = "not confirmed"
    table.loc[table["name"] == "says “cake”", "by"] = "feature"
    table.loc[table["kind"] == "amount", "confirmed"] = "not confirmed"
    assert answer.sentence(Changed(stored, behaviours=table)).replace("\u00a0", " ") == (
        "No change in length was confirmed (15 → 16 words); B more often uses numbered lists (5 % → 95 %); A more "
        "often has double spaces within lines (93 % → 7 %)."
    )
    none = table.assign(confirmed="not confirmed")
    assert answer.sentence(Changed(stored, behaviours=none)) == (
        "No change was confirmed on 43 new prompts; that does not prove that none is."
    )
    blind = none.assign(prompts=0)
    assert answer.sentence(Changed(stored, behaviours=blind)) == (
        "No prompt was held out to confirm a change on; the list is of leads alone."
    )


def test_of_many_the_first_of_a_side_are_named_and_the_rest_counted(stored: Diff) -> None:
    one = stored.behaviours[stored.behaviours["name"] == "says “cake”"]
    names = ["does this", "does that", "does more", "does it all"]
    many = pd.concat([one.assign(name=name) for name in names], ignore_index=True)
    told = answer.sentence(Changed(stored, behaviours=many)).replace("\u00a0", " ")
    assert told == (
        "B more often does this (14 % → 88 %), does that (14 % → 88 %), does more (14 % → 88 %), and 1 more."
    )


def test_an_opening_is_told_with_the_one_that_the_other_side_has(stored: Diff) -> None:
    rows = stored.behaviours[stored.behaviours["kind"] == "habit"].head(4).reset_index(drop=True)
    form = json.dumps({"kind": "opening", "symbols": ["Certainly", "!"], "written": "Certainly!"})
    sure = {
        "name": "begins with “Sure”",
        "by": "probe",
        "source": "opens with Sure",
        "side": "a",
        "a": 0.4,
        "b": 0.1,
    }
    more = {"name": "opens with “Certainly!”", "by": "phrase", "source": form, "side": "b", "a": 0.0, "b": 0.3}
    for place, row in ((0, sure), (3, more)):
        rows.loc[place, list(row)] = list(row.values())
    rows.loc[[1, 2], "side"] = "b"
    told = answer.sentence(Changed(stored, behaviours=rows)).replace("\u00a0", " ")
    # B's comes first, so that A's is told beside it, once.
    assert "and opens with “Certainly!” (0 % → 30 %; A with “Sure”: 40 % → 10 %)." in told
    alone = answer.sentence(Changed(stored, behaviours=rows.drop(index=3))).replace("\u00a0", " ")
    assert alone.endswith("A more often begins with “Sure” (40 % → 10 %).")


def test_what_stands_elsewhere_is_said_of_whose_is_nearer_to_the_end_and_of_no_more_often(stored: Diff) -> None:
    moved = {"kind": "place", "name": "uses bold nearer to the end", "by": "probe", "source": "bold", "habit": 0}
    rows = stored.behaviours[stored.behaviours["kind"] == "habit"].head(1)
    figures = {
        "a": 0.6,
        "b": 0.2,
        "delta": -0.4,
        "delta_rarefied": float("nan"),
        "q_rarefied": float("nan"),
        "survives_equal_length": pd.NA,
    }
    told = Changed(stored, behaviours=rows.assign(**moved, **figures, side="a"))
    assert (
        answer.sentence(told).replace("\u00a0", " ")
        == "A uses bold nearer to the end (at 60 % → 20 % of the answer)."
    )
    (each,) = answer.behaviours(told)
    # As many random tokens have no places: nothing of the kind was asked.
    assert (each.subject, each.survives_length) == ("A", None)


def test_identical_answers_and_older_methods_are_told(stored: Diff) -> None:
    same = dataclasses.replace(stored, summary={**stored.summary, "identical": stored.summary["pairs"]})
    assert answer.sentence(same) == "Nothing changed: the answers are identical on 120 of 120 prompts."
    older = dataclasses.replace(stored, summary={**stored.summary, "method": 2})
    assert answer.sentence(older).startswith("This diff was computed by an older method")


def test_the_whole_answer_names_members_and_what_did_not_change(stored: Diff) -> None:
    told = answer.whole(stored, answer.behaviours(stored))
    assert (told["a"], told["b"], told["prompts"]) == ("a", "b", 120)
    lists = next(each for each in told["behaviours"] if each["name"] == "uses numbered lists")
    assert (lists["direction"], lists["kind"], lists["confirmed"]) == ("B", "habit", "yes")
    assert lists["survives_length"] is True and finding_study.ITEMS in lists["features"]
    assert "numbered items" in lists["probes"]
    verdicts = stored.probes.set_index("probe")["verdict"]
    assert set(verdicts[told["unchanged"]]) <= {"no change"}
    assert {"too rare to tell"} <= set(verdicts[told["cannot_tell"]]) <= {"cannot tell", "too rare to tell"}
