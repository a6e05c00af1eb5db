"""Inspect's own logs, made by Inspect with mock models: what comes in is what Inspect reports."""

import json
from pathlib import Path
from typing import Any

import pytest

from diffing.common.errors import UserError
from diffing.study import imports
from diffing.study.imports import Answers, How
from diffing.study.study import Study
from tests.fakes.logs import INSPECT, brought, numbers, reported, texts

BEFORE, AFTER = INSPECT / "questions-before.eval", INSPECT / "questions-after.eval"


def shown(put: Any) -> str:
    if isinstance(put, str):
        return put
    return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in put)


@pytest.fixture(scope="module")
def both() -> Answers:
    return brought(BEFORE, AFTER)


@pytest.mark.parametrize("side", ["before", "after"])
def test_texts_draws_and_scores_are_those_that_inspect_reports(both: Answers, side: str) -> None:
    said = reported(INSPECT / f"questions-{side}.reported.json")
    fine = [sample for sample in said["samples"] if not sample["error"]]
    assert both.formats == {BEFORE.name: "inspect", AFTER.name: "inspect"}
    assert both.checkpoints == ["mockllm/before", "mockllm/after"]
    assert texts(both, said["model"]) == {
        (shown(one["input"]), one["epoch"] - 1): one["completion"] for one in said["samples"]
    }
    for scorer in ("match", "includes"):
        wanted = {(shown(one["input"]), one["epoch"] - 1): one["scores"][scorer] for one in fine}
        assert numbers(both, scorer, said["model"]) == wanted
    wanted = {(shown(one["input"]), one["epoch"] - 1): float(one["scores"]["letters"]["share"]) for one in fine}
    assert numbers(both, "letters/share", said["model"]) == wanted


def test_the_headline_of_a_log_is_the_mean_of_its_measures(both: Answers) -> None:
    said = reported(INSPECT / "questions-before.reported.json")
    mine = both.measures[both.measures["checkpoint"] == "mockllm/before"].groupby("name")["value"].mean()
    told = said["metrics"]
    assert mine.to_dict() == {
        "match": pytest.approx(float(told["match"]["accuracy"])),
        "includes": pytest.approx(float(told["includes"]["accuracy"])),
        "letters/length": pytest.approx(float(told["length"]["mean"])),
        "letters/share": pytest.approx(float(told["share"]["mean"])),
    }


def test_kinds_follow_from_the_numbers_and_what_is_none_is_counted(both: Answers) -> None:
    kinds = both.measures.drop_duplicates("name").set_index("name")["kind"].to_dict()
    assert kinds == {
        "match": "yes/no",
        "includes": "yes/no",
        "letters/length": "number",
        "letters/share": "number",
    }
    # A void and a word in each of 23 scored answers.
    assert both.left_out == {"scores that are no number": 46}


def test_a_sample_that_failed_is_a_failed_answer_and_no_text(both: Answers) -> None:
    failed = both.responses[both.responses["flag"] == "failed"]
    assert failed[["checkpoint", "draw", "text"]].to_numpy().tolist() == [["mockllm/after", 1, ""]]
    assert "no second rhyme" in failed["error"].iloc[0]


def test_a_json_log_is_the_same_log() -> None:
    packed, plain = brought(BEFORE), brought(INSPECT / "questions-before.json.gz")
    assert plain.formats == {"questions-before.json.gz": "inspect"}
    assert texts(plain) == texts(packed)
    assert {name: numbers(plain, name) for name in plain.measures["name"].unique()} == {
        name: numbers(packed, name) for name in packed.measures["name"].unique()
    }


@pytest.mark.parametrize("name", ["tools-before.eval", "tools-before-chunked.eval"])
def test_reasoning_and_tools_are_channels(name: str) -> None:
    said = reported(INSPECT / "tools-before.reported.json")["samples"][0]
    answer = brought(INSPECT / name).responses.iloc[0]
    assert answer["text"] == said["completion"] == "Take an umbrella, says before."
    assert answer["reasoning"].split("\n\n") == said["reasoning"]
    steps = json.loads(answer["tools"])
    assert [[step["name"], step["arguments"]] for step in steps if "name" in step] == said["calls"]
    assert steps == [
        {"text": "I shall look."},
        {"name": "weather", "arguments": {"town": "Tromsø"}, "result": "Rain in Tromsø, 7 degrees."},
    ]


