"""`python -m diffing answer`: the sentence, the list, and both as JSON."""

import json

import pytest
from typer.testing import CliRunner

from diffing.cli.app import app
from tests.fakes import finding_study


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exception is None, result.output
    return result.stdout


def test_the_sentence_stands_before_the_list_and_features_alone_only_when_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finding_study.make(monkeypatch)
    monkeypatch.setenv("COLUMNS", "200")
    said = run("answer", "study")
    assert said.index("B's answers are 7 % longer") < said.index("uses numbered lists      ")
    told = json.loads(run("answer", "study", "--json"))
    assert told["sentence"].startswith("B's answers are 7 % longer")
    named = [each["name"] for each in told["behaviours"] if each["by"] != "feature"]
    assert all(name in said for name in named)
    assert len(run("answer", "study", "--all").splitlines()) >= len(said.splitlines()) - 1


def test_diff_says_it_first_too(monkeypatch: pytest.MonkeyPatch) -> None:
    finding_study.make(monkeypatch)
    assert run("diff", "study").startswith("A is a, B is b. B's answers are 7 % longer")
