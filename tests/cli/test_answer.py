"""`python -m diffing answer`: the sentence, the list, and both as JSON."""

import json

import pytest
from typer.testing import CliRunner

from diffing.cli.app import app
from diffing.study.study import Study
from tests.fakes import finding_study, wordless_study


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


def test_a_second_reader_is_kept_beside_and_each_behaviour_says_who_sees_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = wordless_study.make(monkeypatch)
    monkeypatch.setenv("COLUMNS", "220")
    assert "both readers" not in run("answer", "study", "--all")
    said = run("encode", "study", "--reader", "gpt2-small")
    assert "Kept beside what the study's own reader (rules) saw: after `diff study --reader gpt2-small`" in said
    assert run("diff", "study", "--reader", "gpt2-small").startswith("A is a, B is b.")
    assert Study.open("study").settings.reader == study.settings.reader
    rows = [line for line in run("answer", "study", "--all").splitlines() if "│" in line]
    (odd,) = [line for line in rows if f"feature {wordless_study.SEES_ODD})" in line]
    (rare,) = [line for line in rows if f"feature {wordless_study.SEES_RARE})" in line]
    assert (odd.split("│")[-2].strip(), rare.split("│")[-2].strip()) == ("yes", "rules")
    told = json.loads(run("answer", "study", "--json"))
    assert told["all_readers"] == ["rules", "gpt2-small"]
    readers = {each["source"]: each["readers"] for each in told["behaviours"] if each["by"] == "feature"}
    assert readers == {"0": ["rules", "gpt2-small"], "1": ["rules"]}
    run("encode", "study", "--reader", "gpt2-small", "--own")
    assert Study.open("study").settings.reader == wordless_study.CHOICE
