"""The home page: what each study needs next, and what opening the sample starts."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from diffing import jobs
from diffing.common.files import PROJECT
from diffing.models.providers import Checkpoint
from diffing.study import prompts, sample
from diffing.study.study import Study

PAGE = str(PROJECT / "dashboard.py")


def home() -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=300).run()
    assert not page.exception
    return page


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, list[str]]]:
    """The jobs that would have been started, with what follows each."""
    begun: list[tuple[str, str, list[str]]] = []

    def start(study: Study, kind: str, options: object = None, then: Sequence[str] = ()) -> None:
        assert options is None
        begun.append((study.name, kind, list(then)))

    monkeypatch.setattr(jobs, "start", start)
    return begun


def test_an_empty_home_makes_the_sample_and_leads_to_its_features(
    started: list[tuple[str, str, list[str]]],
) -> None:
    page = home()
    assert [b.label for b in page.button] == ["Make the sample study"]
    page.button[0].click().run()
    assert not page.exception
    assert [t.value for t in page.title] == ["What changed"]
    assert len(Study.open("sample").responses()) == 240
    assert started == [("sample", "encode", ["diff"])]


def test_opening_the_sample_takes_the_steps_that_it_lacks(started: list[tuple[str, str, list[str]]]) -> None:
    sample.create()
    home().button(key="open-sample").click().run()
    assert started == [("sample", "encode", ["diff"])]


def test_opening_another_study_starts_nothing(started: list[tuple[str, str, list[str]]]) -> None:
    sides = [Checkpoint(key=k, name=f"model {k}", source=f"openai:{k}") for k in "ab"]
    Study.create("greet", sides, prompts.bundled().head(10))
    page = home().button(key="open-greet").click().run()
    assert [t.value for t in page.title] == ["Run"]
    assert started == []


def test_a_study_of_the_samples_name_is_left_alone() -> None:
    sides = [Checkpoint(key=k, name=f"model {k}", source=f"openai:{k}") for k in "ab"]
    Study.create("sample", sides, prompts.bundled().head(10))
    assert [b.label for b in home().button] == ["New study", "Open"]


def test_a_study_shows_what_it_needs_next() -> None:
    sides = [Checkpoint(key=k, name=f"model {k}", source=f"openai:{k}") for k in "ab"]
    Study.create("greet", sides, prompts.bundled().head(10))
    page = home()
    assert [s.value for s in page.subheader] == ["greet"]
    assert page.code[0].value == "python -m diffing collect greet"


def test_a_study_that_does_not_open_is_shown_with_its_fault(own_home: Path) -> None:
    folder = own_home / "studies" / "broken"
    folder.mkdir(parents=True)
    (folder / "study.toml").write_text("format = 99\n")
    assert "written in format 99" in home().error[0].value
