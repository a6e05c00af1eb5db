"""What the report says of blind votes."""

import dataclasses

import pandas as pd
import pytest

from diffing.findings import tally
from diffing.findings.votes import BETTER
from diffing.report import voted
from diffing.report.facts import Facts


def test_without_votes_it_says_nothing(gathered: Facts) -> None:
    assert (voted.sentences(gathered), voted.table(gathered).rows) == ([], [])


def test_votes_are_said_in_a_sentence_and_by_voter_and_category(
    gathered: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pd.DataFrame({"prompt_id": [f"p{at}" for at in range(12)], "pick": 1, "said": "left", "draw": 0})
    table = table.assign(
        question=BETTER.key, words=BETTER.words, voter="Ada <b>", category=["code"] * 11 + ["travel"]
    )
    table["held_out"] = [True, True] + [False] * 10
    monkeypatch.setattr(tally, "of", lambda *_: tally.counted(table))
    facts = dataclasses.replace(gathered)
    assert [told.replace("\u00a0", " ") for told in voted.sentences(facts)] == [
        "Which answer is better? People, voting blind, preferred B on 12 of 12 prompts: 100 % [74 % to 100 %], "
        "exact p = 0.0005.",
        "2 prompts among these are new (held-out) ones.",
    ]
    assert voted.table(facts).rows == [
        [BETTER.words, "voter", "Ada <b>", "0", "12", "0", "100\u00a0%", "74\u00a0% to 100\u00a0%", "0.0005"],
        [BETTER.words, "category", "code", "0", "11", "0", "100\u00a0%", "72\u00a0% to 100\u00a0%", "0.001"],
        [BETTER.words, "category", "travel", "0", "1", "0", "too few", "–", "–"],
    ]
