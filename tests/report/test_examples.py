"""Pairs of answers in the report: cut into pieces, and none of the answer lost."""

from collections.abc import Sequence

import pytest

from diffing.findings.findings import Example
from diffing.report import examples
from diffing.report.facts import Facts
from diffing.study import responses
from tests.fakes.report_study import CAKE, NUMBERS, SPACES, facts

__all__ = ["facts"]


@pytest.mark.parametrize("longest", [10, 60, 8000])
@pytest.mark.parametrize(
    ("features", "probes"),
    [([SPACES, CAKE, NUMBERS], []), ([], ["double spaces", "numbered items", "trailing spaces"]), ([], [])],
)
def test_pieces_joined_are_the_answer_as_far_as_it_is_shown(
    facts: Facts,
    monkeypatch: pytest.MonkeyPatch,
    features: Sequence[int],
    probes: Sequence[str],
    longest: int,
) -> None:
    monkeypatch.setattr(examples, "LONGEST", longest)
    kept = responses.kept(facts.pairs)
    assert len(kept) > 30
    for row in kept.itertuples():
        pair = examples.pair(facts, Example(str(row.prompt_id), int(row.draw)), features, probes)
        for answer, text in zip(pair.answers, (str(row.text_a), str(row.text_b)), strict=True):
            assert "".join(piece.text for piece in answer.pieces) == text[:longest]
            assert answer.left_out == max(0, len(text) - longest)


def test_marks_stand_where_the_feature_or_the_probe_does(facts: Facts) -> None:
    example = Example(str(responses.kept(facts.pairs)["prompt_id"].iloc[0]), 0)
    for features, probes in (([SPACES], []), ([], ["double spaces"])):
        old, new = examples.pair(facts, example, features, probes).answers
        assert [piece.text for piece in old.pieces if piece.level] == ["  ", "  "]
        assert [piece.text for piece in new.pieces if piece.level] == []
