"""A model on this machine answers as it would alone, whenever the run is stopped."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from diffing import jobs
from diffing.common.errors import Cancelled
from diffing.jobs.job import JobStatus
from diffing.models import generate, providers
from diffing.study import collect
from diffing.study.settings import Sampling
from diffing.study.study import Study
from tests.fakes import pairs, tiny
from tests.fakes.openai_server import OpenAIServer

TEXTS = [f"Say {'very ' * i}something." for i in range(8)]
NEAR = 1e-4
"""Of the largest logit: a batch with padding changes one by a tenth of that at most."""
SAMPLED = ["prompt_id", "checkpoint", "draw", "text", "finish_reason", "error", "tokens_in", "tokens_out"]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Models this small are slower with several, above all where other work goes on."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of a few thousand weights, with a chat template."""
    made = tmp_path_factory.mktemp("models") / "llama"
    tiny.model(made, tiny.configs()["llama"])
    return made


def make(folder: Path, name: str = "s", seed: int = 0, texts: list[str] = TEXTS, **sampling: Any) -> Study:
    sides = [providers.parse(f"hf:{folder}", "a"), providers.parse("import", "b")]
    table = pd.DataFrame({"text": texts})
    return Study.create(name, sides, table, seed=seed, sampling=Sampling(**{"max_tokens": 12, **sampling}))


def run(study: Study) -> JobStatus:
    return jobs.run_here(study, "collect")


def by_text(study: Study) -> pd.DataFrame:
    return study.responses().set_index("prompt_id").loc[study.prompts()["id"]].reset_index()


def greedy(folder: Path, text: str, longest: int) -> tuple[str, str, int, int]:
    """The most likely answer, token by token, without batches or `generate`."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
    )
    given = tokenizer(chat, add_special_tokens=False)["input_ids"]
    answer: list[int] = []
    while len(answer) < longest:
        with torch.inference_mode():
            logits = model(torch.tensor([given + answer])).logits[0, -1]
        first, second = logits.topk(2).values.tolist()
        assert first - second > NEAR * float(logits.abs().max()), "two tokens are as likely: rounding would choose"
        token = int(logits.argmax())
        if token == tokenizer.eos_token_id:
            return tokenizer.decode(answer, skip_special_tokens=True), "stop", len(given), len(answer)
        answer.append(token)
    return tokenizer.decode(answer, skip_special_tokens=True), "length", len(given), len(answer)


def test_a_local_checkpoint_answers_as_the_model_alone_would(folder: Path) -> None:
    study = make(folder, temperature=0.0)
    status = run(study)
    assert (status.state, status.result and status.result["answered"]) == ("done", 8)
    rows = by_text(study)
    told = rows[["text", "finish_reason", "tokens_in", "tokens_out"]].itertuples(index=False, name=None)
    assert list(told) == [greedy(folder, text, 12) for text in TEXTS]
    assert (set(rows["cost"]), set(rows["error"])) == ({0.0}, {""})
    assert run(study).result == dict(asked=0, answered=0, failed=0, left=0, cost=None, stopped_by="")


class StopsAfter:
    """A run's progress whose user asks to stop at the given look."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def check(self) -> None:
        self.looks -= 1
        if self.looks < 0:
            raise Cancelled

    def update(self, *_: Any) -> None: ...

    def billed(self, key: str, dollars: float) -> None: ...

    def over(self) -> None: ...

    def log(self, line: str) -> None: ...


def test_a_run_stopped_at_any_token_ends_as_an_undisturbed_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate, "BATCH", 3)
    study, stored = make(folder, draws=2), [0]
    for looks in (1, 14, 5, 30):
        with pytest.raises(Cancelled):
            collect.run(study, collect.Options(), StopsAfter(looks))
        stored.append(len(study.responses()))
    assert stored == sorted(stored) and 0 < stored[-1] < 16
    assert run(study).state == "done"
    monkeypatch.setenv("DIFFING_HOME", str(tmp_path / "undisturbed"))
    undisturbed = make(folder, draws=2)
    run(undisturbed)
    pd.testing.assert_frame_equal(study.responses()[SAMPLED], undisturbed.responses()[SAMPLED])
    assert study.responses()["text"].nunique() == 16


