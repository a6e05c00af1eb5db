"""What a report claims: only what evidence allows, and what speaks against the rest."""

import re
from pathlib import Path
from typing import Any

import pytest

from diffing import diff
from diffing.common import files, tables
from diffing.common.words import points
from diffing.diff import compute
from diffing.findings import correction, evidence, findings, people, verification
from diffing.labels import history
from diffing.labels.history import Label
from diffing.report import advice, cards, charts, details, facts
from tests.fakes import judges, report_study
from tests.fakes.judged_study import seen
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.report_study import CAKE, SPACES, Made, bare, names, section, written
from tests.fakes.watch import Watch

# What is claimed.


def test_a_label_that_counting_contradicts_cannot_become_a_claim(made: Made) -> None:
    """The published failure: a feature for double spaces, labelled as lists, while numbered items rise."""
    study, out = made
    probes = diff.load(study, "old", "new").probes.set_index("probe")
    assert probes.loc["numbered items", "delta"] > 0.9 > -0.9 > probes.loc["double spaces", "delta"]
    text = (out / "report.md").read_text(encoding="utf-8")
    blocked = section(text, "Blocked, and not claimed")
    assert (
        "- Unverified wording: “gives enumerated lists”, said to be more on A. Against it: it says more of "
        "numbered items in old" in blocked
    )
    assert text.count("enumerated lists") == blocked.count("enumerated lists") + 1
    assert f"Feature {SPACES}, labelled “enumerated lists" in section(text, "Features of the reader")
    assert "A more often has double spaces within lines (100 % → 0 %)" in text.splitlines()[2].replace("\xa0", " ")
    assert "B more often has numbered items (+97 points)" in section(text, "What it means in use")
    told = files.read_json(out / "findings.json")["findings"]
    assert {one["claim"]: one["claimed"] for one in told if "lists" in one["claim"]} == {
        "gives enumerated lists": False
    }


@pytest.mark.parametrize(
    ("claim", "sentences"),
    [("leaves two spaces", 1), ("writes double spaces", 1), ("ends with exclamation marks", 2)],
)
def test_a_claim_about_what_its_features_do_not_fire_at_says_so(
    made: Made, monkeypatch: pytest.MonkeyPatch, claim: str, sentences: int
) -> None:
    study, _ = made
    monkeypatch.setenv("DIFFING_HOME", str(study.folder.parents[1]))
    finding = findings.Finding(id="f", a="old", b="new", claim=claim, side="a", origin="sae")
    told = details.places(facts.gather(study, "old", "new"), finding, [SPACES])
    assert told[0] == f"By counting, feature {SPACES} fires at double spaces (100\u00a0% of its tokens)."
    assert [text[:42] for text in told[1:]] == ["What the claim names (exclamation marks) i"] * (sentences - 1)


def test_without_a_judge_only_counts_are_claimed_and_it_says_so(made: Made) -> None:
    _, out = made
    text = (out / "report.md").read_text(encoding="utf-8")
    assert "No judge was asked: what can be counted is counted, and other wordings stay unverified." in text
    assert "mentions cake" not in text.splitlines()[2]
    told = {one["claim"][:13]: one["status"] for one in files.read_json(out / "findings.json")["findings"]}
    unverified = dict.fromkeys(("mentions cake", "gives enumera"), "unverified wording")
    assert told == unverified | {"speaks Latin ": "rejected"}
    assert "Rejected: no answer does." in section(text, "Rejected")


def test_no_change_and_cannot_tell_are_said_as_the_intervals_allow(made: Made) -> None:
    study, out = made
    text = section((out / "report.md").read_text(encoding="utf-8"), "What was not found, and what cannot be told")
    probes = diff.load(study, "old", "new").probes.set_index("probe")
    for words, verdict in (
        ("Did not change", "no change"),
        ("Cannot be told", "cannot tell"),
        ("Nor by many more prompts", "cannot tell"),
    ):
        line = re.findall(rf"^- {words}: (.*)\.$", text, re.MULTILINE)[0].split(": by less than")[0]
        listed = set(re.findall(r"(?:^|; )([^;(]+) \(", line))
        assert listed and set(probes.loc[sorted(listed), "verdict"]) == {verdict}
    never = re.findall(r"^- In next to no answer: (.*)\.$", text, re.MULTILINE)[0].split(", ")
    assert (probes.loc[never, ["frequency_a", "frequency_b"]] < 0.005).all(axis=None)


