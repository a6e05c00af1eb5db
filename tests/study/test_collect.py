"""Collecting answers: each asked and paid once, inside its limits, after any interruption."""

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from diffing import jobs
from diffing.jobs.job import JobStatus
from diffing.models import allowed, providers, replies
from diffing.models.providers import Checkpoint
from diffing.study import collect, responses
from diffing.study.settings import Sampling
from diffing.study.study import Study
from tests.fakes.openai_server import Behaviour, Call, OpenAIServer, failure
from tests.fakes.processes import PATIENCE, command_lines, worker_of

ANSWER = [name for name in responses.COLUMNS if name not in ("latency", "created")]


def make(server: OpenAIServer, prompts: int, name: str = "s", key_env: str = "", **sampling: Any) -> Study:
    """A study of the server's two models, whose key may go to it."""
    if key_env:
        allowed.allow(server.url, key_env)
    models = {"a": "before", "b": "after"}
    sides = [providers.parse(f"{server.url}#{model}", key, key_env) for key, model in models.items()]
    texts = pd.DataFrame({"text": [f"Prompt {i}" for i in range(prompts)]})
    return Study.create(name, sides, texts, sampling=Sampling(**sampling))


def run(study: Study, **options: Any) -> JobStatus:
    return jobs.run_here(study, "collect", options)


def asked(study: Study, status: JobStatus) -> dict[str, Any]:
    """A run's outcome with the number of rows in the study."""
    return {"state": status.state, "rows": len(study.responses()), **(status.result or {})}


def test_all_checkpoints_answer_all_prompts(server: OpenAIServer) -> None:
    study = make(server, 3, draws=2, system="Be brief.", temperature=None, max_tokens=50)
    server.reply = lambda call: Behaviour(call.model, model=f"{call.model}-001", usage={"cost": 0.5})
    assert asked(study, run(study)) == dict(
        state="done", rows=12, asked=12, answered=12, failed=0, left=0, cost=6.0, stopped_by=""
    )
    assert server.calls[0].messages[0] == {"role": "system", "content": "Be brief."}
    assert {k: v for k, v in server.calls[0].body.items() if k not in ("messages", "model")} == {"max_tokens": 50}
    rows = study.responses()
    assert rows.groupby(["checkpoint", "model_served", "text"]).size().to_dict() == {
        ("a", "before-001", "before"): 6,
        ("b", "after-001", "after"): 6,
    }
    assert list(study.pairs("a", "b")["excluded"]) == [""] * 6


def test_reasoning_and_calls_are_stored_beside_the_text_and_billed(server: OpenAIServer) -> None:
    study = make(server, 1, reasoning_tag="think")
    call = {"id": "c", "function": {"name": "find", "arguments": "{}"}}
    beside = {"content": "Oak.", "reasoning_content": "Hm.", "tool_calls": [call]}
    usage: dict[str, Any] = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 15}
    usage |= {"completion_tokens_details": {"reasoning_tokens": 10}}
    first = Behaviour(body={"choices": [{"message": beside, "finish_reason": "stop"}], "usage": usage})
    server.prices = {"before": (1.0, 1.0)}
    server.reply = lambda call: first if call.model == "before" else "<think>\nSo.\n</think>\n\nElm."
    assert run(study).state == "done"
    rows = study.responses().set_index("checkpoint")[["text", "reasoning", "tools", "tokens_out", "cost"]]
    assert rows.loc["a"].tolist() == ["Oak.", "Hm.", '[{"name": "find", "arguments": {}}]', 13, 15.0]
    assert rows.loc["b"].tolist()[:3] == ["Elm.", "So.", ""]
    assert study.through("reasoning").responses()["text"].tolist() == ["Hm.", "So."]


def test_replies_stored_before_there_were_channels_are_used(server: OpenAIServer) -> None:
    study = make(server, 1)
    for ask in collect.plan(study, collect.Options()):
        replies.cache().set(ask.request.key, {"text": "Old.", "finish_reason": "stop", "tokens_out": 2})
    assert run(study).state == "done"
    assert not server.calls and study.responses()["text"].tolist() == ["Old.", "Old."]
    assert study.responses()["reasoning"].tolist() == ["", ""]


