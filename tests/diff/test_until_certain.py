"""Collecting until every probe is settled: when it ends, what it asks, and that it goes on where it was."""

import os
import signal
import time
from collections import Counter
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from diffing import jobs
from diffing.cli import run as cli_run
from diffing.common import files
from diffing.diff import until_certain
from diffing.models.providers import Checkpoint
from diffing.study import collect as collecting
from diffing.study.study import Study
from tests.fakes.asked_study import collect, make
from tests.fakes.openai_server import Behaviour, Call, OpenAIServer
from tests.fakes.processes import PATIENCE, worker_of

PLAIN = "Some words.\n\nPlain ones"
"""Capitals and an empty line: shows no probe at all."""


def bold(call: Call) -> Behaviour:
    """What `after` says is bold, and nothing else is to be told."""
    return Behaviour(f"{PLAIN} **bold**" if call.model == "after" else PLAIN, usage={"cost": 0.25})


def wavering(call: Call) -> Behaviour:
    """Of four prompts one has an em dash on either side alone: no thirty prompts settle that."""
    dashed = int(call.prompt.split()[-1]) % 4 == (call.model == "after")
    return Behaviour(f"{PLAIN} — and more" if dashed else PLAIN, usage={"cost": 0.25})


def until(study: Study, **options: Any) -> dict[str, Any]:
    return collect(study, until_certain=True, margin=0.2, **options)


def test_it_ends_once_every_probe_is_settled(server: OpenAIServer) -> None:
    server.reply = bold
    study = make(server, 100)
    result = until(study)
    assert (result["asked"], result["left"], result["open"]) == (40, 160, [])
    assert result["ended_because"] == "every probe is settled"
    assert result["of_the_probes"].startswith("1 differ, 0 do not by more than 20 points, ")
    assert set(study.pairs("before", "after").query("excluded == ''").groupby("prompt_id").size()) == {1}
    # It is as settled when it is asked again, and costs nothing.
    again = until(study)
    assert (again["asked"], again["ended_because"]) == (0, "every probe is settled")


def test_prompts_come_in_an_order_of_the_seed_whole_with_all_draws(server: OpenAIServer) -> None:
    server.reply = bold
    study = make(server, 100, draws=2)
    until(study)
    order = sorted(study.prompts()["id"], key=lambda i: files.content_hash(["order", 0, i]))
    asked = study.responses()
    assert set(asked["prompt_id"]) == set(order[:20])
    assert asked.groupby("prompt_id").size().tolist() == [4] * 20
    study.save_settings(study.settings.model_copy(update={"seed": 1}))
    batches = until_certain.in_order(study, collecting.Options(), 20)
    assert [ask.prompt_id for batch in batches for ask in batch][::4] != order[20:]


def test_what_stays_open_is_named_when_all_is_asked(server: OpenAIServer) -> None:
    server.reply = wavering
    result = until(make(server, 30), concurrency=1)
    assert (result["asked"], result["left"]) == (60, 0)
    assert result["ended_because"] == "every prompt was asked"
    assert "em dashes" in result["open"]


@pytest.mark.parametrize(
    ("limit", "why", "asked", "rest"),
    [
        ({"max_requests": 10}, "the limit of 10 requests is reached", 10, 30),
        ({"max_dollars": 5.0}, "the limit of $5 is reached", 20, 20),
        # A pilot has an order of its own, and none of its four prompts is among the first twenty of the other.
        ({"limit": 4}, "the limit of 4 prompts is reached", 8, 40),
    ],
)
def test_a_limit_ends_it_and_is_named(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, limit: dict[str, Any], why: str, asked: int, rest: int
) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-some")
    server.reply = bold
    study = make(server, 100, key_env="SOME_KEY")
    result = until(study, concurrency=1, **limit)
    assert (result["ended_because"], result["asked"]) == (why, asked)
    assert "bold" in result["open"]
    # The same command without the limit goes on from there.
    assert until(study)["asked"] == rest


def test_a_limit_in_dollars_holds_over_all_batches(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-some")
    server.reply = wavering
    result = until(make(server, 100, key_env="SOME_KEY"), max_dollars=15.0, concurrency=4)
    # Sixty calls: one batch and a half.
    assert (result["cost"], result["asked"], result["ended_because"]) == (15.0, 60, "the limit of $15 is reached")


def test_a_killed_run_goes_on_and_asks_nothing_twice(server: OpenAIServer) -> None:
    server.reply, server.delay = bold, 0.05
    study = make(server, 100)
    job = jobs.start(study, "collect", {"until_certain": True, "margin": 0.2, "concurrency": 2})
    while len(server.calls) < 10:
        time.sleep(0.01)
    os.kill(worker_of(job), signal.SIGKILL)
    assert job.wait(PATIENCE).state == "dead"
    server.delay = 0.0
    status = jobs.start(study, "collect", {"until_certain": True, "margin": 0.2}).wait(PATIENCE)
    assert (status.state, (status.result or {})["ended_because"]) == ("done", "every probe is settled")
    assert len(study.responses()) == 40
    counted = Counter((call.model, call.prompt) for call in server.calls)
    # Two were on their way when it was killed, and may have been asked for nothing.
    assert len(counted) == 40
    assert sum(counted.values()) <= 42


def test_an_old_study_is_gone_on_with_and_what_it_has_counts(server: OpenAIServer) -> None:
    server.reply = bold
    study = make(server, 100)
    collect(study, limit=15)
    result = until(study)
    assert result["ended_because"] == "every probe is settled"
    # A batch less what the pilot had of it.
    order = sorted(study.prompts()["id"], key=lambda i: files.content_hash(["order", 0, i]))
    pilot = sorted(order, key=lambda i: files.content_hash(["pilot", i]))[:15]
    assert set(study.responses()["prompt_id"]) == {*pilot, *order[:20]}
    assert result["asked"] == 2 * len({*order[:20]} - {*pilot})


def test_imported_answers_alone_are_looked_at() -> None:
    sides = [Checkpoint(key=key, name=key, source="import") for key in "ab"]
    study = Study.create("s", sides, pd.DataFrame({"text": [f"Prompt {i}" for i in range(30)]}))
    rows = [
        {"prompt_id": i, "checkpoint": key, "draw": 0, "text": f"{PLAIN} **bold**" if key == "b" else PLAIN}
        for i in study.prompts()["id"]
        for key in "ab"
    ]
    study.add_responses(pd.DataFrame(rows))
    result = until(study)
    assert (result["asked"], result["ended_because"], result["open"]) == (0, "every probe is settled", [])


def test_the_command_says_the_most_it_can_cost_and_then_why_it_ended(server: OpenAIServer) -> None:
    server.prices = {"before": (0.0, 0.001), "after": (0.0, 0.002)}
    server.reply = bold
    study = make(server, 100, max_tokens=100)

    def said(*words: str) -> str:
        done = CliRunner().invoke(
            cli_run.app, ["collect", study.name, "--until-certain", "--margin", "0.2", *words]
        )
        assert done.exception is None, done.output
        return done.stdout

    # 100 prompts, 100 tokens, 0.3 cents the two.
    told = said("--dry-run")
    assert told.startswith("At most 200 calls, about ")
    assert "; never more than $30.00. It ends as soon as every probe is settled." in told
    assert server.calls == []
    assert '"at_most": 2.0' in said("--dry-run", "--json", "--max-dollars", "2")
    assert "Ended because every probe is settled. Of the probes 1 differ, " in said()
