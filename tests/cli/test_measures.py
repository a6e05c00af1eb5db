"""The command and the verb that compare measures, on a study that no reader has read."""

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from diffing import Study
from diffing.cli.measures import app
from diffing.diff import measures
from diffing.study import imports
from tests.fakes import logs


@pytest.fixture
def study() -> Study:
    folder = logs.INSPECT
    imports.into("asked", logs.brought(folder / "questions-before.eval", folder / "questions-after.eval"))
    return Study.open("asked")


def run(*words: str) -> Result:
    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_each_measure_is_a_sentence_and_all_figures_go_to_programs(study: Study, tmp_path: Path) -> None:
    said = run("asked").stdout
    assert "match 67\u00a0% → 67\u00a0%, p = 1: cannot tell\n" in said
    assert "on 6 prompts, p = 1; no more than two runs of one checkpoint differ by (up to " in " ".join(
        said.split()
    )
    assert "; unpaired z = 0.00, p = 1; without pairs it would take" in " ".join(said.split())
    assert said.count("left out: 1 answer of A") == 4
    told = json.loads(run("asked", "--json").stdout)
    a, b = study.sides()
    assert (told["a"], told["b"], told["by_category"]) == (a, b, [])
    assert [row["measure"] for row in told["measures"]] == ["includes", "letters/length", "letters/share", "match"]
    assert (told["measures"][0]["q"], told["measures"][0]["n_prompts"]) == (None, 6)
    run("asked", "--csv", str(tmp_path / "measures.csv"))
    assert list(pd.read_csv(tmp_path / "measures.csv")) == list(measures.COLUMNS)
    swapped = study.compare_measures(b, a)
    assert swapped["delta"].tolist() == (-study.compare_measures()["delta"]).tolist()


def test_several_tasks_are_told_apart_and_a_study_without_measures_says_what_brings_them(study: Study) -> None:
    # Four measures of one task so far; a second task has the prompts for one of them.
    study.add_prompts(pd.DataFrame({"text": [f"Town {n}?" for n in range(6)], "category": "towns"}))
    ids = study.prompts().query("category == 'towns'")["id"]
    more = pd.DataFrame({"prompt_id": ids, "draw": 0, "name": "match"})
    study.add_measures(pd.concat(more.assign(checkpoint=key, value=at) for at, key in enumerate(study.sides())))
    said = run("asked").stdout.split("By category, corrected over these rows")[1]
    assert said.count("match") == 2 and "towns" in said and "includes" not in said
    parts = study.compare_measures(by_category=True)
    assert parts[["measure", "n_prompts", "p"]].to_numpy().tolist() == [["match", 6, 1.0], ["match", 6, 2 / 2**6]]
    (study.folder / "measures.parquet").unlink()
    other = logs.brought(logs.INSPECT / "questions-before.eval", logs.INSPECT / "questions-after.eval")
    imports.into("bare", other._replace(measures=other.measures.head(0)))
    assert run("bare").stdout == (
        "'bare' has no measures; a log of another tool brings them ('import bare FILE').\n"
    )