def test_one_failing_prompt_in_200_costs_only_itself(server: OpenAIServer) -> None:
    study = make(server, 200)
    server.reply = lambda call: failure(400, "no") if call.prompt == "Prompt 7" else call.model
    result = asked(study, run(study))
    assert (result["answered"], result["failed"], result["rows"]) == (398, 2, 400)
    excluded = study.pairs("a", "b")["excluded"]
    assert Counter(excluded) == {"": 199, "A failed; B failed": 1}
    assert responses.counts(study.responses(), "a", 200)["failed"] == 1
    server.reply = lambda call: call.model
    result = asked(study, run(study))
    assert (result["asked"], result["answered"], result["rows"]) == (2, 2, 400)
    assert [call.prompt for call in server.calls[400:]] == ["Prompt 7", "Prompt 7"]
    assert set(study.pairs("a", "b")["excluded"]) == {""}


def test_killed_at_random_moments_nothing_stored_is_asked_again(
    server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply = lambda call: Behaviour(f"{call.model}: {call.prompt}", usage={"cost": 0.125})
    # Far more work than five runs get done before they are killed; `bench/kill.py` kills more often.
    server.delay = 0.1
    draws = 2
    study = make(server, 40, draws=draws)
    plan = collect.plan(study, collect.Options())
    rng, stored, begun = random.Random(20), dict[str, Any](), 0

    def left() -> Counter[tuple[str, str]]:
        """Answers that are not stored yet, as the server would count them."""
        missing = [ask.request for ask in plan if ask.request.key not in stored]
        return Counter((request.model, request.messages[-1]["content"]) for request in missing)

    for kill in range(5):
        missing, begun = left(), len(server.calls)
        job = jobs.start(study, "collect", {"concurrency": 4})
        worker = worker_of(job)
        if kill == 0:
            time.sleep(rng.uniform(0, 1.0))
        else:
            while len(server.calls) == begun:
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.15))
        os.kill(worker, signal.SIGKILL)
        assert job.wait(PATIENCE).state == "dead"
        assert Counter((c.model, c.prompt) for c in server.calls[begun:]) <= missing
        now = {key: replies.cache().get(key) for key in replies.cache()}
        assert all(now[key] == reply for key, reply in stored.items())
        stored = now
    missing, begun = left(), len(server.calls)
    assert missing
    server.delay = 0.0
    assert jobs.start(study, "collect", {"concurrency": 4}).wait(PATIENCE).state == "done"
    assert Counter((c.model, c.prompt) for c in server.calls[begun:]) == missing

    monkeypatch.setenv("DIFFING_HOME", str(tmp_path / "undisturbed"))
    undisturbed = make(server, 40, draws=draws)
    run(undisturbed)
    pd.testing.assert_frame_equal(study.responses()[ANSWER], undisturbed.responses()[ANSWER])
    assert len(study.responses()) == 160


def test_a_cancelled_run_keeps_the_replies_on_their_way(server: OpenAIServer) -> None:
    study, begun = make(server, 40), threading.Event()

    def slow(call: Call) -> Behaviour:
        begun.set()
        return Behaviour(f"{call.model}: {call.prompt}", delay=0.5)

    server.reply = slow
    job = jobs.start(study, "collect", {"concurrency": 4})
    assert begun.wait(PATIENCE)
    job.cancel()
    assert job.wait(PATIENCE).state == "cancelled"
    assert 0 < len(server.calls) == len(study.responses()) < 80
    server.reply = lambda call: f"{call.model}: {call.prompt}"
    assert run(study).state == "done"
    assert len(server.calls) == len(study.responses()) == 80


