"""The commands about own probes: what they keep, what they show, and that nothing is paid for unasked."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from diffing.cli.findings import app as findings_app
from diffing.cli.probe import app
from diffing.common.errors import UserError
from diffing.findings import findings
from diffing.probes import own_probes
from diffing.study.study import Study
from tests.fakes import finding_study, judges
from tests.fakes.openai_server import Call, OpenAIServer


def run(*words: str, app: typer.Typer = app) -> Result:
    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def told(*words: str) -> Any:
    return json.loads(run(*words, "--json").stdout)


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    return finding_study.make(monkeypatch, prompts=80)


@pytest.mark.parametrize("command", ["add", "list", "ask", "remove", "export", "import"])
def test_every_command_shows_an_example(command: str) -> None:
    assert f"python -m diffing probe {command}" in " ".join(run(command, "--help").stdout.split())


def test_a_rule_is_tried_kept_listed_exported_and_removed(study: Study, tmp_path: Path) -> None:
    words = ("add", "study", "--name", "cakes", "--words", "cake", "--says", "mentions cake", "--author", "Ada")
    tried = run(*words, "--try").stdout
    assert "Would be kept as 'cakes': says “cake”" in tried and "«cake»" in tried
    assert own_probes.load(study) == []
    kept = told(*words)
    answers = study.responses()
    share = {key: rows["text"].str.contains("cake").mean() for key, rows in answers.groupby("checkpoint")}
    assert (kept["frequency_a"], kept["frequency_b"]) == pytest.approx((share["a"], share["b"]))
    run("add", "study", "--name", "teas", "--phrase", "tea")
    listed = told("list", "study")
    assert [(row["probe"], row["says"]) for row in listed] == [("cakes", "mentions cake"), ("teas", "says “tea”")]
    assert "q of rules over rules" in run("list", "study").stdout
    file = str(tmp_path / "mine.json")
    assert "Wrote 2 probes" in run("export", "study", file).stdout
    run("remove", "study", "Cakes")
    assert "Took in 1 probe: cakes." in run("import", "study", file).stdout
    assert [probe.name for probe in own_probes.load(study)] == ["teas", "cakes"]


def test_without_a_study_the_built_in_probes_are_listed() -> None:
    assert {"bold", "double spaces", "words"} < {row["probe"] for row in told("list")}


def test_a_finding_counts_what_an_own_probe_does(study: Study) -> None:
    run("add", "study", "--name", "cakes", "--words", "cake", "--says", "is kind")
    run("findings", "study", "--count", "own:Cakes", "--author", "Ada", app=findings_app)
    (finding,) = findings.load(study)
    # The claim is what is counted, whatever the probe is said to be about.
    assert (finding.claim, finding.counts_what_it_says) == ("says “cake”", True)
    with pytest.raises(UserError, match="no own probe 'pies'"):
        run("findings", "study", "--count", "own:pies", app=findings_app)


def test_a_question_costs_nothing_until_yes_is_said(study: Study, server: OpenAIServer) -> None:
    def reply(call: Call) -> str:
        yes = "cake" in judges.blocks(call)["answer"]
        return json.dumps({"yes": yes, "sentence": "cake" if yes else ""})

    server.models, server.prices, server.reply = ["judge"], {"judge": (1e-6, 2e-6)}, reply
    words = ("add", "study", "--name", "eats", "--question", "Is there cake?", "--judge", f"{server.url}#judge")
    said = " ".join(run(*words).stdout.split())
    assert "160 answers would be sent to judge at 127.0.0.1" in said and "Nothing was asked; --yes asks." in said
    assert (len(server.calls), told("ask", "study", "eats")["calls"]) == (0, 160)
    done = " ".join(run("ask", "study", "eats", "--yes").stdout.split())
    assert "done: 160 calls" in done and "Shares are uncorrected" in done
    assert len(server.calls) == 160
    (row,) = told("list", "study")
    answers = study.responses()
    share = {key: rows["text"].str.contains("cake").mean() for key, rows in answers.groupby("checkpoint")}
    assert (row["frequency_a"], row["frequency_b"]) == pytest.approx((share["a"], share["b"]))


@pytest.mark.attack("R3")
def test_a_judge_that_came_with_a_study_gets_no_key(
    study: Study, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-some")
    question = {"text": "Is there cake?", "judge": f"{server.url}#judge"}
    own_probes.add(study, own_probes.made("eats", question=question))
    with pytest.raises(UserError, match="SOME_KEY"):
        run("ask", "study", "eats", "--key-env", "SOME_KEY", "--yes")
    assert server.calls == []


def test_a_slip_keeps_nothing(study: Study) -> None:
    slips = [
        ([], "needs a rule or a question"),
        (["--words", "a", "--regex", "b"], "One probe looks for one thing"),
        (["--question", "Is it so?"], "No judge is named"),
        (["--question", "Is it so?", "--judge", "x:y", "--try"], "tried by asking it"),
        (["--regex", "("], "cannot be read"),
    ]
    for words, fault in slips:
        with pytest.raises(UserError, match=fault):
            run("add", "study", "--name", "x", *words)
    assert own_probes.load(study) == []
