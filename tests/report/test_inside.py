"""The report's section of what was seen from inside: sentence, clues beside nulls, what answers say, no path."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from diffing.diff import compute
from diffing.findings import seen_inside
from diffing.report import facts, inside, last
from diffing.report.facts import Facts
from diffing.study.study import Study
from tests.fakes import report_study
from tests.fakes.report_study import names, section, written
from tests.fakes.seen_inside import QUIET, look

CLUES = [("token", " cake", 3.0), ("phrase", "<b>sea</b> | *voyage*", 2.0), ("direction", "sorry (layer 6)", 1.0)]
NULL = "a turned change of hf:/srv/secret-place/control"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(tmp_path_factory.mktemp("secret-home")))
        report_study.bare(patch)
        study = report_study.make(patch)
        compute.compute(study, "old", "new")
        yield study


@pytest.fixture(scope="module")
def gathered(study: Study) -> Facts:
    return facts.gather(study, "old", "new")


@pytest.fixture(scope="module")
def without(study: Study, gathered: Facts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report before anybody looked inside."""
    assert not gathered.inside.methods
    return written(study, tmp_path_factory.mktemp("reports") / "without")


@pytest.fixture(scope="module")
def report(study: Study, without: Path) -> Path:
    look(study, told=NULL, mining=CLUES, perplexity=CLUES[:1])
    seen_inside.make(study, "cake", "Ann")
    return written(study, without.parent / "with")


def test_a_study_that_was_not_looked_into_says_nothing_of_it(without: Path) -> None:
    assert not [name for name in names(without) if "inside" in name]
    for name in ("report.html", "report.md", "one-page.html", "manifest.json"):
        text = (without / name).read_text()
        assert "seen from inside" not in text.lower() and 'id="inside"' not in text, name


def test_the_section_has_sentence_nulls_and_clues_with_what_answers_say(report: Path) -> None:
    told = section((report / "report.md").read_text(), "Seen from inside").replace("\u00a0", " ")
    assert "Stands out above all nulls: “cake”" in told
    assert "Looked at by perplexity differencing and tokens that became likelier. Held against 4 nulls: " in told
    rows = [line for line in told.splitlines() if line.startswith("| “")]
    cake, voyage, sorry = rows
    assert "Perplexity differencing, Tokens that became likelier" in cake and "3 \\[2.7, 3.3\\]" in cake
    assert "nothing in 4" in cake and "answers show it too: 0 % → " in cake
    assert "not seen in these answers" in voyage and "cannot be counted in answers" in sorry
    assert "corrected over the 2 clues that can be counted" in told
    page = (report / "report.html").read_text()
    assert '<section id="inside">' in page and "&lt;b&gt;sea&lt;/b&gt;" in page and "<b>sea" not in page


def test_options_stand_in_the_appendix_and_the_tables_in_the_folder(report: Path) -> None:
    assert "| inside.mining.shown | 40 |" in (report / "report.md").read_text()
    assert {"inside-clues.csv", "inside-mining.csv", "inside-perplexity.csv"} <= names(report)
    table = pd.read_csv(report / "inside-clues.csv")
    assert table["in_answers"].str.startswith("answers show it too").sum() == 2
    assert set(pd.read_csv(report / "inside-mining.csv")) >= {"kind", "text", "figure", "null_high", "above"}
    one = (report / "one-page.html").read_text()
    assert one.count("Seen from inside: Stands out above all nulls: “cake”") == 1
    assert (report / "report.md").read_text().count("says “cake”") >= 1


def test_no_path_of_this_machine_and_no_earlier_state_is_taken_for_this_one(study: Study, report: Path) -> None:
    for name in names(report):
        if name.endswith((".md", ".html", ".csv", ".json")):
            assert "secret-place" not in (report / name).read_text(), name
    told = last.manifest(report)
    assert told is not None and last.changed(told, last.state(study, "old", "new")) == []
    look(study, told=NULL, nulls=3, mining=CLUES, perplexity=CLUES[:1])
    assert last.changed(told, last.state(study, "old", "new")) == ["what was seen from inside"]


def test_a_null_pair_is_told_without_clues(study: Study, gathered: Facts) -> None:
    look(study, mining=QUIET, perplexity=QUIET)
    found = dataclasses.replace(gathered)
    assert inside.sentences(found)[0] == "The weights differ, but in nothing that the nulls do not show."
    assert inside.table(found).rows == [] and inside.note(found) == ""