def test_no_key_is_in_any_file_log_or_process_list(
    server: OpenAIServer, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = f"sk-{random.Random(3).getrandbits(128):032x}"
    study = make(server, 12, key_env="SOME_KEY")
    server.key, server.delay = key, 0.1
    seen = set[str]()

    def echo(call: Call) -> Behaviour:
        seen.update(command_lines().values())
        return failure(400, f"You sent {call.key}") if call.prompt == "Prompt 1" else Behaviour("fine")

    server.reply = echo
    monkeypatch.setenv("SOME_KEY", key)
    right = jobs.start(study, "collect", {"concurrency": 2}).wait(PATIENCE)
    wrong = key.replace("sk-", "sk-wrong-")
    monkeypatch.setenv("SOME_KEY", wrong)
    refused = jobs.start(study, "collect").wait(PATIENCE)
    assert (right.state, (right.result or {})["failed"], refused.state) == ("done", 2, "failed")
    assert "refuses the key in SOME_KEY" in refused.error
    assert {call.key for call in server.calls} == {key}
    assert any("diffing.jobs.worker" in line for line in seen)
    rows = study.responses()
    cached = [replies.cache().get(name) for name in replies.cache()]
    written = [path.read_bytes() for path in own_home.rglob("*") if path.is_file()]
    everything = [*seen, rows.to_json(), json.dumps(cached), *(data.decode("latin-1") for data in written)]
    assert any("[key]" in text for text in everything)
    assert not [text for text in everything if key in text or wrong in text]


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a key's variable: who has a key to pay with may be billed."""
    monkeypatch.setenv("SOME_KEY", "sk-some")
    return "SOME_KEY"


def test_a_run_stops_at_its_dollars(server: OpenAIServer, key: str) -> None:
    study = make(server, 40, key_env=key)
    server.reply = lambda _: Behaviour("fine", usage={"cost": 0.25})
    assert asked(study, run(study, max_dollars=5, concurrency=8)) == dict(
        state="done", rows=20, asked=20, answered=20, failed=0, left=60, cost=5.0, stopped_by="the limit of $5"
    )


def test_money_is_set_aside_for_the_longest_answer_and_given_back(server: OpenAIServer, key: str) -> None:
    server.prices = {"before": (0.0, 0.001), "after": (0.0, 0.001)}
    study = make(server, 40, key_env=key, max_tokens=125)
    under_way, most = set[int](), list[int]()

    def cheap(call: Call) -> Behaviour:
        under_way.add(call.number)
        most.append(len(under_way))
        time.sleep(0.01)
        under_way.discard(call.number)
        return Behaviour("fine", usage={"cost": 0.0078125})

    server.reply = cheap
    result = asked(study, run(study, max_dollars=1))
    assert (result["answered"], result["cost"], result["stopped_by"]) == (80, 0.625, "")
    # Eight times 125 tokens are a dollar.
    assert 1 < max(most) <= 8


def test_a_limit_in_dollars_needs_a_price(server: OpenAIServer, key: str) -> None:
    study = make(server, 5, key_env=key)
    status = run(study, max_dollars=1, concurrency=1)
    assert (status.state, len(server.calls)) == ("failed", 1)
    assert status.error.startswith("The limit in dollars cannot be kept, because neither the provider nor")
    assert run(study).state == "done"
    assert len(server.calls) == 10


def test_a_run_stops_at_its_requests(server: OpenAIServer) -> None:
    study = make(server, 10)
    result = asked(study, run(study, max_requests=7))
    assert (result["rows"], result["left"], result["stopped_by"]) == (7, 13, "the limit of 7 requests")
    assert (asked(study, run(study))["asked"], len(server.calls)) == (13, 20)


def test_a_pilot_projects_the_rest(server: OpenAIServer) -> None:
    study = make(server, 50)
    server.reply = lambda _: Behaviour("fine", usage={"cost": 0.25})
    assert collect.estimate(study, collect.Options()) == (100, 0.0, None, False)
    assert asked(study, run(study, limit=20))["rows"] == 40
    rest = collect.estimate(study, collect.Options(concurrency=2))
    latency = study.responses().groupby("checkpoint")["latency"].mean().sum()
    assert rest._asdict() == {"calls": 60, "cost": 15.0, "seconds": pytest.approx(15 * latency), "measured": True}
    assert asked(study, run(study))["asked"] == 60


def test_a_model_that_is_gone_is_named_before_anything_is_spent(server: OpenAIServer) -> None:
    study = make(server, 5)
    server.models = ("before", "afterwards")
    status = run(study)
    assert (status.state, server.calls, len(study.responses())) == ("failed", [], 0)
    assert "does not serve 'after' (any more); use another id (afterwards" in status.error


def test_a_run_without_credit_keeps_what_was_answered(server: OpenAIServer, key: str) -> None:
    study = make(server, 30, key_env=key)
    server.reply = lambda call: failure(402, "Empty") if call.number > 20 else Behaviour("fine", delay=0.05)
    status = run(study, concurrency=8)
    assert status.state == "failed"
    assert "wants payment first (Error code: 402 - Empty); add credit and run it again" in status.error
    assert sorted(study.responses()["flag"]) == [""] * 20
    server.reply = lambda _: "fine"
    assert asked(study, run(study))["asked"] == 40


def test_outcomes_are_flagged_and_asked_again_on_request_only(server: OpenAIServer) -> None:
    study = make(server, 5)
    kinds = {
        ("before", "Prompt 0"): failure(400, "no", "content_filter"),
        ("before", "Prompt 1"): Behaviour("", finish_reason="length"),
        ("before", "Prompt 2"): Behaviour("cut of", finish_reason="length"),
        ("before", "Prompt 3"): Behaviour("I can't help with that."),
    }
    server.reply = lambda call: kinds.get((call.model, call.prompt), "fine")
    run(study)
    pairs = study.pairs("a", "b").set_index("prompt_id")
    ids = study.prompts().set_index("text")["id"]
    assert [pairs.loc[ids[f"Prompt {i}"], ["flag_a", "excluded"]].tolist() for i in range(5)] == [
        ["blocked", "A blocked"],
        ["empty", "A empty"],
        ["truncated", ""],
        ["refusal", ""],
        ["", ""],
    ]
    assert asked(study, run(study))["asked"] == 0
    server.reply = lambda _: "fine now"
    assert asked(study, run(study, retry=["blocked", "truncated"]))["asked"] == 2
    rows = study.responses()
    assert Counter(rows["flag"]) == {"": 8, "empty": 1, "refusal": 1}
    assert Counter(rows["text"])["fine now"] == 2


def test_checkpoints_that_differ_in_extra_body_alone_are_asked_apart(server: OpenAIServer) -> None:
    one = Checkpoint(
        key="low", name="one", source="custom:before", base_url=server.url, extra_body={"effort": "low"}
    )
    sides = [one, one.model_copy(update={"key": "high", "extra_body": {"effort": "high"}})]
    study = Study.create("s", sides, pd.DataFrame({"text": ["Think."]}))
    server.reply = lambda call: str(call.body["effort"])
    run(study)
    assert study.responses().set_index("checkpoint")["text"].to_dict() == {"low": "low", "high": "high"}


def test_a_checkpoint_against_itself_gets_answers_of_its_own(server: OpenAIServer) -> None:
    sides = [providers.parse(f"{server.url}#before", key) for key in ("a", "b")]
    study = Study.create("s", sides, pd.DataFrame({"text": ["One", "Two"]}), sampling=Sampling(draws=2))
    server.reply = lambda call: f"answer {call.number}"
    run(study, concurrency=1)
    assert len(server.calls) == 8
    assert study.responses()["text"].nunique() == 8


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"limit": 0}, "collect cannot run: limit: must be more than 0, and is 0; change it."),
        ({"retry": ["all"]}, "collect cannot run: retry.0: must be"),
        ({"speed": 3}, "collect cannot run: speed: there is no such setting; change it."),
    ],
)
def test_a_wrong_option_is_named(server: OpenAIServer, options: dict[str, Any], sentence: str) -> None:
    status = run(make(server, 1), **options)
    assert (status.state, server.calls) == ("failed", [])
    assert status.error.startswith(sentence)
