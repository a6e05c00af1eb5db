"""Adapters, and checkpoints made of others, answer as what they are made of, whenever the run is stopped."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer

from diffing import jobs
from diffing.common.errors import Cancelled, UserError
from diffing.models import generate, providers
from diffing.study import collect
from diffing.study.settings import Sampling
from diffing.study.study import Study
from tests.fakes import pairs as fakes
from tests.fakes import tiny
from tests.fakes.pairs import Folders
from tests.models.test_generate import NEAR, SAMPLED, StopsAfter

TEXTS = [f"Say {'very ' * i}something." for i in range(6)]
LONGEST = 8


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def study_of(*written: str, name: str = "s", **sampling: Any) -> Study:
    sides = [providers.parse(text, providers.nth_key(n)) for n, text in enumerate(written)]
    told = {"temperature": 0.0, "max_tokens": LONGEST} | sampling
    return Study.create(name, sides, pd.DataFrame({"text": TEXTS}), sampling=Sampling(**told))


def collected(*written: str, **sampling: Any) -> dict[str, list[str]]:
    """Each checkpoint's answers, by key."""
    study = study_of(*written, **sampling)
    status = jobs.run_here(study, "collect")
    assert status.state == "done", status.error
    rows = study.responses()
    assert (set(rows["cost"]), set(rows["error"])) == ({0.0}, {""})
    rows = rows.set_index(["checkpoint", "prompt_id"])["text"]
    ids = study.prompts()["id"]
    return {each.key: [rows[each.key, i] for i in ids] for each in study.checkpoints}


@torch.inference_mode()
def greedy(folder: Path, low_rank: Path | None, contrast: float, base: Path) -> list[str]:
    """The most likely answers by plain models, token by token: the variant's, against the base."""
    from peft import PeftModel

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    own: Any = fakes.plain(folder)
    own = PeftModel.from_pretrained(own, str(low_rank)).eval() if low_rank else own
    other: Any = fakes.plain(base)
    said = []
    for text in TEXTS:
        asked = [{"role": "user", "content": text}]
        chat = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(chat, add_special_tokens=False)["input_ids"]
        start = len(ids)
        while len(ids) < start + LONGEST:
            logs, seen = (model(torch.tensor([ids])).logits[0, -1].log_softmax(-1) for model in (own, other))
            scores = logs + contrast * (logs - seen)
            scores[logs < logs.max() + torch.tensor(0.05).log()] = -torch.inf
            first, second = scores.topk(2).values.tolist()
            assert first - second > NEAR, "two tokens are as likely: rounding would choose"
            if (token := int(scores.argmax())) == tokenizer.eos_token_id:
                break
            ids.append(token)
        said.append(tokenizer.decode(ids[start:], skip_special_tokens=True))
    return said


def test_an_adapter_answers_as_peft_has_it(folders: Folders) -> None:
    answers = collected(f"hf:{folders.base}", folders.low_rank)
    assert answers["a"] == greedy(folders.base, None, 0.0, folders.base)
    assert answers["b"] == greedy(folders.base, folders.adapter, 0.0, folders.base)
    assert answers["a"] != answers["b"]


@pytest.mark.parametrize("whole", [False, True])
def test_at_the_ends_of_its_strength_it_answers_as_one_of_the_two(folders: Folders, whole: bool) -> None:
    variant = f"hf:{folders.whole}" if whole else folders.low_rank
    answers = collected(
        f"hf:{folders.base}",
        variant,
        "amplify:a,b,1",
        "interpolate:a,b,0",
        "interpolate:a,b,1",
        "cdd:a,b,0",
        "amplify:a,b,3",
    )
    a, b, *ends, more = answers.values()
    assert ends == [b, a, b, b]
    assert more not in (a, b)


def test_contrast_is_that_of_two_plain_models(folders: Folders) -> None:
    answers = collected(f"hf:{folders.base}", folders.low_rank, "cdd:a,b,2")
    assert answers["c"] == greedy(folders.base, folders.adapter, 2.0, folders.base)
    assert answers["c"] != answers["b"]


