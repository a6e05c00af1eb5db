"""The page of prompts: files that can be imported, and files that cannot."""

from streamlit.testing.v1 import AppTest

from diffing.study import sample
from diffing.study.study import Study
from tests.pages.test_address import opened


def brought(study: Study, name: str, content: bytes, kind: str) -> AppTest:
    app = opened("prompts", study.name)
    app.file_uploader(key="file").set_value((name, content, kind)).run()
    assert not app.exception
    return app


def test_a_file_that_cannot_be_read_leaves_the_other_tabs_alone() -> None:
    app = brought(sample.create(), "mine.xyz", b"?", "application/octet-stream")
    assert "is of no known kind" in app.error[0].value.replace("\\", "")
    assert any(button.label == "Write prompts" for button in app.button)


def test_another_file_has_its_own_guess_of_columns() -> None:
    app = brought(sample.create(), "one.csv", b"question,topic\nWhat is a roux?,food\n", "text/csv")
    guessed = {box.label: box.value for box in app.selectbox if box.label.startswith("Column for")}
    assert guessed == {
        "Column for text": "question",
        "Column for messages": "(none)",
        "Column for category": "(none)",
        "Column for tags": "(none)",
    }
    app.file_uploader(key="file").set_value(("two.csv", b"text,category\nIs Rome hot?,travel\n", "text/csv")).run()
    guessed = {box.label: box.value for box in app.selectbox if box.label.startswith("Column for")}
    assert (guessed["Column for text"], guessed["Column for category"]) == ("text", "category")


def test_a_file_is_imported() -> None:
    study = sample.create()
    before = len(study.prompts())
    app = brought(study, "one.csv", b"question\nWhat is a roux?\n", "text/csv")
    next(button for button in app.button if button.label == "Import 1 prompt").click().run()
    assert not app.exception
    assert app.success[0].value == "Added 1; 0 were there already."
    assert study.prompts()["text"].tolist()[before:] == ["What is a roux?"]
