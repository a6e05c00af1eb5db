"""The command that follows three or more checkpoints."""

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from diffing import Study
from diffing.cli.timeline import app
from diffing.common.errors import UserError
from tests.diff.test_timeline import answer
from tests.fakes.diff_study import made


def run(*words: str) -> Result:
    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_timeline_is_told_as_a_sentence_as_data_and_as_a_table(tmp_path: Path) -> None:
    made(answer, prompts=80, keys="abcd", encoded=False)
    said = run("study").stdout
    assert said.startswith("Between b and c an answer more often uses bold (4 → 78\u00a0%)")
    assert "80 prompts answered by all of a, b, c, d." in said
    assert "Longer answers show more of nearly everything" in said
    assert "uses emoji" not in said
    assert "uses emoji" in run("study", "--all").stdout
    data = json.loads(run("study", "--json", "--checkpoints", "a, b,d").stdout)
    assert (data["checkpoints"], data["prompts"]) == (["a", "b", "d"], 80)
    bold = next(row for row in data["items"] if row["item"] == "bold")
    assert (bold["from"], bold["changed"]) == ("d", True)
    assert next(row for row in data["items"] if row["item"] == "emoji")["q"] is None
    run("study", "--csv", str(tmp_path / "along.csv"))
    table = pd.read_csv(tmp_path / "along.csv").set_index("item")
    assert table.loc["bold", ["value_a", "value_d"]].tolist() == [0.025, 0.75]
    assert len(table) == len(Study.open("study").timeline().items)


def test_of_a_set_it_is_said_which_one_stands_apart() -> None:
    made(answer, prompts=80, keys="abcd", encoded=False)
    data = json.loads(run("study", "--set", "--json").stdout)
    assert data["sentence"].startswith("d stands apart: ")
    opening = next(row for row in data["items"] if "Right away" in row["item"])
    assert (opening["one"], opening["value"], opening["others"], opening["changed"]) == ("d", 1.0, 0.0, True)
    assert "Right away" in run("study", "--set").stdout


def test_a_study_of_two_is_told_so() -> None:
    made(prompts=3, encoded=False)
    with pytest.raises(UserError, match="has two checkpoints; a timeline takes three"):
        run("study")