def test_a_direction_is_added_at_its_layer(folders: Folders, tmp_path: Path) -> None:
    torch.manual_seed(0)
    directions = torch.randn(3, tiny.WIDTH)
    save_file({"many": directions, "one": directions[1].clone()}, tmp_path / "d.safetensors")
    file = tmp_path / "d.safetensors"
    answers = collected(
        f"hf:{folders.base}",
        folders.low_rank,
        f"steer:a,{file}#one,2,0",
        f"steer:b,{file}#one,2,0",
        f"steer:a,{file}#one,2,5",
        f"steer:a,{file}#many[1],2,5",
        f"steer:a,{file}#many[2],2,5",
    )
    a, b, still_a, still_b, one, same, other = answers.values()
    assert (still_a, still_b) == (a, b)
    assert one == same != a
    assert other != one


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("d.safetensors#two", "'d.safetensors' holds no 'two'; it holds many, one"),
        (
            "d.safetensors#many",
            "'many' is no direction but 3 × 32 numbers; name a vector, or NAME[ROW] of a matrix",
        ),
        ("d.safetensors#many[3]", "'many[3]' is no direction but 3 × 32 numbers"),
        ("none.safetensors#one", "There is no file 'none.safetensors' where the study looks for it; put it back"),
        ("e.safetensors#one", "Direction 'one' cannot be read from 'e.safetensors'"),
    ],
)
def test_a_direction_that_is_none_is_named(folders: Folders, tmp_path: Path, name: str, fault: str) -> None:
    save_file({"many": torch.ones(3, tiny.WIDTH), "one": torch.ones(tiny.WIDTH)}, tmp_path / "d.safetensors")
    (tmp_path / "e.safetensors").write_text("no tensors")
    study = study_of(f"hf:{folders.base}", f"steer:a,{tmp_path}/{name},2,1")
    status = jobs.run_here(study, "collect")
    assert status.state == "failed" and fault in status.error


def test_a_run_stopped_at_any_token_ends_as_an_undisturbed_one(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate, "BATCH", 2)
    written = (f"hf:{folders.base}", folders.low_rank, "amplify:a,b,2", "cdd:a,b,1")
    study, stored = study_of(*written, temperature=1.0), [0]
    for looks in (30, 40, 50):
        with pytest.raises(Cancelled):
            collect.run(study, collect.Options(), StopsAfter(looks))
        stored.append(len(study.responses()))
    assert stored == sorted(stored) and 0 < stored[-1] < 24
    assert jobs.run_here(study, "collect").state == "done"
    monkeypatch.setenv("DIFFING_HOME", str(tmp_path / "undisturbed"))
    undisturbed = study_of(*written, temperature=1.0)
    jobs.run_here(undisturbed, "collect")
    pd.testing.assert_frame_equal(study.responses()[SAMPLED], undisturbed.responses()[SAMPLED])


def test_ways_to_sample_that_a_pair_does_not_know_are_refused_unless_they_change_nothing(folders: Folders) -> None:
    written = (f"hf:{folders.base}", folders.low_rank, "amplify:a,b,2", "cdd:a,b,2")
    study = study_of(*written, name="cut", temperature=1.0, extra_body={"top_p": 0.9})
    status = jobs.run_here(study, "collect")
    assert status.state == "failed"
    assert status.error == (
        "'cdd:hf:llama,hf:llama+llama-adapter,2' is sampled at a temperature alone, and the study sets top_p to "
        "0.9; set top_p to 1 in the study's extra_body, for all its checkpoints."
    )
    assert set(study.responses()["checkpoint"]) == {"a", "b", "c"}
    collected(*written, name="whole", temperature=1.0, extra_body={"top_p": 1.0, "top_k": 0})


def test_a_request_is_known_by_all_that_changes_its_answer(folders: Folders, tmp_path: Path) -> None:
    def key(source: str) -> str:
        return generate.request(providers.parse(source, "c"), {}, 0).key

    save_file({"one": torch.ones(tiny.WIDTH)}, tmp_path / "d.safetensors")
    base, low = f"hf:{folders.base}", folders.low_rank
    steered = f"steer:{base},{tmp_path}/d.safetensors#one,2,1"
    keys = [key(source) for source in (base, low, f"amplify:{base},{low},2", f"cdd:{base},{low},2", steered)]
    before = key(f"amplify:{base},{low},3"), key(steered)
    assert len({*keys, before[0]}) == 6
    config = folders.adapter / "adapter_config.json"
    config.write_text(config.read_text() + " ")
    save_file({"one": torch.ones(tiny.WIDTH), "two": torch.ones(1)}, tmp_path / "d.safetensors")
    after = key(f"amplify:{base},{low},3"), key(steered)
    assert key(base) == keys[0] and not {*after} & {*before}


def test_what_does_not_grow_with_its_strength_is_refused(folders: Folders, tmp_path: Path) -> None:
    fakes.adapter(folders.base, tmp_path / "dora", use_dora=True)
    study = study_of(f"hf:{folders.base}", f"hf:{folders.base}+{tmp_path / 'dora'}", "amplify:a,b,2")
    status = jobs.run_here(study, "collect")
    assert status.state == "failed" and "does not grow with α" in status.error


def test_weights_that_are_no_pair_are_refused(folders: Folders) -> None:
    writer = providers.parse(f"amplify:{folders.low_rank},hf:{folders.whole},2", "c")
    with pytest.raises(UserError, match="is an adapter on a base: compare it with that base"):
        list(generate.answers(writer, [generate.request(writer, {}, 0)], lambda: None))
