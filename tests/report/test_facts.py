"""What a report claims, in which order, and which judge it believes."""

import pytest

from diffing.diff import compute
from diffing.findings import findings, verification
from diffing.findings.evidence import Standing
from diffing.report import details, facts
from tests.fakes import judges, report_study
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.report_study import CAKE
from tests.fakes.watch import Watch


def told_of(identifier: str, same_as: str = "") -> Standing:
    finding = findings.Finding(id=identifier, a="a", b="b", claim=identifier, side="b", origin="hand")
    return Standing(finding, "verified", "", [], [], [], None, same_as)


@pytest.mark.parametrize(
    ("standings", "kept"),
    [
        ([told_of("lead"), told_of("other", "lead"), told_of("else")], ["lead", "else"]),
        ([told_of("other", "lead"), told_of("lead")], ["lead"]),
        # Its leader is blocked or rejected, and so is not among those that can be claimed.
        ([told_of("other", "lead"), told_of("third", "lead"), told_of("else")], ["other", "else"]),
    ],
)
def test_each_meaning_is_claimed_once_and_none_is_lost(standings: list[Standing], kept: list[str]) -> None:
    assert [one.finding.id for one in facts.each_meaning_once(standings)] == kept


def test_what_no_judge_saw_stands_by_what_its_difference_is_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    study = report_study.make(monkeypatch)
    compute.compute(study, "old", "new")
    weak = findings.add(study, "mentions cake", "b", author="Ann", features=(CAKE,))
    strong = findings.add(study, "has steps", "b", author="Ann", features=(CAKE,), probes=("numbered items",))
    gathered = facts.gather(study, "old", "new")
    assert [one.finding.id for one in gathered.claimed] == [strong.id, weak.id]
    sizes = [facts.size(one, study, gathered.diff) for one in gathered.claimed]
    assert sizes[0] == gathered.probes.loc["numbered items", "ci_low"] > sizes[1] > 0.5


def test_a_report_names_the_judges_whose_verdicts_it_leaves_out(
    monkeypatch: pytest.MonkeyPatch, server: OpenAIServer
) -> None:
    study = report_study.make(monkeypatch)
    compute.compute(study, "old", "new")
    findings.add(study, "mentions cake", "b", author="Ann", features=(CAKE,))
    server.reply, server.models = judges.counting(judges.words({"mentions cake": "cake"})), ["first", "second"]
    for judge in server.models:
        verification.run(study, verification.Options(model=f"{server.url}#{judge}"), Watch())
    gathered = facts.gather(study, "old", "new")
    assert gathered.verification.judge == "second"
    assert "Verdicts of other judges (first) are kept" in details.own_error(gathered)