def test_a_channel_can_be_what_the_study_is_about() -> None:
    logs = [INSPECT / "tools-before.eval", INSPECT / "tools-after.eval"]
    study = imports.into("thoughts", imports.load_all(logs, How(channel="reasoning")))
    assert set(study.responses()["text"]) == {"I do not know the weather; a tool does.\n\nThe tool says rain."}


def test_two_logs_become_a_study_with_measures_and_coming_twice_add_nothing() -> None:
    first = imports.into("s", brought(BEFORE, AFTER))
    again = imports.into("s", brought(BEFORE, AFTER))
    assert len(first.measures()) == len(again.measures()) == 92
    assert len(again.responses()) == 24 and len(again.prompts()) == 6
    assert set(again.measures()["checkpoint"]) == {"mockllm-before", "mockllm-after"}
    assert set(again.prompts()["category"]) == {"small_questions"}


def test_two_logs_of_one_model_are_refused_until_each_has_a_name(tmp_path: Path) -> None:
    later = tmp_path / "later.eval"
    later.write_bytes(BEFORE.read_bytes())
    with pytest.raises(UserError, match=r"'questions-before.eval' and 'later.eval' both answer .* --as NAME"):
        brought(BEFORE, later)
    assert brought(BEFORE, later, names=("monday", "tuesday")).checkpoints == ["monday", "tuesday"]
    with pytest.raises(UserError, match="3 names are given for 2 files"):
        brought(BEFORE, later, names=("a", "b", "c"))


def test_a_folder_of_logs_is_its_logs(tmp_path: Path) -> None:
    for log in (BEFORE, AFTER):
        (tmp_path / log.name).write_bytes(log.read_bytes())
    (tmp_path / "notes.txt").write_text("no log")
    assert brought(tmp_path).formats == {AFTER.name: "inspect", BEFORE.name: "inspect"}


def test_another_run_of_a_model_does_not_take_the_places_of_what_is_there() -> None:
    before = imports.into("s", brought(BEFORE, AFTER)).responses()
    with pytest.raises(UserError, match="has other answers of 'mockllm-before' to 10 of the same prompts"):
        imports.into("s", brought(AFTER, names=("mockllm/before",)))
    assert Study.open("s").responses()["text"].to_list() == before["text"].to_list()
    study = imports.into("s", brought(AFTER, names=("second run",)), add_checkpoints=True)
    assert study.responses()["checkpoint"].value_counts().to_dict() == {
        "mockllm-before": 12,
        "mockllm-after": 12,
        "second-run": 12,
    }


def test_one_log_alone_makes_no_study_and_says_what_to_do() -> None:
    with pytest.raises(UserError, match="answers of 'mockllm/before' alone; bring the other's"):
        imports.into("s", brought(BEFORE))


def test_where_the_log_names_no_model_each_answer_says_its_own(tmp_path: Path) -> None:
    samples = [
        {"id": place, "epoch": 1, "input": "Hi?", "output": {"model": model, "completion": f"I am {model}."}}
        for place, model in enumerate(("one", "two"))
    ]
    path = tmp_path / "a.json"
    path.write_text(
        json.dumps({"version": 2, "status": "success", "eval": {"model": "none/none"}, "samples": samples})
    )
    found = brought(path)
    assert found.checkpoints == ["one", "two"]
    assert texts(found, "two") == {("Hi?", 0): "I am two."}


def test_options_of_a_question_stand_in_its_prompt(tmp_path: Path) -> None:
    sample = {"id": 1, "epoch": 1, "input": "Which?", "choices": ["this", "that"], "output": {"completion": "A"}}
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"status": "success", "eval": {"model": "m"}, "samples": [sample]}))
    assert texts(brought(path)) == {("Which?\n\nA) this\nB) that", 0): "A"}


def test_a_table_with_columns_of_such_names_stays_a_table(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    row = {"prompt": "Hi", "response_a": "x", "response_b": "y", "eval": "e", "status": "s", "samples": 1}
    path.write_text(f"{json.dumps(row)}\n{json.dumps(row | {'prompt': 'Bye'})}\n")
    assert brought(path).formats == {"a.jsonl": "table"}
