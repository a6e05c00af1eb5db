"""The home page: what each study needs next, and what opening the sample starts."""

import html
from collections.abc import Sequence
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from diffing import jobs
from diffing.common.files import PROJECT
from diffing.diff import stored
from diffing.labels import digest
from diffing.models.providers import Checkpoint
from diffing.study import prompts, sample
from diffing.study.study import Study, names
from tests.fakes import finding_study

PAGE = str(PROJECT / "dashboard.py")


def home(*_: Study) -> AppTest:
    """The page; which studies there are then stands where it is opened."""
    page = AppTest.from_file(PAGE, default_timeout=300).run()
    assert not page.exception
    return page


def leads(page: AppTest) -> str:
    """The address that a click has sent the browser to."""
    (script,) = [each.value for each in page.html if "location.assign" in each.value]
    return script.split('"')[1]


def greet(name: str = "greet") -> Study:
    """A study that nobody has answered yet."""
    sides = [Checkpoint(key=k, name=f"model {k} of {name}", source=f"openai:{k}") for k in "ab"]
    return Study.create(name, sides, prompts.bundled().head(10))


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
    assert leads(page) == "answer?study=sample"
    assert len(Study.open("sample").responses()) == 240
    assert started == [("sample", "encode", ["diff"])]


def test_opening_the_sample_takes_the_steps_that_it_lacks(started: list[tuple[str, str, list[str]]]) -> None:
    sample.create()
    home().button(key="open-sample").click().run()
    assert started == [("sample", "encode", ["diff"])]


def test_opening_another_study_starts_nothing(started: list[tuple[str, str, list[str]]]) -> None:
    greet()
    page = home().button(key="open-greet").click().run()
    assert leads(page) == "run?study=greet"
    assert started == []


def test_a_study_of_the_samples_name_is_left_alone() -> None:
    greet("sample")
    labels = [b.label for b in home().button]
    assert "Open" in labels and "Make the sample study" not in labels


def said(page: AppTest) -> str:
    """All that the page's own HTML says."""
    return " ".join(each.value.replace("&nbsp;", " ") for each in page.html)


def test_a_study_shows_what_it_needs_next() -> None:
    page = home(greet())
    assert [s.value for s in page.subheader] == ["greet"]
    assert "Next: ask the checkpoints, 20 answers in all. <code>python -m diffing collect greet</code>" in said(
        page
    )


def test_a_compared_study_says_what_changed_and_opens_there(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    told = digest.of(study)
    page = home(study)
    assert f"<div class='says'>{html.escape(told.sentence)}</div>" in said(page)
    assert [f"{html.escape(each.name)} <i>{each.figures}</i>" in said(page) for each in told.changes] == [True] * 3
    page.button(key="open-study").click().run()
    assert leads(page) == "answer?study=study"


def test_no_prompt_and_no_answer_is_read_for_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    greet()

    def read(*_: object, **__: object) -> None:
        raise AssertionError("read")

    monkeypatch.setattr(Study, "prompts", read)
    monkeypatch.setattr(Study, "responses", read)
    assert {s.value for s in home(study).subheader} == {"study", "greet"}


def test_a_study_whose_diff_is_no_longer_true_says_so_and_one_click_redoes_it(
    monkeypatch: pytest.MonkeyPatch, started: list[tuple[str, str, list[str]]]
) -> None:
    study = finding_study.make(monkeypatch)
    again = f"redo-{study.name}"
    assert again not in [button.key for button in home(study).button]
    # Touched and the same is as true as before.
    (study.folder / "prompts.csv").touch()
    assert again not in [button.key for button in home(study).button]
    study.add_prompts(prompts.bundled().head(1))
    page = home(study)
    assert "Prompts or answers have changed since it was compared." in [each.value for each in page.markdown]
    page.button(key=again).click().run()
    assert started == [(study.name, "diff", [])]
    monkeypatch.setattr(stored, "METHOD", stored.METHOD + 1)
    page = home(study)
    assert "This was computed by an older method." in [each.value for each in page.markdown]
    assert again in [button.key for button in page.button]


def test_a_search_leaves_the_studies_that_have_its_words() -> None:
    for name in ("one", "two", "three", "four"):
        greet(name)
    page = home()
    assert {s.value for s in page.subheader} == {"one", "two", "three", "four"}
    page.text_input(key="q-studies").set_value("MODEL TWO").run()
    assert [s.value for s in page.subheader] == ["two"]
    page.text_input(key="q-studies").set_value("nowhere").run()
    assert [s.value for s in page.subheader] == []
    assert page.caption[-1].value == "No study has these words."


def test_a_study_is_renamed_copied_deleted_and_put_back() -> None:
    greet()
    page = home()
    page.text_input(key="new-name-greet").set_value("hello").run()
    page.button(key="rename-greet").click().run()
    assert names() == ["hello"]
    page.button(key="duplicate-hello").click().run()
    assert names() == ["hello", "hello-2"]
    page.text_input(key="new-name-hello").set_value("hello-2").run()
    page.button(key="rename-hello").click().run()
    assert page.error[0].value.startswith("Study 'hello\\-2' exists already")
    page.button(key="delete-hello").click().run()
    assert names() == ["hello-2"]
    (back,) = [button for button in page.button if button.label == "Put back"]
    back.click().run()
    assert names() == ["hello", "hello-2"]
    assert not page.exception and not page.error


def test_a_study_that_does_not_open_is_shown_with_its_fault(own_home: Path) -> None:
    folder = own_home / "studies" / "broken"
    folder.mkdir(parents=True)
    (folder / "study.toml").write_text("format = 99\n")
    assert "written in format 99" in home().error[0].value
