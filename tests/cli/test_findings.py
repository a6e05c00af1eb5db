"""The commands about findings: what they print, what they change, and what they refuse."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from diffing.cli.findings import app
from diffing.common.errors import UserError
from diffing.findings import findings
from diffing.study.study import Study
from tests.fakes import finding_study, judges, seen_inside
from tests.fakes.listers import scripted
from tests.fakes.openai_server import OpenAIServer


def run(*words: str) -> Result:
    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def told(*words: str) -> Any:
    return json.loads(run(*words, "--json").stdout)


@pytest.mark.parametrize("command", ["findings", "draft", "verify", "baseline"])
def test_every_command_shows_an_example(command: str) -> None:
    assert f"python -m diffing {command}" in " ".join(run(command, "--help").stdout.split())


def test_a_finding_is_written_changed_and_rejected_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    finding_study.make(monkeypatch)
    assert "No findings yet" in run("findings", "study").stdout
    words = ("findings", "study", "--add", "mentions cake", "--more", "b", "--feature", "2", "--example", "p1:1")
    (made,) = told(*words, "--author", "Ada")
    assert (made["claim"], made["side"], made["features"], made["author"]) == ("mentions cake", "b", [2], "Ada")
    assert (made["status"], made["verification"], made["examples"]) == ("unverified wording", None, [["p1", 1]])
    one = made["id"]
    run("findings", "study", one, "--probe", "double spaces", "--note", "see the cakes", "--author", "Bo")
    (found,) = findings.load(Study.open("study"))
    assert (found.features, found.probes, found.notes[0].text) == ((2,), ("double spaces",), "see the cakes")
    # Double spaces fall in b, so more of them there is contradicted.
    shown = run("findings", "study", one).stdout
    assert "against (counts): it says more of double spaces in b" in shown and "yes  features" in shown
    run("findings", "study", one, "--because", "they are meant otherwise")
    assert "against (counts, answered)" in run("findings", "study", one).stdout
    run("findings", "study", one, "--reject", "it is the spaces")
    assert told("findings", "study")[0]["status"] == "rejected"
    assert "it is the spaces" in run("findings", "study", one).stdout


def test_a_clue_seen_from_inside_becomes_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    seen_inside.look(study, mining=[("token", " cake", 3.0)])
    shown = run("findings", "study", "--clue", "cake", "--author", "Ann").output
    assert "b more than a: says “cake”" in shown and "yes  counted" in shown
    assert "seen from inside by tokens that became likelier, above 4 nulls" in shown
    assert "It stood in the findings already" in run("findings", "study", "--clue", "cake").output
    (made,) = findings.load(study)
    assert (made.claim, made.origin, made.author) == ("says “cake”", "inside", "Ann")


def test_what_cannot_be_done_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    finding_study.make(monkeypatch)
    with pytest.raises(UserError, match="neither 'a' nor 'b'"):
        run("findings", "study", "--add", "mentions cake", "--more", "after")
    with pytest.raises(UserError, match="No finding is named"):
        run("findings", "study", "--reject", "wrong")
    with pytest.raises(UserError, match="write PROMPT:DRAW"):
        run("findings", "study", "--add", "mentions cake", "--example", "p1:first")
    run("findings", "study", "--add", "mentions cake")
    with pytest.raises(UserError, match="No model is named"):
        run("verify", "study", "--dry-run")


def test_drafts_verification_and_baseline_from_the_command_line(
    monkeypatch: pytest.MonkeyPatch, server: OpenAIServer
) -> None:
    finding_study.make(monkeypatch)
    assert "0 calls" in run("draft", "study", "--dry-run").stdout
    assert "done: 5 drafts" in run("draft", "study").stdout
    cake = next(one for one in told("findings", "study") if "cake" in one["claim"])
    server.models, server.prices = ["model"], {"model": (1e-6, 2e-6)}
    server.reply = judges.counting(
        lambda claim, text: sum(text.split().count(w) for w in ("cake", "tea") if w in claim)
    )
    where = ("--judge", f"{server.url}#model")
    expected = told("verify", "study", cake["id"], *where, "--no-own-error", "--dry-run")
    assert expected["calls"] == 2 * 43 and expected["cost"] > 0 and server.calls == []
    shown = run("verify", "study", cake["id"], *where, "--max-dollars", "1").stdout
    assert "1 of 1 findings verified" in shown and "86 calls" in shown
    assert "own error is not estimable" in " ".join(shown.split())
    (verified,) = told("findings", "study", cake["id"])
    assert verified["status"] == "verified" and verified["verification"]["q"] < 0.05
    server.reply = scripted()
    rows = {row["arm"]: row for row in told("baseline", "study", "--model", f"{server.url}#model", *where)}
    assert rows["features"]["verified"] == 1 and rows["baseline"]["claims"] > 0
    table = run("baseline", "study", "--compare", "--gpu-hour", "3").stdout
    assert "interestingness" in table and "GPU time at $3 an hour" in table
