"""A diff of an earlier version opens, says that it is older, and is computed anew where figures are wanted."""

import shutil

import pytest

from diffing import diff, status
from diffing.common import files
from diffing.common.errors import UserError
from diffing.diff import compute
from diffing.diff.stored import DiffSettings, folder_of, up_to_date
from diffing.study.study import Study
from tests.fakes import finding_study

LATER = ("habits.parquet", "behaviours.parquet", "phrases.parquet")
"""Tables that an older diff does not have."""


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    """As an earlier version left it: other usual settings, fewer tables, and nothing that names a method."""
    study = finding_study.make(monkeypatch)
    shutil.rmtree(folder_of(study, "a", "b", DiffSettings()))
    stored = compute.compute(study, "a", "b", DiffSettings(share_of_peak=0.0))
    for name in LATER:
        (stored.folder / name).unlink()
    told = {
        name: value for name, value in stored.summary.items() if name not in ("method", "tested_phrases", "seal")
    }
    files.write_json(stored.folder / "summary.json", told, seal=True)
    return study


def test_it_opens_and_says_that_it_is_older(study: Study) -> None:
    stored = diff.load(study, "a", "b")
    assert stored.older and stored.settings.share_of_peak == 0.0
    stored.check()
    assert (len(stored.features), len(stored.behaviours), len(stored.habits), len(stored.phrases)) == (5, 0, 0, 0)
    step = next(step for step in status.later_steps(study, answered=True) if step["step"] == "diff")
    assert step["state"] == "partial"
    assert step["detail"].startswith("This diff was computed by an older method")


def test_who_wants_figures_gets_them_by_the_present_method(study: Study) -> None:
    assert up_to_date(study, "a", "b") is None
    fresh = compute.current(study, "a", "b")
    assert not fresh.older and len(fresh.behaviours) > 1
    assert diff.load(study, "a", "b").folder == fresh.folder


def test_settings_that_are_named_are_no_older_ones(study: Study) -> None:
    with pytest.raises(UserError, match="no diff of 'a' and 'b' with these settings yet"):
        diff.load(study, "a", "b", DiffSettings())
