"""The command that says what people preferred."""

import json
from pathlib import Path

import pandas as pd
from typer.testing import CliRunner, Result

from diffing import Study
from diffing.cli.votes import app
from tests.fakes import voted_study


def run(*words: str) -> Result:
    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_without_votes_it_says_where_they_are_cast() -> None:
    voted_study.make()
    assert "the page Compare has a view for it" in run("study").stdout


def test_votes_are_told_as_a_sentence_as_data_and_as_a_table(tmp_path: Path) -> None:
    study = voted_study.make()
    voted_study.vote(study, 14, 6)
    said = run("study").stdout
    assert "preferred B on 14 of 20 prompts: 70\u00a0% [46\u00a0% to 88\u00a0%], exact p = 0.12." in said
    told = json.loads(run("study", "--json").stdout)
    assert [(row["for_b"], row["for_a"]) for row in told["rows"] if row["group"] == "all"] == [(14, 6)]
    run("study", "--csv", str(tmp_path / "votes.csv"))
    written = pd.read_csv(tmp_path / "votes.csv")
    assert (len(written), written["pick"].sum()) == (20, 8)
    (row,) = Study.open("study").votes().query("group == 'all'").to_dict("records")
    assert (row["for_b"], row["share_b"]) == (14, 0.7)
