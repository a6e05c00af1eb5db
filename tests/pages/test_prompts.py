"""The page of prompts: files that can be imported, and files that cannot."""

import pytest
from streamlit.testing.v1 import AppTest

from diffing.study import sample
from diffing.study.study import Study
from pages.parts.keys import fresh
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


def chosen(app: AppTest, study: Study, rows: list[int]) -> AppTest:
    app.session_state[fresh("table", *study.prompts()["id"])] = {"selection": {"rows": rows}}
    return app.run()


@pytest.mark.attack("R11")
def test_taking_prompts_out_leaves_what_others_did_meanwhile() -> None:
    study = sample.create()
    ids = study.prompts()["id"].tolist()
    app = chosen(opened("prompts", study.name), study, [0, 2])
    study.activate(ids[5:7], False)
    app.button(key="deactivate").click().run()
    assert not app.exception
    assert study.prompts().set_index("id")["active"].loc[lambda active: ~active].index.tolist() == [
        ids[number] for number in (0, 2, 5, 6)
    ]


@pytest.mark.attack("R11")
def test_a_choice_made_in_a_table_that_has_changed_since_is_to_be_made_again() -> None:
    study = sample.create()
    app = chosen(opened("prompts", study.name), study, [0, 2])
    assert app.button(key="deactivate").label == "Deactivate 2 selected"
    # By hand, so that other prompts stand in the places that were chosen.
    table = study.prompts()
    study.save_prompts(table.iloc[::-1])
    app.button(key="deactivate").click().run()
    assert [warning.value for warning in app.warning] == [
        "The prompts have changed since you chose; choose again."
    ]
    assert study.prompts()["active"].all()
