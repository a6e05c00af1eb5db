"""All studies in a few lines: what comes next, in which order, and what a search finds."""

import os

import pytest

from diffing import overview
from diffing.common import jsonl
from diffing.findings import findings, judging
from diffing.labels import digest
from diffing.models.providers import Checkpoint
from diffing.study import prompts, sample
from diffing.study.study import Study
from tests.fakes import finding_study


def test_before_a_diff_the_next_step_is_said_and_how() -> None:
    sides = [Checkpoint(key=k, name=k, source=f"openai:{k}") for k in "ab"]
    Study.create("bare", sides)
    Study.create("asked", sides, prompts.bundled().head(10))
    brought = [Checkpoint(key=k, name=k, source="import") for k in "ab"]
    Study.create("brought", brought, prompts.bundled().head(10))
    sample.create("answered")
    told = {name: overview.of(name) for name in ("bare", "asked", "brought", "answered")}
    assert {name: (each.next, each.how) for name, each in told.items()} == {
        "bare": ("It has no prompts yet: add some.", "python -m diffing prompts bare --add FILE"),
        "asked": ("Next: ask the checkpoints, 20 answers in all.", "python -m diffing collect asked"),
        "brought": ("It has no answers yet: bring some.", "python -m diffing import brought FILE"),
        "answered": ("Next: have the answers read.", "python -m diffing encode answered"),
    }
    assert told["answered"].size == "60 prompts · 240 answers"


def test_a_compared_study_says_what_its_pages_say(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    told = overview.of("study")
    assert (told.sentence, told.next) == (digest.of(study).sentence, "")
    assert told.sentence.startswith("B's answers are 7\u00a0% longer")
    assert len(told.changes) == 3
    assert told.findings == ""
    made = findings.add(study, "speaks of cake", "b", author="Ada", features=[2])
    findings.add(study, "counts its items", "b", author="rules", author_kind="rule", origin="template")
    assert overview.of("study").findings == "2 findings: 1 drafted, 1 by hand, none judged"
    told_by_a_judge = {"version": judging.VERSION, "error": "", "verdicts": [{"claim": made.wording}]}
    jsonl.append(judging.path_of(study), told_by_a_judge)
    assert overview.of("study").findings == "2 findings: 1 drafted, 1 by hand, 1 judged"


def test_the_last_changed_comes_first_and_what_does_not_open_last() -> None:
    for name, moment in (("old", 1e6), ("new", 1e6 + 9), ("middle", 1e6 + 5)):
        folder = sample.create(name).folder
        for path in folder.iterdir():
            os.utime(path, (moment, moment))
    broken = sample.create("broken").folder
    (broken / "study.toml").write_text("name = [")
    assert [each.name for each in overview.every()] == ["new", "middle", "old", "broken"]
    assert "is not TOML" in overview.of("broken").fault


def test_a_search_finds_words_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    finding_study.make(monkeypatch)
    told = overview.of("study")
    assert [told.matches(words) for words in ("", "STUDY longer", "numbered", "study nowhere")] == [
        True, True, True, False,
    ]  # fmt: skip
