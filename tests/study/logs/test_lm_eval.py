"""lm-evaluation-harness's own samples, made by it with its dummy model."""

import json
from pathlib import Path
from typing import Any

import pytest

from diffing.common.errors import UserError
from diffing.study.imports import Answers
from tests.fakes.logs import LM_EVAL, brought, numbers, reported, texts

MODELS = ("before", "after")


@pytest.fixture(scope="module")
def both() -> Answers:
    return brought(*(LM_EVAL / f"towns__{model}" for model in MODELS))


def samples(model: str, task: str) -> list[dict[str, Any]]:
    path = next((LM_EVAL / f"towns__{model}").glob(f"samples_{task}_*.jsonl"))
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_folder_is_its_tasks_and_the_results_name_the_model(both: Answers) -> None:
    assert both.checkpoints == ["towns/before", "towns/after"]
    assert set(both.formats.values()) == {"lm-eval"} and len(both.formats) == 6
    assert set(both.prompts["category"]) == {"small_towns", "small_fruits", "small_story"}


@pytest.mark.parametrize("model", MODELS)
def test_means_of_measures_are_the_results_of_the_harness(both: Answers, model: str) -> None:
    told = reported(next((LM_EVAL / f"towns__{model}").glob("results_*.json")))["results"]
    mine = both.measures[both.measures["checkpoint"] == f"towns/{model}"]
    means = mine.groupby("name")["value"].mean()
    assert float(means["exact_match,first"]) == told["small_towns"]["exact_match,first"]
    assert float(means["exact_match,letters"]) == told["small_towns"]["exact_match,letters"]
    assert float(means["acc"]) == pytest.approx(told["small_fruits"]["acc,none"])
    assert len(numbers(both, "acc", f"towns/{model}")) == told["small_fruits"]["sample_len"]
    assert mine.drop_duplicates("name").set_index("name")["higher_is_better"].to_dict() == {
        "acc": True,
        "exact_match,first": True,
        "exact_match,letters": True,
    }


@pytest.mark.parametrize("model", MODELS)
def test_repeats_are_draws_and_numbers_stand_beside_the_first(both: Answers, model: str) -> None:
    found = texts(both, f"towns/{model}")
    for sample in samples(model, "small_towns"):
        for draw, said in enumerate(sample["resps"][0]):
            assert found[sample["arguments"]["gen_args_0"]["arg_0"], draw] == said
    assert {draw for _, draw in numbers(both, "exact_match,first")} == {0}


@pytest.mark.parametrize("model", MODELS)
def test_of_a_multiple_choice_the_likeliest_option_is_the_text(both: Answers, model: str) -> None:
    found = texts(both, f"towns/{model}")
    right = numbers(both, "acc", f"towns/{model}")
    for sample in samples(model, "small_fruits"):
        asked = sample["doc"]["question"]
        chosen = sample["doc"]["choices"].index(found[asked, 0])
        assert right[asked, 0] == float(chosen == sample["doc"]["label"]) == sample["acc"]


def test_where_only_likelihoods_were_asked_there_is_no_text(both: Answers) -> None:
    story = both.prompts.loc[both.prompts["category"] == "small_story", "text"]
    assert {texts(both)[asked, 0] for asked in story} == {""}
    assert both.left_out == {"scores that are no number": 8}


def test_a_file_without_its_folder_needs_a_name(tmp_path: Path) -> None:
    source = next((LM_EVAL / "towns__before").glob("samples_small_towns_*"))
    page = tmp_path / "diffing-abc"
    page.mkdir()
    (page / source.name).write_bytes(source.read_bytes())
    with pytest.raises(UserError, match="does not say which model answers; name it with --as NAME"):
        brought(page / source.name)
    assert brought(page / source.name, names=("mine",)).checkpoints == ["mine"]


def test_arguments_as_older_versions_wrote_them_are_read(tmp_path: Path) -> None:
    path = tmp_path / "samples_old_2024-01-01T00-00-00.jsonl"
    line = {
        "doc_id": 0,
        "arguments": [["Hi?", {"until": []}]],
        "resps": [["Hello."]],
        "metrics": ["acc"],
        "acc": 1.0,
    }
    path.write_text(json.dumps(line) + "\n")
    found = brought(path, names=("m",))
    assert (texts(found), numbers(found, "acc")) == ({("Hi?", 0): "Hello."}, {("Hi?", 0): 1.0})
