"""A small change, made larger, goes the whole way from `new` to findings, which are held against the plain one."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from diffing.cli.app import app
from diffing.report import facts, text
from diffing.study import prompts
from diffing.study.study import Study


@pytest.fixture(autouse=True)
def _one_thread() -> object:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exception is None, result.output
    # A terminal's lines are as long as it is wide.
    return " ".join(result.stdout.split())


def test_a_habit_shows_more_the_larger_its_change_is_made(tmp_path: Path) -> None:
    asked = tmp_path / "asked.csv"
    prompts.bundled().head(16).to_csv(asked, index=False)
    told = ("--prompts", str(asked), "--temperature", "0", "--max-tokens", "24", "--held-out", "0.5")
    made = run("new", "louder", "starter", "amplify:a,starter+style,2", "interpolate:a,starter+style,0.5", *told)
    assert "d = starter+style is asked too: findings about what is made of it are verified on it." in made
    assert json.loads(run("collect", "louder", "--json"))["state"] == "done"
    answers = Study.open("louder").responses()
    assert set(answers["cost"]) == {0.0} and len(answers) == 64
    loud = answers["text"].str.contains("!!").groupby(answers["checkpoint"]).mean()
    # Which token is the likeliest may hang on a rounding: an answer or two may turn out otherwise elsewhere.
    assert loud["a"] == 0 and loud["c"] <= loud["d"] < loud["b"] and loud["b"] > 0.4
    run("encode", "louder")
    run("diff", "louder")
    note = "B is made: starter with 2 times the change to starter+style."
    assert note in run("answer", "louder")
    assert json.loads(run("answer", "louder", "--json"))["made"].startswith(note)
    said = run("findings", "louder", "--count", "regex:!!", "--json")
    table = Study.open("louder").prompts()
    held = answers[answers["prompt_id"].isin(table.loc[table["split"] == "held-out", "id"])]
    plainly = held[held["checkpoint"] == "d"]["text"].str.contains("!!").mean()
    assert json.loads(said)[0]["counted"]["b"] == pytest.approx(plainly)
    assert "(answers of a and d, which are plain)" in said
    assert note in run("findings", "louder")
    assert note in text.compared(facts.gather(Study.open("louder")))
