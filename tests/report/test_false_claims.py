"""Five false claims, tied by hand to how answers are laid out, are supported nowhere: not in one export."""

import json
import re
from html import unescape
from pathlib import Path

import pytest
from typer.testing import CliRunner

from diffing.cli import findings as cli_findings
from diffing.common import files, tables
from diffing.findings import evidence, findings
from diffing.findings.predicates import Predicate, rule_of
from diffing.report import cards as report_cards
from diffing.report import charts, exports, one_page
from diffing.report import facts as report_facts
from diffing.study.study import Study
from pages.parts.findings import listing
from tests.fakes import report_study
from tests.fakes.report_study import NUMBERS, SPACES, names, written

STATUS = "unverified wording"
NUMBERED = Predicate.of_probe("numbered items")
CLAIMS = {
    "is more honest and admits when it does not know": {"predicate": NUMBERED, "features": (NUMBERS,)},
    "keeps people safer from harm": {"probes": ("numbered items",)},
    "is warmer in tone": {"features": (NUMBERS, SPACES)},
    "is better at mathematics": {"predicate": Predicate.of_rule(rule_of({"kind": "phrase", "text": "Then this"}))},
    "knows more of history": {"predicate": NUMBERED, "probes": ("numbered items",)},
}
SUPPORT = re.compile(
    r"likely|replicated|came again|confirmed by|counted on|well founded|q = |\bpoints\b", re.IGNORECASE
)
"""What a reader would take for support, where it stands with a claim."""


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setattr(charts, "draw", lambda _facts: [])
    made = report_study.make(monkeypatch)
    for claim, tied in CLAIMS.items():
        findings.add(made, claim, "b", author="Ann", **tied)  # type: ignore[arg-type]
    return made


def test_false_claims_on_formatting_are_unverified_wording_in_every_export(study: Study, tmp_path: Path) -> None:
    out = written(study, tmp_path / "out")
    held = {name for name in names(out) for claim in CLAIMS if claim.encode() in (out / name).read_bytes()}
    assert held == {"report.html", "report.md", "findings.csv", "findings.json", "analysis.ipynb"}
    _in_pages(out)
    _in_records(out)
    _on_one_page(study, out)
    _on_the_command_line()
    _in_the_dashboard(study)
    exports.write_study(study, tmp_path / "exported")
    for line in (tmp_path / "exported" / "lists-findings.jsonl").read_text(encoding="utf-8").splitlines():
        assert "status" not in line and not SUPPORT.search(line)


def _in_pages(out: Path) -> None:
    """HTML and Markdown: the status is a heading, and all that follows until the next one supports nothing."""
    page = unescape((out / "report.html").read_text(encoding="utf-8"))
    cards = re.findall(r'<article class="card untested".*?</article>', page, re.DOTALL)
    assert len(cards) == len(CLAIMS)
    for claim, card in zip(CLAIMS, sorted(cards, key=lambda text: _place(text)), strict=True):
        assert card.index('<h3 class="unverified">Unverified wording</h3>') < card.index(claim)
        assert not SUPPORT.search(card) and "%" not in card
    details = re.findall(r'<section class="finding">.*?</section>', page, re.DOTALL)
    text = (out / "report.md").read_text(encoding="utf-8")
    parts = re.split(r"^(?=##)", text, flags=re.MULTILINE)
    shown = [part for part in parts if part.startswith("### Unverified wording\n")]
    assert (len(details), len(shown)) == (len(CLAIMS), 2 * len(CLAIMS))
    for part in details:
        assert part.index("Unverified wording") < part.index(CLAIM.search(part)[0])  # type: ignore[index]
        assert not SUPPORT.search(part.split("<details>")[0])
    for part in shown:
        assert CLAIM.search(part) and not SUPPORT.search(part.split("Pairs that show")[0])
    rows = [line for line in text.splitlines() if line.startswith("| Unverified wording |")]
    assert [row.split(" | ")[3:8] for row in rows] == [["–"] * 5] * len(CLAIMS)
    # Nowhere else, and so neither in the sentence nor in what it means in use.
    assert sum(len(CLAIM.findall(part)) for part in parts) == len(CLAIM.findall("".join(shown))) + len(rows)


def _in_records(out: Path) -> None:
    """CSV, JSON and the notebook."""
    table = tables.read(out / "findings.csv")
    assert list(table.columns[:2]) == ["status", "claim"] and set(table["status"]) == {STATUS}
    figures = ["a", "b", "difference", "low", "high", "q", "judge_net", "judge_q", "prompt_id", "prompt"]
    assert set(table["claim"]) == set(CLAIMS) and (table[figures] == "").all(axis=None)
    for record in files.read_json(out / "findings.json")["findings"]:
        assert next(iter(record.items())) == ("status", STATUS)
        assert record["counted"] is None and record["check"] is None
    notebook = files.read_json(out / "analysis.ipynb")
    (cell,) = [cell for cell in notebook["cells"] if cell["id"] == "findings"]
    shown = "".join(cell["outputs"][0]["data"]["text/html"])
    assert re.findall(r"<td>(unverified wording)</td>\s*<td>", shown) == [STATUS] * len(CLAIMS)
    comparator = (out / "llm_comparator.json").read_text(encoding="utf-8")
    assert not CLAIM.search(comparator)


def _on_one_page(study: Study, out: Path) -> None:
    """The picture is drawn from the same sheet as the page."""
    facts = report_facts.gather(study)
    sheet = one_page.sheet(facts, report_cards.of(facts))
    assert not CLAIM.search(repr(sheet))
    assert sheet.source.endswith("The report has 5 findings, 5 of them unverified wording.")
    page = (out / "one-page.html").read_text(encoding="utf-8")
    assert "5 of them unverified wording" in page and not CLAIM.search(page)


def _on_the_command_line() -> None:
    lines = CliRunner().invoke(cli_findings.app, ["findings", "lists"]).output.splitlines()
    claimed = [place for place, line in enumerate(lines) if line.partition(" more often ")[2] in CLAIMS]
    assert len(claimed) == len(CLAIMS)
    for place in claimed:
        assert lines[place - 1].startswith("UNVERIFIED WORDING · ") and not SUPPORT.search(lines[place - 1])
    told = json.loads(CliRunner().invoke(cli_findings.app, ["findings", "lists", "--json"]).output)
    assert [next(iter(each.items())) for each in told] == [("status", STATUS)] * len(CLAIMS)
    assert {each["counted"] for each in told} == {None}


def _in_the_dashboard(study: Study) -> None:
    standings = evidence.of(study)
    assert {each.status for each in standings} == {STATUS}
    rows = listing.listed(standings, [""] * len(standings))
    said = [claim.partition(" more often ") for claim in rows["claim"]]
    assert {words for _, _, words in said} == set(CLAIMS)
    assert {begun for begun, _, _ in said} <= {"Unverified wording: A", "Unverified wording: B"}
    assert set(rows["status"]) == {STATUS}
    assert not {"A", "B", "q", "net share", "for"} & set(rows.columns)


CLAIM = re.compile("|".join(map(re.escape, CLAIMS)))


def _place(text: str) -> int:
    return next(place for place, claim in enumerate(CLAIMS) if claim in text)
