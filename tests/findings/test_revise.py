"""A finding is changed by what its editor changed, and by nothing else."""

import pytest

from diffing.findings import findings
from diffing.findings.findings import Finding
from diffing.study import sample
from diffing.study.study import Study


@pytest.fixture
def study() -> Study:
    return sample.create()


@pytest.fixture
def made(study: Study) -> Finding:
    return findings.add(study, "speaks of cake", "b", author="Ada", features=[2], probes=["bold"])


def test_only_what_differs_is_written(study: Study, made: Finding) -> None:
    findings.change(study, made.id, "Cleo", add={"features": [3]})
    wanted = {"features": [2, 4], "probes": []}
    now = findings.revise(study, made, " speaks  of pie ", wanted, "Ben", "starter")
    assert (now.claim, now.features, now.probes, now.reader) == ("speaks of pie", (2, 3, 4), (), "starter")
    last = findings.history(study, made.id)[-1]
    assert (last.put, last.add, last.drop) == (
        {"claim": "speaks of pie", "reader": "starter"}, {"features": [4]}, {"probes": ["bold"]},
    )  # fmt: skip


def test_nothing_is_written_where_nothing_differs(study: Study, made: Finding) -> None:
    before = len(findings.history(study, made.id))
    assert findings.revise(study, made, "", {"features": [2], "probes": ["bold"]}, "Ben", "starter") == made
    assert len(findings.history(study, made.id)) == before
