"""What is newer hangs on the order in which things were done, never on what a clock or a file's date says."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from diffing import jobs
from diffing.common import files
from diffing.findings import findings, verdicts, verification
from diffing.jobs import run
from diffing.jobs.job import jobs_dir
from diffing.labels import history, sources
from diffing.models.providers import Checkpoint
from diffing.study.study import Study
from pages.parts import job_panel
from tests.fakes.watch import Watch

pytestmark = pytest.mark.attack("R29")

SIDES = [Checkpoint(key=key, name=key, source="import") for key in "ab"]
SAE = "starter"


@pytest.fixture
def study() -> Study:
    return Study.create("s", SIDES, pd.DataFrame({"text": ["Hi"]}))


class Backwards(datetime):
    """A clock that is set back by a day each time that it is looked at."""

    looks = 0

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        cls.looks += 1
        return datetime(2026, 11, 28, 12, tzinfo=tz or UTC) - timedelta(days=cls.looks)


def test_the_job_that_was_started_last_is_the_newest_whatever_the_clock_says(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "datetime", Backwards)
    # No answers: both fail at once.
    ids = [jobs.run_here(study, kind).id for kind in ("encode", "diff", "encode")]
    for age, name in enumerate(ids):
        when = 10**9 - 10**6 * age
        os.utime(jobs_dir(study) / name / "spec.json", (when, when))
    assert ids != sorted(ids)
    assert [job.id for job in jobs.recent(study)] == ids[::-1]
    shown = job_panel.latest(study, "encode")
    assert shown is not None and shown.id == ids[2]


def test_jobs_of_older_versions_come_before_all_that_are_numbered(study: Study) -> None:
    for name, when in (("20300101-000000-diff-1a2b", 2), ("20200101-000000-diff-ffff", 3)):
        spec = jobs_dir(study) / name / "spec.json"
        files.write_json(spec, {"kind": "diff", "study": "s", "options": {}, "created": "2020-01-01T00:00:00"})
        os.utime(spec, (when, when))
    new = jobs.run_here(study, "diff").id
    order = [job.id for job in jobs.recent(study)]
    assert order == [new, "20200101-000000-diff-ffff", "20300101-000000-diff-1a2b"]
    assert new.endswith("-diff-n1")


def bring(study: Study, folder: Path, name: str) -> None:
    file = folder / f"{name}.json"
    file.write_text(json.dumps([{"feature": 1, "label": name}]))
    sources.bring(study, str(file), Watch())


def standing(study: Study) -> str:
    label = history.dossiers(history.read(study, SAE), history.imported(study, SAE))[1].current
    return label.label if label else ""


def test_the_source_that_was_imported_last_stands_whatever_its_file_is_dated(study: Study, tmp_path: Path) -> None:
    told: list[str] = []
    for name in ("first", "second", "first"):
        bring(study, tmp_path, name)
        # As copying a study does, or a clock that was set back.
        for path in history.imported_dir(study).iterdir():
            when = 10**9 if "first" in path.name else 10**9 - len(told)
            os.utime(path, (when, when))
        told.append(standing(study))
    assert told == ["first", "second", "first"]


def test_sources_of_older_versions_come_before_all_that_are_ranked(study: Study, tmp_path: Path) -> None:
    for name in ("early", "late"):
        bring(study, tmp_path, name)
    for when, path in enumerate(sorted(history.imported_dir(study).iterdir()), start=1):
        table = files.read_parquet(path)
        del table.attrs["rank"]
        files.write_parquet(path, table)
        os.utime(path, (when, when))
    assert standing(study) == "late"
    bring(study, tmp_path, "new")
    os.utime(next(history.imported_dir(study).glob("*new*")), (0, 0))
    assert standing(study) == "new"


def test_the_download_made_last_is_the_one_that_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def table(label: str) -> pd.DataFrame:
        return sources.frame([{"feature": 1, "label": label}])

    folder = files.cache_dir("labels") / sources.slug("x")
    files.write_parquet(folder / "2031-01-01.parquet", table("of an older version"))
    for day, label in (("2030-05-05", "first"), ("2029-05-05", "second")):
        monkeypatch.setattr(sources, "today", lambda day=day: day)
        sources.keep("x", table(label))
    kept = sources.kept("x")
    assert kept is not None and files.read_parquet(kept)["label"].tolist() == ["second"]


def test_of_two_findings_that_say_the_same_the_one_written_first_leads(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    for when, claim in (("2030-01-01T00:00:00", "asks back"), ("2029-01-01T00:00:00", "asks a question back")):
        monkeypatch.setattr(files, "now", lambda when=when: when)
        written.append(findings.add(study, claim, "b", author="Ada"))
    # A judge who gave both the same votes: three prompts in four for the claim, and the fourth against it.
    rows = [
        {"pair": f"p{n}", "kind": "between", "prompt_id": f"p{n}", "draw": 0, "order": order, "claim": one.wording}
        | {"pick": 1.0 if n % 4 else -1.0, "shows_a": 0.0, "shows_b": 1.0}
        for n in range(20)
        for order in (0, 1)
        for one in written
    ]
    given = pd.DataFrame(rows)
    checks = {one.id: verdicts.check(given)[one.wording] for one in written}
    assert verification._same(given, findings.load(study), checks) == {written[1].id: written[0].id}


def test_what_a_killed_process_left_is_swept_after_the_clock_was_set_back(tmp_path: Path) -> None:
    left = tmp_path / ".new-left"
    left.mkdir()
    ahead = datetime.now(UTC).timestamp() + 10**6
    os.utime(left, (ahead, ahead))
    assert files.sweep(tmp_path, ".new-*") == [left]
