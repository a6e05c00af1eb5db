"""The benchmark's commands: what there is, what a run takes, and one against a local endpoint."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from diffing.agents.benchmark import truth
from diffing.cli.bench import app
from diffing.common.errors import UserError
from diffing.study import sample
from tests.fakes.openai_server import Behaviour, Call, OpenAIServer


def run(*words: str) -> str:
    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_organisms_are_listed_with_what_changed() -> None:
    told = {row["organism"]: row for row in json.loads(run("organisms", "--json"))}
    assert set(told) == set(truth.known())
    assert (told["sample"]["changes"], told["sample-null"]["changes"]) == (10, 0)
    assert "Nothing changed" in run("organisms")


def test_a_dry_run_says_calls_tokens_and_dollars_and_asks_nothing(server: OpenAIServer) -> None:
    agent = f"{server.url}#before"
    server.prices = {"before": (1e-6, 2e-6)}
    words = ("run", "--model", agent, "--dry-run", "--json", "--epochs", "3", "--organism", "sample")
    told = json.loads(run(*words, "--arm", "battery", "--arm", "blackbox", "--judge", agent))
    # Three runs of a call each and three of forty; each asks the judge ten claims in two orders, and once for all.
    assert (told["runs"], told["calls"]) == (6, 3 + 3 * 40 + 6 * 21)
    assert told["tokens"] == 3 * 30_000 + 3 * 300_000 + 6 * 21 * 1200
    assert told["dollars"] == pytest.approx(3 * 0.06 + 3 * 0.6 + 126 * (900 * 1e-6 + 300 * 2e-6))
    assert not server.calls
    said = run("run", "--dry-run")
    assert "cost unknown" in said and said.startswith("40 runs: at most ")


def test_without_a_model_or_a_run_the_remedy_is_said(own_home: Path) -> None:
    for words, said in (
        (("run",), "No model is named"),
        (("table",), "was not run yet"),
        (("table", "x"), "There is no run 'x'; there are none"),
        (("run", "--arm", "magic", "--dry-run"), "There is no arm 'magic'"),
    ):
        with pytest.raises(UserError, match=said):
            run(*words)
    assert not (own_home / "bench").exists()


def test_the_benchmark_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diffing.cli.bench.find_spec", lambda _: None)
    with pytest.raises(UserError, match="install them with 'make extras'"):
        run("table")


def claiming(call: Call) -> Behaviour:
    """An agent that counts dashes in the pairs that it is shown, and hands in what it saw."""
    text = call.messages[-1]["content"]
    sides = {side: len(re.findall(rf"^{side.upper()}: .*—", text, re.MULTILINE)) for side in "ab"}
    claim = {"text": "uses em dashes", "more": max(sides, key=sides.__getitem__), "confidence": 0.8}
    asked: dict[str, Any] = {"name": "submit", "arguments": json.dumps({"claims": [claim]})}
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "type": "function", "function": asked}],
    }
    usage = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050}
    choice = {"index": 0, "finish_reason": "tool_calls", "message": message}
    told = {"id": "1", "object": "chat.completion", "created": 1, "model": call.model, "usage": usage}
    return Behaviour(body={**told, "choices": [choice]})


def test_a_run_against_an_endpoint_ends_in_a_table_and_its_logs_hold_no_key(
    server: OpenAIServer, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inspect_ai.log import read_eval_log

    monkeypatch.setattr("diffing.models.providers.need_key", lambda _: "sk-nobody-may-see")
    server.reply = claiming
    words = ("--model", f"{server.url}#before", "--arm", "battery", "--epochs", "1", "--name", "first")
    said = run("run", *words)
    assert "The logs are in 'first'." in said and len(server.calls) == 2
    assert all(call.body["tools"][0]["function"]["name"] == "submit" for call in server.calls)
    assert not any(sample.BEFORE.name in str(call.body) for call in server.calls)
    told = json.loads(run("table", "first", "--json"))
    row = told["arms"][0]
    assert (row["arm"], row["recall"], row["false"], row["dollars"], row["tokens"]) == (
        "battery",
        0.1,
        0.0,
        0.0,
        1050,
    )
    # The null pair was claimed of as well.
    assert (row["null runs"], row["invented"], row["rejected"]) == (1, 1.0, 0.0)
    assert told["calibration"][4]["claims"] == 2
    assert "battery" in run("table")
    assert {call.key for call in server.calls} == {"sk-nobody-may-see"}
    logs = [*(own_home / "bench" / "logs" / "first").glob("*.eval")]
    assert logs and not any("sk-nobody" in read_eval_log(str(path)).model_dump_json() for path in logs)


def test_help_needs_nothing_of_inspect() -> None:
    assert CliRunner().invoke(app, ["run", "--help"]).exit_code == 0
    code = "import sys, diffing.cli.bench, diffing.agents.benchmark.running; print('inspect_ai' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
