"""The command by which a person judges some pairs too: written out blind, filled in, taken back."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from diffing.cli.findings import app as findings_app
from diffing.cli.judge_check import app
from diffing.common.errors import UserError
from diffing.findings import people, verification
from tests.fakes import judged_study
from tests.fakes.judged_study import seen


def run(*words: str, command: Any = app) -> Result:
    result = CliRunner().invoke(command, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def filled(path: Path, said: dict[str, str]) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(row | {"said": said[row["question"]]} for row in rows)


def test_the_command_shows_an_example() -> None:
    assert "python -m diffing judge-check" in " ".join(run("--help").stdout.split())


def test_pairs_go_out_blind_and_verdicts_come_back(tmp_path: Path) -> None:
    study = judged_study.make(wrong=3)
    assert "uncorrected" in run("findings", "s", command=findings_app).stdout
    path = tmp_path / "pairs.csv"
    first = run("s", "--csv", str(path), "--author", "Ada").stdout
    assert "Ada has judged 0 of 40 pairs." in first and "error is not measured" in first
    with path.open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file)) == ["question", "claim", "prompt", "left", "right", "said"]
    asked = people.questions(study)
    filled(path, {question.id: seen(question) for question in asked})
    text = run("s", "--import", str(path), "--author", "Ada").stdout
    assert "40 new verdicts taken in from pairs.csv." in text and "Ada has judged 40 of 40 pairs." in text
    assert "By 40 verdicts of a person" in text and "corrected" in text
    told = json.loads(run("s", "--json", "--author", "Ada").stdout)
    assert (told["asked"], told["answered"], told["judge"], told["verdicts"]) == (40, 40, "judge", {"Ada": 40})
    for identifier, check in verification.read(study).checks.items():
        assert check.corrected is not None
        assert told["net"][identifier]["judge"] == check.net
        assert told["net"][identifier]["corrected"]["net"] == check.corrected.net
    listed = run("findings", "s", command=findings_app).stdout
    assert "corrected" in listed and "uncorrected" not in listed
    (one, _) = json.loads(run("findings", "s", "--json", command=findings_app).stdout)
    assert one["verification"]["corrected"]["verdicts"] == 20


def test_the_table_can_be_printed() -> None:
    judged_study.make()
    assert run("s", "--csv", "-", "--number", "30").stdout.count("mentions") == 30


def test_a_table_that_does_not_fit_is_refused_whole(tmp_path: Path) -> None:
    study = judged_study.make()
    path = tmp_path / "pairs.csv"
    run("s", "--csv", str(path))
    filled(path, {question.id: "perhaps" for question in people.questions(study)})
    with pytest.raises(UserError, match="'perhaps' on question"):
        run("s", "--import", str(path))
    assert people.read(study) == []
