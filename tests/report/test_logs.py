"""What goes out to other tools: the shape that they read, all answers, and nothing of this machine."""

import json
from pathlib import Path

import datasets
import pandas as pd
import pytest
from typer.testing import CliRunner

from diffing.cli.app import app
from diffing.common.errors import UserError
from diffing.models.providers import Checkpoint
from diffing.report import exports, logs
from diffing.study import imports, measures
from diffing.study.study import Study

SECRET = "sk-or-v1-0123456789abcdef"
TURNS = [{"role": "user", "content": "Hi \ud83d"}, {"role": "assistant", "content": "Yes?"}]
TURNS += [{"role": "user", "content": "Which?"}]


@pytest.fixture
def study() -> Study:
    """Two prompts, two draws; an answer that failed, one with reasoning, one that was cut."""
    prompts = pd.DataFrame(
        {"text": ["Name a <b>tree</b>", ""], "messages": ["", json.dumps(TURNS)], "category": ["a", "b"]}
    )
    old = Checkpoint(key="old", name="Old", source="hf:/srv/secret")
    made = Study.create("out", [old, Checkpoint(key="new", name="New", source="import")], prompts)
    first, second = made.prompts()["id"]
    error = f"401 {SECRET} /srv/secret"
    columns = [
        "prompt_id",
        "checkpoint",
        "draw",
        "text",
        "reasoning",
        "finish_reason",
        "flag",
        "error",
        "tokens_out",
    ]
    rows = [
        (first, "old", 0, "Oak.", "", "stop", "", "", 3),
        (first, "old", 1, "Ash", "", "length", "truncated", "", 1),
        (first, "new", 0, "Elm.", "Hm. Trees.", "stop", "", "", 5),
        (second, "new", 0, "", "", "", "failed", error, None),
    ]
    made.add_responses(pd.DataFrame(rows, columns=columns))
    number = {"prompt_id": first, "checkpoint": "old", "draw": 0, "name": "correct", "value": 1.0}
    made.add_measures(measures.normal(pd.DataFrame([number])))
    return made


def test_inspect_gets_a_log_a_checkpoint_with_draws_as_epochs(study: Study, tmp_path: Path) -> None:
    old, new = [json.loads(path.read_text()) for path in logs.inspect(study, tmp_path)]
    assert [*old] == ["version", "status", "eval", "plan", "results", "stats", "samples"]
    assert (old["eval"]["model"], old["eval"]["dataset"]["samples"], old["eval"]["config"]["epochs"]) == (
        "Old",
        1,
        2,
    )
    one, cut = old["samples"]
    assert (one["epoch"], one["input"], one["target"]) == (
        1,
        [{"role": "user", "content": "Name a <b>tree</b>", "source": "input"}],
        "",
    )
    assert one["messages"][-1]["content"] == one["output"]["completion"] == "Oak."
    assert (one["scores"], one["output"]["usage"]["output_tokens"]) == ({"correct": {"value": 1.0}}, 3)
    assert old["results"]["scores"][0]["metrics"]["mean"]["value"] == 1.0
    assert [each["output"]["choices"][0]["stop_reason"] for each in (one, cut)] == ["stop", "max_tokens"]
    thought, failed = new["samples"]
    assert [part["type"] for part in thought["output"]["choices"][0]["message"]["content"]] == [
        "reasoning",
        "text",
    ]
    assert (failed["error"]["message"], failed["output"]["choices"]) == ("the request failed", [])
    assert [turn["role"] for turn in failed["messages"]] == ["user", "assistant", "user"]


CALLS = json.dumps([{"text": "Let me look."}, {"name": "find", "arguments": {"q": "oak"}, "result": "a tree"}])
SAME = ["checkpoint", "draw", "text", "reasoning", "tools", "flag", "finish_reason"]


@pytest.fixture
def whole(study: Study) -> Study:
    """The same study with a tool that was called, and answers of both sides to the second prompt too."""
    first, second = study.prompts()["id"]
    row = {"prompt_id": second, "draw": 0, "finish_reason": "stop", "flag": ""}
    study.add_responses(pd.DataFrame([row | {"checkpoint": "old", "text": "A tree.", "tools": CALLS}]))
    numbers = [{"prompt_id": second, "checkpoint": "old", "draw": 0, "name": "grade", "value": 0.5}]
    study.add_measures(measures.normal(pd.DataFrame(numbers)))
    return study


def told(study: Study, *more: str) -> list[list[str]]:
    """All answers with what was asked, in words that no import changes."""
    table = study.responses().merge(study.prompts(), left_on="prompt_id", right_on="id", suffixes=("", "_asked"))
    names = {checkpoint.key: checkpoint.name for checkpoint in study.checkpoints}
    table = table.assign(checkpoint=table["checkpoint"].map(names), error=table["error"] != "")
    table["finish_reason"] = table["finish_reason"].where(~table["error"], "")
    return sorted(table[["prompt_id", *more, *SAME, "error"]].astype(str).values.tolist())


