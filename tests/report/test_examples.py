"""Pairs as a report shows them: the pieces of an answer are the answer, and what is left out is said."""

import pytest

from diffing.findings.findings import Example
from diffing.report import examples, facts
from diffing.study import responses
from tests.fakes.report_study import CAKE, NUMBERS, SPACES, Made


@pytest.mark.parametrize("longest", [examples.LONGEST, 30])
def test_the_pieces_of_an_answer_are_the_answer(made: Made, monkeypatch: pytest.MonkeyPatch, longest: int) -> None:
    study, _ = made
    monkeypatch.setenv("DIFFING_HOME", str(study.folder.parents[1]))
    monkeypatch.setattr(examples, "LONGEST", longest)
    gathered = facts.gather(study, "old", "new")
    texts = study.responses()["text"].tolist()
    example = Example(str(responses.kept(gathered.pairs)["prompt_id"].iloc[0]), 0)
    shown = [
        answer
        for feature in (SPACES, CAKE, NUMBERS)
        for answer in examples.pair(gathered, example, [feature], []).answers
    ]
    assert len(shown) == 6
    for answer in shown:
        text = "".join(piece.text for piece in answer.pieces)
        assert any(whole.startswith(text) and len(whole) == len(text) + answer.left_out for whole in texts)
        assert (answer.left_out > 0) == (longest == 30)


@pytest.mark.parametrize("longest", [10, examples.LONGEST])
@pytest.mark.parametrize("probes", [["double spaces", "numbered items", "trailing spaces"], []])
def test_marks_of_probes_take_nothing_from_an_answer(
    gathered: facts.Facts, monkeypatch: pytest.MonkeyPatch, probes: list[str], longest: int
) -> None:
    monkeypatch.setattr(examples, "LONGEST", longest)
    kept = responses.kept(gathered.pairs)
    assert len(kept) > 30
    for row in kept.itertuples():
        pair = examples.pair(gathered, Example(str(row.prompt_id), int(row.draw)), [], probes)
        for answer, text in zip(pair.answers, (str(row.text_a), str(row.text_b)), strict=True):
            assert "".join(piece.text for piece in answer.pieces) == text[:longest]
            assert answer.left_out == max(0, len(text) - longest)


@pytest.mark.parametrize(("features", "probes"), [([SPACES], []), ([], ["double spaces"])])
def test_marks_stand_where_the_feature_or_the_probe_does(
    gathered: facts.Facts, features: list[int], probes: list[str]
) -> None:
    example = Example(str(responses.kept(gathered.pairs)["prompt_id"].iloc[0]), 0)
    old, new = examples.pair(gathered, example, features, probes).answers
    assert [piece.text for piece in old.pieces if piece.level] == ["  ", "  "]
    assert [piece.text for piece in new.pieces if piece.level] == []