def test_a_verified_finding_leads_the_answer_and_the_next_report_is_the_same(
    monkeypatch: pytest.MonkeyPatch, server: OpenAIServer, tmp_path: Path
) -> None:
    study = report_study.make(monkeypatch)
    claim = findings.add(study, "mentions cake", "b", author="Ann", features=(CAKE,))
    label = history.add(study, "starter", CAKE, Label(label="sweets", author="m", author_kind="llm"))
    score: dict[str, Any] = {
        "detection": {"old": {"balanced": 0.5, "low": 0.4}, "new": {"balanced": 0.9, "low": 0.8}}
    }
    history.tell(study, "starter", CAKE, "score", "j", about=label.id, score=score)
    server.reply, server.models = judges.counting(judges.words({"mentions cake": "cake"})), ["judge"]
    compute.compute(study, "old", "new")
    verification.run(study, verification.Options(model=f"{server.url}#judge"), Watch())
    bare(monkeypatch)
    first = written(study, tmp_path / "first")
    assert [one.status for one in evidence.of(study)] == ["reported"]
    assert findings.get(study, claim.id).reported
    text = (first / "report.md").read_text(encoding="utf-8")
    net = f"{100 * verification.read(study).checks[claim.id].net:+.0f} points"
    assert "### 1. B more often mentions cake" in text
    assert re.search(rf"net share \{net} \\\[.* points?|net share \{net}", text)
    assert "Confirmed by a judge (judge) on " in text
    assert "Of 1 claim put before a judge (judge) 1 were verified." in text
    assert f"judged in the same way on these new prompts, B led by a net {net} (95 % interval of that" in text
    assert "should differ by" not in text
    # The score is that of the side that has more.
    assert f"| {CAKE} | sweets | model, 0.90 |" in text
    (told,) = files.read_json(first / "labels.json")[str(CAKE)]["labels"]
    assert (told["label"], told["score"]) == ("sweets", score)
    verdicts = tables.read(first / "verdicts.csv")
    assert set(verdicts["words"]) == {"mentions cake"} and len(verdicts) == len(server.calls)
    second = written(study, tmp_path / "second")
    # Only the moment of writing may differ, which the list of files holds, and so does what packs it.
    other = {name for name in names(first) if (first / name).read_bytes() != (second / name).read_bytes()}
    assert other in (set(), {"manifest.json", "lists-old-new.zip"})


def test_without_findings_the_report_shows_what_changed_with_a_pair_each(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    study = report_study.make(monkeypatch)
    bare(monkeypatch)
    text = (written(study, tmp_path / "out") / "report.md").read_text(encoding="utf-8")
    shown = section(text, "The changes, with a pair of answers each")
    titles = re.findall(r"^### \d+\. (.*)$", shown, re.MULTILINE)
    assert titles[:2] == ["B's answers are 17 % longer", "A more often has double spaces within lines"]
    assert len(titles) == 7 and shown.count("Counted on 18 new prompts.") == 7
    assert "first.«··»Then this." in shown and "All findings" not in text


def test_held_out_answers_are_shown_only_where_the_author_had_seen_such(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    study = report_study.make(monkeypatch)
    bare(monkeypatch)
    held = study.prompts().query("split == 'held-out'")["id"].tolist()
    claim = findings.add(study, "mentions cake", "b", author="Ann", features=(CAKE,), examples=[(held[0], 0)])
    where = re.compile(r"^Prompt \(.* · (\S+) · draw 1\)", re.MULTILINE)
    text = (written(study, tmp_path / "out") / "report.md").read_text(encoding="utf-8")
    assert set(where.findall(text)) == {"discovery"}
    findings.change(study, claim.id, "Ann", put={"held_out_seen": True})
    text = (written(study, tmp_path / "out") / "report.md").read_text(encoding="utf-8")
    assert "held-out" in where.findall(text)
    assert "Whoever wrote it had seen answers to new prompts" in text


def test_a_net_share_that_a_person_has_corrected_stands_beside_the_judge_s(
    monkeypatch: pytest.MonkeyPatch, server: OpenAIServer
) -> None:
    study = report_study.make(monkeypatch)
    claim = findings.add(study, "mentions cake", "b", author="Ann", features=(CAKE,))
    server.reply, server.models = judges.counting(judges.words({"mentions cake": "cake"})), ["judge"]
    compute.compute(study, "old", "new")
    verification.run(study, verification.Options(model=f"{server.url}#judge"), Watch())
    for question in people.questions(study):
        people.tell(study, question, seen(question), "Ann")
    gathered = facts.gather(study)
    check = verification.read(study).checks[claim.id]
    assert check.corrected is not None
    told = details.verification(gathered, check)
    assert f"{correction.words(check.corrected)}." in told and "uncorrected" not in told
    (card,) = cards.of(gathered)
    net = points(check.corrected.net)
    assert card.tested and card.figures[1].startswith(f"net share {net} points [")
    assert card.figures[1].endswith(f"corrected for the judge's error ({points(check.net)} by its word)")
    chart = charts.verified(gathered)
    assert chart is not None and "hollow: corrected by a person's verdicts" in chart.told
    assert not any("judge-check" in sentence for sentence in advice.recommendations(gathered))
