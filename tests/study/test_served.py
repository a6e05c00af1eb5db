"""Collecting from weights through servers of their own: sampled as told, ended with the run, nothing lost."""

import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from diffing import jobs
from diffing.common.errors import UserError
from diffing.jobs.job import JobStatus
from diffing.models import local, providers
from diffing.models.serving import engine, plan
from diffing.models.serving.plan import Choices
from diffing.study import served
from diffing.study.settings import Sampling
from diffing.study.study import Study
from tests.fakes.processes import PATIENCE, until, worker_of
from tests.fakes.vllm_server import StandIn, stand_in

STYLE = local.ORGANISMS / "style"


@pytest.fixture
def vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """The stand-in where vLLM is looked for, on a machine without GPUs."""
    return at(tmp_path, monkeypatch)


def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: int = 0) -> StandIn:
    made = stand_in(tmp_path / "vllm", gpus)
    monkeypatch.setenv("PATH", f"{made.folder}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return made


def make(prompts: int = 3, sources: tuple[str, ...] = ("starter", "starter+style"), **sampling: Any) -> Study:
    sides = [providers.parse(source, "abcd"[number]) for number, source in enumerate(sources)]
    texts = pd.DataFrame({"text": [f"Prompt {i}" for i in range(prompts)]})
    return Study.create("s", sides, texts, sampling=Sampling(**sampling))


def run(study: Study, **options: Any) -> JobStatus:
    return jobs.run_here(study, "collect", {"serve": True} | options)


def ended(vllm: StandIn) -> None:
    """Every server and what it started have ended, or will in a moment: a kill takes one."""
    until(lambda: not vllm.alive(), "its servers have ended")


def log_of(study: Study) -> str:
    return "".join(path.read_text() for path in study.folder.glob("jobs/*/log.txt"))


def test_base_and_adapter_share_a_server_that_samples_what_the_settings_say(
    vllm: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    study = make(draws=2, temperature=0.7, max_tokens=40, system="Be brief.", extra_body={"top_p": 0.9})
    status = run(study, batch_invariant=True)
    assert status.result == dict(asked=12, answered=12, failed=0, left=0, cost=0.0, stopped_by="")
    [start] = vllm.starts
    port, template = start["argv"][5], start["argv"][13]
    module = json.dumps({"name": "starter+style", "path": str(STYLE)})
    line = f"serve {local.READER} --host 127.0.0.1 --port {port} --served-model-name starter --max-model-len 64"
    line += f" --generation-config vllm --chat-template {template} --chat-template-content-format string"
    line += " --disable-uvicorn-access-log --gpu-memory-utilization 0.9 --dtype float32"
    line += " --enable-lora --max-lora-rank 8 --max-loras 1 --lora-modules"
    assert start["argv"] == [*line.split(), module]
    assert start["template"] == (local.READER / "chat_template.jinja").read_text()
    # The run's own key and nobody else's, and nothing of a GPU where there is none.
    assert (start["VLLM_BATCH_INVARIANT"], start["OPENAI_API_KEY"], start["CUDA_VISIBLE_DEVICES"]) == (
        "1",
        None,
        None,
    )
    assert {call["key"] for call in vllm.calls} == {start["key"]} and len(start["key"]) > 40

    bodies = [call["body"] for call in vllm.calls]
    assert [body["model"] for body in bodies] == ["starter"] * 6 + ["starter+style"] * 6
    seeds = [body.pop("seed") for body in bodies]
    assert len(set(seeds)) == 12
    turns = bodies[0].pop("messages")
    assert [turn["role"] for turn in turns] == ["system", "user"] and turns[0]["content"] == "Be brief."
    sampled = {"temperature": 0.7, "top_p": 0.9, "max_tokens": 40, "stop_token_ids": [1]}
    assert bodies[0] == {"model": "starter", "add_special_tokens": False} | sampled

    rows = study.responses()
    assert Counter(rows["model_served"].str.replace(r"@\w+", "", regex=True)) == {
        "starter by vLLM 0.33.0, batch-invariant": 6,
        "starter+style by vLLM 0.33.0, batch-invariant": 6,
    }
    assert not rows.duplicated(["prompt_id", "checkpoint", "draw"]).any()
    ended(vllm)
    log = log_of(study)
    assert "vLLM serves starter with style: one server, on the CPU of this machine." in log
    everything = [path for path in study.folder.parents[1].rglob("*") if path.is_file()]
    assert [path for path in everything if start["key"].encode() in path.read_bytes()] == []
    # What is stored starts no server, and is the same again under another study's name.
    assert run(study).state == "done" and len(vllm.starts) == 1


def test_each_gpu_gets_a_server_and_all_take_of_the_same_prompts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vllm = at(tmp_path, monkeypatch, gpus=3)
    monkeypatch.setenv("STAND_IN_SLOW", "0.05")
    study = make(30, sources=("starter", "starter"))
    status = run(study, gpus="0,2", concurrency=4, memory_share=0.5)
    assert status.result is not None and status.result["answered"] == 60
    assert sorted(start["CUDA_VISIBLE_DEVICES"] for start in vllm.starts) == ["0", "2"]
    assert len({start["argv"][5] for start in vllm.starts}) == 2
    share = Counter(call["pid"] for call in vllm.calls)
    assert sum(share.values()) == 60 and min(share.values()) > 10
    assert "2 servers, 50 % of the memory of GPU 0 (Stand-in, 80 GB); GPU 2 (Stand-in, 80 GB)." in log_of(study)
    ended(vllm)


def test_no_server_outlives_a_run_that_is_killed_and_the_next_goes_on(
    vllm: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_SLOW", "0.1")
    study = make(20)
    job = jobs.start(study, "collect", {"serve": True, "concurrency": 2})
    until(lambda: len(vllm.calls) > 6, "some are asked")
    os.kill(worker_of(job), signal.SIGKILL)
    assert job.wait(PATIENCE).state == "dead"
    ended(vllm)
    before = len(vllm.calls)
    monkeypatch.setenv("STAND_IN_SLOW", "0")
    status = run(study)
    assert status.state == "done" and len(study.responses()) == 40
    # At most the two on their way, and one that was stored and not yet counted, were lost.
    assert 40 <= len(vllm.calls) <= 42 and before < 40
    ended(vllm)


def test_a_run_that_is_cancelled_while_it_loads_ends_its_server(
    vllm: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "hangs")
    job = jobs.start(make(), "collect", {"serve": True})
    until(lambda: len(vllm.alive()) == 2, "it loads")
    until(lambda: "vLLM loads starter with style" in job.status().note, "that it loads is shown")
    job.cancel()
    assert job.wait(PATIENCE).state == "cancelled"
    ended(vllm)


def test_a_server_that_dies_as_it_loads_is_told_in_its_last_words(
    vllm: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "dies")
    study = make()
    status = run(study)
    told = "vLLM ended while it loaded starter with style: the key is [key] ValueError / "
    assert status.state == "failed"
    assert status.error.startswith(told + "ValueError: max len needs more memory (its log: "), status.error
    assert vllm.starts[0]["key"] not in log_of(study)
    ended(vllm)


def test_a_server_that_hangs_is_given_up(vllm: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN", "hangs")
    status = run(make(), wait=1.0)
    told = (
        "vLLM did not come up with starter with style within 1 s (Resolved architecture: LlamaForCausalLM; its log"
    )
    assert status.error.startswith(told), status.error
    ended(vllm)


def test_a_port_that_is_taken_meanwhile_is_no_failure(vllm: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN", "taken")
    assert run(make()).state == "done"
    assert len({start["argv"][5] for start in vllm.starts}) == 2


def test_a_server_that_dies_midway_costs_what_was_on_its_way(
    vllm: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "midway:10")
    study = make(20)
    status = run(study, concurrency=2)
    assert status.state == "failed"
    ended(vllm)
    assert status.error.startswith(
        "vLLM, which served starter with style, has ended: torch.OutOfMemoryError: CUDA out of memory. (its log: "
    ), status.error
    rows = study.responses()
    assert len(rows) >= 8 and set(rows["flag"]) == {""}
    assert run(study).state == "done"
    assert len(study.responses()) == 40 and len(vllm.calls) <= 42


def test_without_vllm_one_sentence_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(engine.VARIABLE, raising=False)
    study = make(1, max_tokens=4)
    with pytest.raises(UserError, match=r"^vLLM is not here; install it .*'uv venv .* vllm'.* leave out --serve"):
        served.planned(study, Choices())
    monkeypatch.setenv(engine.VARIABLE, str(tmp_path / "no-such"))
    with pytest.raises(UserError, match="DIFFING_VLLM is .*, which is no program"):
        served.planned(study, Choices())
    # Answers from this process go on as before.
    assert jobs.run_here(study, "collect").state == "done"


def test_what_vllm_cannot_take_answers_here_and_models_without_a_gpu_each_take_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(tmp_path, monkeypatch, gpus=1)
    told = json.loads((STYLE / "adapter_config.json").read_text())
    for name, change in {"dora": {"use_dora": True}, "ia3": {"peft_type": "IA3"}, "whole": {"r": 1024}}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "adapter_config.json").write_text(json.dumps(told | change))
    other = tmp_path / "other"
    other.mkdir()
    sources = ["starter", f"hf:{other}", "amplify:a,b,2"]
    sources += [f"starter+{tmp_path / name}" for name in ("dora", "ia3", "whole")]
    found = plan.of([providers.parse(source, f"c{n}") for n, source in enumerate(sources)], Choices())
    assert ([group.names for group in found.groups], found.in_turn) == (
        [{"c0": "starter"}, {"c1": "hf:other"}],
        True,
    )
    assert found.sentences() == [
        "vLLM serves starter: one server, 90 % of the memory of GPU 0 (Stand-in, 80 GB).",
        "vLLM serves hf:other: one server, 90 % of the memory of GPU 0 (Stand-in, 80 GB).",
        "There is not a GPU for each: they are served one after the other.",
        "c2 answers from this process, slowly: it is made of others, which vLLM does not know how to do.",
        "c3 answers from this process, slowly: its adapter has DoRA, which vLLM does not take.",
        "c4 answers from this process, slowly: its adapter is of the kind IA3, and vLLM takes LoRA.",
        "c5 answers from this process, slowly: its adapter has rank 1024, which vLLM does not take.",
    ]
    with pytest.raises(UserError, match="has no GPU '7' for --gpus; it has 0"):
        plan.of([providers.parse("starter", "a")], Choices(gpus="7"))
    with pytest.raises(UserError, match="Each server is to have 2 GPUs, and there are 1"):
        plan.of([providers.parse("starter", "a")], Choices(gpus_each=2))