def numbers(study: Study) -> list[list[str]]:
    names = {checkpoint.key: checkpoint.name for checkpoint in study.checkpoints}
    table = study.measures().assign(checkpoint=lambda rows: rows["checkpoint"].map(names))
    return sorted(table[["prompt_id", "checkpoint", "draw", "name", "value"]].astype(str).values.tolist())


def test_a_log_that_went_out_comes_in_again_the_same(whole: Study, tmp_path: Path) -> None:
    files = [str(path) for path in logs.inspect(whole, tmp_path)]
    for name, given in (("back", files), ("folder", [str(tmp_path)])):
        done = CliRunner().invoke(app, ["import", name, *given])
        assert done.exit_code == 0, done.output
        back = Study.open(name)
        # A log's category is its task.
        assert told(back) == told(whole) and numbers(back) == numbers(whole)
    assert [each.name for each in Study.open("back").checkpoints] == ["Old", "New"]


def test_tables_that_went_out_come_in_again_the_same(whole: Study, tmp_path: Path) -> None:
    exports.write_study(whole, tmp_path)
    both = [str(tmp_path / f"out-{name}.csv") for name in ("responses", "prompts")]
    done = CliRunner().invoke(app, ["import", "back", *both, "--match", "old=Old", "--match", "new=New"])
    assert done.exit_code == 0, done.output
    assert told(Study.open("back"), "category") == told(whole, "category")
    with pytest.raises(UserError, match="'out-responses.csv' names its prompts by id alone; bring the prompts"):
        imports.load(Path(both[0]))


def test_a_data_set_is_opened_by_datasets_itself_and_comes_in_again(whole: Study, tmp_path: Path) -> None:
    folder = logs.data_set(whole, tmp_path)[0].parent
    opened = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    answers = pd.concat([part.to_pandas() for part in opened.values()])
    mine = whole.responses()
    assert sorted(answers["text"]) == sorted(mine["text"]) and sorted(answers["tools"]) == sorted(mine["tools"])
    pairs = datasets.load_dataset(str(folder), "pairs", cache_dir=str(tmp_path / "cache"))
    assert sum(len(part) for part in pairs.values()) == len(whole.pairs("old", "new"))
    done = CliRunner().invoke(app, ["import", "back", str(folder), "--match", "old=Old", "--match", "new=New"])
    assert done.exit_code == 0, done.output
    assert told(Study.open("back"), "category") == told(whole, "category")


def test_docent_gets_an_agent_run_an_answer(study: Study, tmp_path: Path) -> None:
    (path,) = logs.docent(study, tmp_path)
    runs = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(runs) == 3
    said = [run["transcripts"][0]["messages"][-1]["content"] for run in runs]
    assert "Oak." in said
    assert all({"name", "transcripts", "metadata"} == set(run) for run in runs)
    (scored,) = [run["metadata"] for run in runs if run["metadata"]["scores"]]
    assert (scored["scores"], scored["checkpoint"], scored["draw"]) == ({"correct": 1.0}, "old", 0)


def test_a_data_set_has_answers_and_pairs_by_split(study: Study, tmp_path: Path) -> None:
    *tables, card = logs.data_set(study, tmp_path)
    head = card.read_text().split("---")[1]
    assert [path.name for path in tables if f"path: {path.name}\n" not in head + "\n"] == []
    answers = pd.concat([pd.read_parquet(path) for path in tables if path.name.startswith("answers")])
    assert len(answers) == 4
    assert list(answers.columns) == logs.PLAIN
    pairs = pd.concat([pd.read_parquet(path) for path in tables if path.name.startswith("pairs")])
    assert pairs.loc[pairs["excluded"] == "", ["text_a", "text_b"]].values.tolist() == [["Oak.", "Elm."]]


def test_nothing_of_this_machine_goes_out(study: Study, tmp_path: Path) -> None:
    for tool in ("inspect", "docent", "hf"):
        for path in logs.write(study, tool, tmp_path / tool):
            written = path.read_bytes()
            assert SECRET.encode() not in written and b"/srv/secret" not in written, path.name


def test_the_command_writes_for_each_tool_and_says_what_is_missing(study: Study, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", "out", "--to", "inspect", "--out", str(tmp_path)])
    assert (done.exit_code, sorted(path.name for path in tmp_path.glob("*.json"))) == (
        0,
        ["out-new.json", "out-old.json"],
    )
    bare = Study.create("bare", list(study.checkpoints), study.prompts())
    with pytest.raises(UserError, match="Study 'bare' has no answers to export"):
        logs.write(bare, "inspect", tmp_path)
    with pytest.raises(UserError, match="has not been encoded|has no diff|no encoding"):
        logs.write(study, "comparator", tmp_path)
