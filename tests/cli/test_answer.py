"""`python -m diffing answer`: the sentence, the list, and both as JSON."""

import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

from diffing.cli import terminal
from diffing.cli.app import app, main
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
    assert said.index("B's answers are 7\u00a0% longer") < said.index("│ uses numbered lists")
    assert " is 7\u00a0% longer, in words " in said
    told = json.loads(run("answer", "study", "--json"))
    assert told["sentence"].startswith("B's answers are 7\u00a0% longer")
    named = [each["name"] for each in told["behaviours"] if each["by"] != "feature" and each["kind"] != "amount"]
    assert all(name in said for name in named)
    assert len(run("answer", "study", "--all").splitlines()) >= len(said.splitlines()) - 1


def test_diff_and_status_say_the_very_same(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    said = run("answer", "study")
    names = [checkpoint.name for checkpoint in study.checkpoints]
    assert said.startswith(f"A is {names[0]}, B is {names[1]}.\nB's answers are 7\u00a0% longer")
    assert run("diff", "study").startswith(said)
    assert f"\n\n{said}" in run("status", "study")


@pytest.mark.parametrize("words", ["answer study", "answer study --all", "diff study --features", "status study"])
def test_in_a_terminal_of_80_columns_no_line_is_longer_and_no_word_is_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    finding_study.make(monkeypatch, prompts=60)
    monkeypatch.setattr(terminal, "console", Console(width=80, force_terminal=True, color_system=None))
    monkeypatch.setattr("sys.argv", ["diffing", *words.split()])
    with pytest.raises(SystemExit):
        main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 8
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)


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
