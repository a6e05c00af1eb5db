"""What has changed since a report was made."""

import pytest

from diffing.common import files
from diffing.common.errors import UserError
from diffing.findings import findings
from diffing.report import last
from tests.fakes import voted_study


def test_a_report_is_outdated_by_what_it_is_made_from_and_not_by_its_own_mark() -> None:
    study = voted_study.make()
    made = findings.add(study, "speaks of cake", "b", author="Ada")
    told = {"made": "2026-01-02T03:04:05+00:00", "state": last.state(study, "a", "b")}
    assert last.changed(told, last.state(study, "a", "b")) == []
    findings.change(study, made.id, "report", "rule", put={"reported": files.now()})
    assert last.changed(told, last.state(study, "a", "b")) == []
    findings.note(study, made.id, "seen twice", "Ada")
    voted_study.vote(study, 1, 0)
    assert last.changed(told, last.state(study, "a", "b")) == ["blind votes", "findings"]
    assert last.changed({"made": "2026-01-02T03:04:05+00:00"}, last.state(study, "a", "b")) == []


def test_a_manifest_that_says_nothing_is_told() -> None:
    study = voted_study.make()
    assert last.manifest(last.folder_of(study, "a", "b")) is None
    path = last.folder_of(study, "a", "b") / "manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(UserError, match="make the report again"):
        last.manifest(last.folder_of(study, "a", "b"))
