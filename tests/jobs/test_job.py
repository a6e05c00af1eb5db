"""One job's folder: whether it lives, how it ended, and its log, as read from its files alone."""

from pathlib import Path

import pandas as pd
import pytest

from diffing.common import files
from diffing.jobs.job import Job, jobs_dir
from diffing.models.providers import Checkpoint
from diffing.study.study import Study


@pytest.fixture
def study() -> Study:
    sides = [Checkpoint(key=key, name=key, source="import") for key in "ab"]
    return Study.create("s", sides, pd.DataFrame({"text": ["Why?"]}))


def test_the_lock_tells_whether_a_job_lives_and_the_file_how_it_ended(study: Study) -> None:
    folder = jobs_dir(study) / "j"
    files.write_json(folder / "spec.json", {"kind": "verify", "study": "s", "options": {}, "created": "now"})
    seen = []
    for told in ("running", "done", "cancelled"):
        files.write_json(folder / "progress.json", {"state": told})
        with files.locked(folder / "lock"):
            held = Job(folder).status().state
        seen.append((told, held, Job(folder).status().state))
    assert seen == [
        ("running", "running", "dead"),
        ("done", "running", "done"),
        ("cancelled", "running", "cancelled"),
    ]


def test_the_workers_log_is_shown_from_its_end(study: Study) -> None:
    folder = jobs_dir(study) / "j"
    folder.mkdir(parents=True)
    assert Job(folder).log_tail() == []
    Path(folder / "log.txt").write_text("".join(f"line {i}\n" for i in range(1000)))
    assert Job(folder).log_tail(2) == ["line 998", "line 999"]