def test_another_seed_samples_other_answers(folder: Path) -> None:
    one, two = make(folder, "one", seed=1), make(folder, "two", seed=2)
    run(one), run(two)
    assert not set(one.responses()["text"]) & set(two.responses()["text"])


def test_a_prompt_that_the_model_cannot_take_costs_only_itself(tmp_path: Path) -> None:
    refusing = tmp_path / "refusing"
    never = "{% if 'never' in messages[0].content %}{{ raise_exception('Not that.') }}{% endif %}"
    config = tiny.configs()["llama"]
    config.max_position_embeddings = 40
    tiny.model(refusing, config, never + tiny.TEMPLATE)
    # Greedy: which token is drawn hangs on the folder's name, and one in some twenty runs would draw an early end.
    study = make(refusing, texts=["Hi", "never", "word " * 40], max_tokens=5000, temperature=0.0)
    run(study)
    rows = by_text(study)
    assert list(rows["flag"] == "failed") == [False, True, True]
    assert rows.loc[1, "error"] == "the model's chat template refuses the conversation (Not that.)"
    assert rows.loc[2, "error"].startswith("the prompt has ")
    assert rows.loc[0, "tokens_in"] + rows.loc[0, "tokens_out"] == 40


def test_a_base_model_without_a_template_reads_the_plain_text(tmp_path: Path) -> None:
    tiny.model(tmp_path / "base", tiny.configs()["gpt2"], None)
    study = make(tmp_path / "base", texts=["Hi there"], system="Sys.", extra_body={"top_k": 1})
    assert run(study).state == "done"
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "base")
    assert study.responses().loc[0, "tokens_in"] == len(tokenizer("Sys.\n\nHi there\n\n")["input_ids"])


def test_a_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    status = run(make(tmp_path / "empty"))
    assert status.state == "failed"
    assert status.error.startswith(f"Checkpoint 'hf:{tmp_path}/empty' cannot be loaded (")


def test_a_local_checkpoint_and_an_endpoint_answer_in_one_run(folder: Path, server: OpenAIServer) -> None:
    sides = [providers.parse(f"hf:{folder}", "a"), providers.parse(f"{server.url}#after", "b")]
    study = Study.create("s", sides, pd.DataFrame({"text": TEXTS}), sampling=Sampling(max_tokens=4))
    assert run(study).state == "done"
    assert study.responses().groupby("checkpoint").size().to_dict() == {"a": 8, "b": 8}
    assert {call.model for call in server.calls} == {"after"}


def test_a_relative_folder_is_found_from_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert providers.parse("hf:llama", "a").source == f"hf:{folder}"
    assert providers.parse("hf:maker/llama", "a").source == "hf:maker/llama"


def test_an_adapter_on_a_base_answers_as_the_model_that_it_makes(tmp_path: Path) -> None:
    made = pairs.make(tmp_path, "llama")
    sides = [providers.parse(made.low_rank, "a"), providers.parse(f"hf:{made.whole}", "b")]
    table = pd.DataFrame({"text": TEXTS[:3]})
    study = Study.create("s", sides, table, sampling=Sampling(max_tokens=6, temperature=0))
    assert run(study).state == "done"
    told = study.responses()
    for text in told["prompt_id"].unique():
        first, second = told.loc[told["prompt_id"] == text, "text"]
        assert first == second


def test_what_ships_is_asked_by_its_name(tmp_path: Path) -> None:
    for written in ("starter", "starter+fact", f"{tmp_path.name}=starter"):
        found = providers.parse(written, "a")
        assert found.source == written.rpartition("=")[2] and providers.is_local(found)
        assert providers.endpoints([found]) == []
