"""A finding in one line: what its sentence says, which figures are its own, and what it still lacks."""

import pytest

from diffing.findings import brief, evidence, findings
from diffing.findings.counting import Counted
from diffing.findings.evidence import Standing, Status
from diffing.findings.findings import Finding
from diffing.findings.predicates import Predicate
from diffing.findings.verdicts import Check
from diffing.study.study import Study
from tests.fakes import finding_study
from tests.fakes.finding_study import CAKE

BOLD = Predicate.of_probe("bold")


def stand(
    status: Status = "counted", count: Counted | None = None, check: Check | None = None, why: str = ""
) -> Standing:
    counts = BOLD if count else None
    finding = Finding(id="f1", a="a", b="b", claim=BOLD.shown, side="b", origin="template", predicate=counts)
    return Standing(finding, status, why, [], [], [], check, "", count)


def counted(more_a: int, more_b: int, prompts: int = 100) -> Counted:
    return Counted(prompts, False, more_a / prompts, more_b / prompts, -0.1, 0.1, more_a, more_b, 0.5, 0.5)


def checked(wins: int, losses: int, q: float) -> Check:
    n = wins + losses
    return Check(n, wins, losses, 0, 0, q, q, 1.0, wins / n, (wins - losses) / n, 0, 1, 0.25, 0.75, 0)


def test_a_claim_is_a_sentence_about_a_side() -> None:
    assert brief.sentence(stand(count=counted(1, 9))) == f"B more often {BOLD.shown}"
    words = Predicate.of_probe("words")
    longer = Finding(id="f2", a="a", b="b", claim=words.shown, side="a", origin="template", predicate=words)
    assert brief.rest(longer) == f" {words.shown}"


def test_what_nothing_tested_says_so_first_and_has_no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    study: Study = finding_study.make(monkeypatch, prompts=60)
    made = findings.add(study, "loves cake", "b", author="Ada", features=[CAKE], predicate=BOLD)
    standing = evidence.get(study, made.id)
    assert brief.sentence(standing) == "Unverified wording: B more often loves cake"
    assert [brief.figure(standing, "a"), brief.figure(standing, "b"), brief.difference(standing)] == [None] * 3
    assert brief.lacks(standing) == "not judged yet"


def test_figures_are_of_the_count_or_else_of_the_judge() -> None:
    by_count = stand(count=counted(6, 39), check=checked(9, 1, 0.01))
    by_judge = stand("verified", check=checked(9, 1, 0.01))
    assert [brief.figure(by_count, "a"), brief.figure(by_count, "b"), brief.difference(by_count)] == [
        "6\u00a0%", "39\u00a0%", "+33",
    ]  # fmt: skip
    assert [brief.figure(by_judge, "a"), brief.figure(by_judge, "b"), brief.difference(by_judge)] == [
        "25\u00a0%", "75\u00a0%", "+50",
    ]  # fmt: skip


def test_what_is_lacking_is_said_in_a_few_words() -> None:
    assert brief.lacks(stand(count=counted(1, 30))) == "not judged yet"
    assert brief.lacks(stand(count=counted(1, 30), check=checked(5, 4, 0.9))) == "the judge did not confirm it"
    assert brief.lacks(stand("verified", check=checked(9, 0, 0.01))) == ""
    assert brief.lacks(stand("rejected", why="no")) == "rejected"
    # Of 100 prompts 12 differ, 9 to 3: such a lead takes 32 that differ, and so 267.
    assert brief.lacks(stand("unverified wording", count=counted(3, 9))) == "170 more prompts"
    for a, b in ((5, 5), (9, 3), (0, 0)):
        assert brief.lacks(stand("unverified wording", count=counted(a, b))) == "not judged yet"


def test_a_findings_shares_never_contradict_its_difference() -> None:
    """35 % and 56 % beside +20 would."""
    each = stand(count=counted(3547, 5556, prompts=10_000))
    assert (brief.figure(each, "a"), brief.figure(each, "b")) == ("35.5\u00a0%", "55.6\u00a0%")
    assert brief.difference(each) == "+20"
