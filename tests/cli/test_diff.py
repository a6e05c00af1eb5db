"""The `diff` command, as its parts are registered in the program."""

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from diffing import Study as StudyOfPeople
from diffing import diff
from diffing.cli import diff as cli_diff
from diffing.common.errors import UserError
from diffing.study.study import Study
from tests.fakes import report_study
from tests.fakes.diff_study import COLUMNS


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    return report_study.make(monkeypatch)


def run(*words: str) -> Result:
    done = CliRunner().invoke(cli_diff.app, ["lists", *words])
    assert done.exception is None, done.output
    return done


def test_it_computes_what_is_missing_and_says_the_answer(study: Study) -> None:
    said = run("--features").stdout
    assert (diff.folder_of(study, "old", "new", diff.DiffSettings()) / "summary.json").exists()
    first, second, *_ = said.splitlines()
    assert first.startswith("A is Old ")
    assert second.startswith("B's answers are 17\u00a0% longer (12 → 14 words); B more often ")
    assert "\nSomething differs (p = " in said
    assert "of 3 families of features that differ do so at equal length too (q < 0.05, 3 features tested)." in said
    assert said.splitlines()[-1].startswith(
        "Rows are ordered by the end of the 95 % interval that is nearer to 0."
    )


def test_the_table_as_csv_has_shares_and_every_named_column(study: Study, tmp_path: Path) -> None:
    run("--csv", str(tmp_path / "diff.csv"))
    table = pd.read_csv(tmp_path / "diff.csv")
    assert set(table.columns) >= COLUMNS | {"label"}
    stored = diff.load(study, "old", "new").features
    pd.testing.assert_series_equal(table["delta"], stored["delta"])
    assert table["delta"].abs().max() == 1.0


def test_probes_and_categories_come_as_tables_of_their_own(study: Study, tmp_path: Path) -> None:
    run("--probes", "--csv", str(tmp_path / "probes.csv"))
    assert set(pd.read_csv(tmp_path / "probes.csv")["probe"]) >= {"bold", "numbered items", "double spaces"}
    run("--by", "category", "--csv", str(tmp_path / "groups.csv"))
    assert set(pd.read_csv(tmp_path / "groups.csv")["group"]) == {"code", "travel"}
    assert study.name == "lists"


def test_phrases_are_listed_as_they_are_ranked_with_how_many_were_tested(study: Study, tmp_path: Path) -> None:
    said = run("--phrases", "--top", "1", "--csv", str(tmp_path / "phrases.csv")).stdout
    stored = diff.load(study, "old", "new")
    assert f"{stored.summary['tested_phrases']:,} phrases were tested." in said
    rows = [line for line in said.splitlines() if line.startswith("│")]
    assert [name in rows[-1] for name in stored.phrases["phrase"]] == [True, *[False] * (len(stored.phrases) - 1)]
    table = pd.read_csv(tmp_path / "phrases.csv")
    assert len(table) == len(stored.phrases)
    assert set(table.columns) >= {"phrase", "form", "also"} | COLUMNS - {
        "feature",
        "family",
        "probes",
        "outside_noise",
    }
    told = json.loads(run("--phrases", "--json").stdout)
    assert [row["phrase"] for row in told["rows"]] == stored.phrases["phrase"].tolist()
    assert StudyOfPeople.open("lists").phrases()["phrase"].tolist() == stored.phrases["phrase"].tolist()


def test_two_tables_at_once_are_refused(study: Study) -> None:
    done = CliRunner().invoke(cli_diff.app, [study.name, "--probes", "--phrases"])
    assert str(done.exception) == "--probes and --phrases are two tables; ask for one of them."


def test_json_holds_the_summary_and_the_top_families(study: Study) -> None:
    run()
    told = json.loads(run("--json", "--top", "1").stdout)
    assert (told["a"], told["b"], told["prompts"], len(told["rows"])) == ("old", "new", 39, 1)
    assert told["rows"][0]["feature"] == diff.load(study, "old", "new").top(1)["feature"].item()


def test_a_diff_older_than_the_answers_is_made_anew(study: Study) -> None:
    run()
    changed = study.prompts()
    changed.loc[0, "active"] = False
    study.save_prompts(changed)
    assert diff.load(study, "old", "new").outdated(study)
    run()
    assert not diff.load(study, "old", "new").outdated(study)


def test_an_unknown_grouping_is_refused(study: Study) -> None:
    done = CliRunner().invoke(cli_diff.app, [study.name, "--by", "mood"])
    assert isinstance(done.exception, UserError)
    assert str(done.exception) == "'mood' is nothing to group by; use --by category."
