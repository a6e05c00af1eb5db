"""Pairs as a report shows them: the pieces of an answer are the answer, and what is left out is said."""

import pytest

from diffing.findings.exhibits import Chooser
from diffing.report import examples, facts
from tests.fakes.report_study import CAKE, NUMBERS, SPACES, Made


@pytest.mark.parametrize("longest", [examples.LONGEST, 30])
def test_the_pieces_of_an_answer_are_the_answer(made: Made, monkeypatch: pytest.MonkeyPatch, longest: int) -> None:
    study, _ = made
    monkeypatch.setenv("DIFFING_HOME", str(study.folder.parents[1]))
    monkeypatch.setattr(examples, "LONGEST", longest)
    gathered = facts.gather(study, "old", "new")
    texts = study.responses()["text"].tolist()
    chooser = Chooser(study, gathered.encodings, "old", "new")
    shown = [
        answer
        for feature in (SPACES, CAKE, NUMBERS)
        for pairs in examples.of_feature(gathered, chooser, feature)
        for pair in pairs
        for answer in pair.answers
    ]
    assert len(shown) >= 6
    for answer in shown:
        text = "".join(piece.text for piece in answer.pieces)
        assert any(whole.startswith(text) and len(whole) == len(text) + answer.left_out for whole in texts)
        assert (answer.left_out > 0) == (longest == 30)
