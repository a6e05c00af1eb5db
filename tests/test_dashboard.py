from pathlib import Path

from streamlit.testing.v1 import AppTest

from diffing import prompts
from diffing.study import Checkpoint, Study

PAGE = str(Path(__file__).parent.parent / "dashboard.py")


def home() -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=30).run()
    assert not page.exception
    return page


def test_an_empty_home_makes_the_sample_study() -> None:
    page = home()
    assert [b.label for b in page.button] == ["Make the sample study"]
    page.button[0].click().run()
    assert [s.value for s in page.subheader] == ["sample"]
    assert len(Study.open("sample").responses()) == 240


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
