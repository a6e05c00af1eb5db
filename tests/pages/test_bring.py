"""Bringing answers on the page of a new study: the preview, the columns, and what the button waits for."""

import pytest
from streamlit.testing.v1 import AppTest

from diffing.common.files import PROJECT
from diffing.study.study import Study, names
from tests.fakes.logs import INSPECT

LONG = b"asked,who,said,prompt\nHi,old,Hello.,x\nHi,new,Hey!,x\nBye,old,Goodbye.,x\nBye,new,Ciao,x\n"


@pytest.fixture
def app() -> AppTest:
    page = AppTest.from_file(str(PROJECT / "dashboard.py"), default_timeout=120)
    return page.switch_page("pages/new.py").run()


def waits_for(app: AppTest) -> str:
    """What is said beside a button that cannot be pressed; empty where it can."""
    said = [caption.value for caption in app.caption if " first" in caption.value and caption.value.endswith(".")]
    return said[-1] if app.button(key="import").disabled else ""


def column(app: AppTest, label: str, name: str) -> AppTest:
    (box,) = [box for box in app.selectbox if box.label == label]
    return box.set_value(name).run()


def test_the_button_says_what_it_waits_for(app: AppTest) -> None:
    assert waits_for(app) == "Give the study a name first."
    app.text_input(key="import-name").set_value("mine").run()
    assert waits_for(app) == "Choose a file first."
    app.file_uploader(key="answers").upload("a.csv", b"one,two\n1,2\n", "text/csv").run()
    assert waits_for(app) == "Say first what the files hold."
    assert [warning.value for warning in app.warning] == ["No column is chosen for: prompt, checkpoint, answer."]
    assert app.dataframe[0].value.to_dict("list") == {"one": ["1"], "two": ["2"]}


def test_columns_of_other_names_are_chosen_and_the_first_answers_shown(app: AppTest) -> None:
    app.text_input(key="import-name").set_value("mine").run()
    app.file_uploader(key="answers").upload("a.csv", LONG, "text/csv").run()
    column(app, "Prompt", "asked")
    column(app, "Checkpoint", "who")
    column(app, "Answer", "said")
    assert not app.exception and not app.warning and not app.error
    assert app.dataframe[0].value.to_dict("list") == {
        "prompt": ["Hi", "Hi", "Bye", "Bye"],
        "checkpoint": ["old", "new", "old", "new"],
        "answer": ["Hello.", "Hey!", "Goodbye.", "Ciao"],
    }
    assert any(caption.value.startswith("4 answers to 2 prompts; A is old, B is new.") for caption in app.caption)
    assert waits_for(app) == ""
    app.button(key="import").click().run()
    assert any('"run?study=mine"' in sent.value for sent in app.html)
    study = Study.open("mine")
    assert study.prompts()["text"].tolist() == ["Hi", "Bye"]
    assert sorted(study.responses()["text"]) == ["Ciao", "Goodbye.", "Hello.", "Hey!"]


def test_names_that_say_it_need_no_choice_and_a_bad_row_is_said_at_once(app: AppTest) -> None:
    app.text_input(key="import-name").set_value("mine").run()
    app.file_uploader(key="answers").upload(
        "a.csv", b"prompt,response_a,response_b\n,Hello.,Hey!\n", "text/csv"
    ).run()
    assert [error.value for error in app.error] == ["'a\\.csv' has no prompt in row 1; fill it or drop the row\\."]
    assert app.button(key="import").disabled
    assert names() == []


def test_a_column_chosen_twice_is_refused(app: AppTest) -> None:
    app.file_uploader(key="answers").upload("a.csv", LONG, "text/csv").run()
    column(app, "Checkpoint", "who")
    column(app, "Answer", "who")
    assert [warning.value for warning in app.warning] == ["Column 'who' is chosen twice; choose another one."]


def test_logs_of_both_checkpoints_come_in_together_with_their_scores(app: AppTest) -> None:
    app.text_input(key="import-name").set_value("evals").run()
    logs = [INSPECT / "tools-before.eval", INSPECT / "tools-after.eval"]
    app.file_uploader(key="answers").set_value(
        [(log.name, log.read_bytes(), "application/zip") for log in logs]
    ).run()
    assert not app.exception and not app.error
    assert any(
        "A is mockllm/before, B is mockllm/after" in caption.value.replace("\\", "") for caption in app.caption
    )
    assert app.dataframe[0].value["answer"].tolist() == [
        f"Take an umbrella, says {name}." for name in ("before", "after")
    ]
    assert app.dataframe[1].value["measures"].tolist() == [["includes"], ["includes"]]
    app.button(key="import").click().run()
    assert len(Study.open("evals").measures()) == 2


def test_two_logs_of_one_model_ask_for_names(app: AppTest) -> None:
    app.text_input(key="import-name").set_value("evals").run()
    log = (INSPECT / "tools-before.eval").read_bytes()
    app.file_uploader(key="answers").set_value(
        [("a.eval", log, "application/zip"), ("b.eval", log, "application/zip")]
    ).run()
    assert ["both answer the same prompts" in error.value for error in app.error] == [True]
    (field,) = [box for box in app.text_input if box.label.startswith("Names of the checkpoints")]
    field.set_value("one, two").run()
    assert not app.error and waits_for(app) == ""


def test_two_columns_of_answers_are_seen_and_how_many_prompts_pair_is_said(app: AppTest) -> None:
    app.text_input(key="import-name").set_value("mine").run()
    app.file_uploader(key="answers").upload(
        "a.csv", b"prompt,old,new\nHi,Hello.,Hey!\nBye,Bye.,\n", "text/csv"
    ).run()
    assert not app.exception and not app.warning and not app.error
    said = [caption.value for caption in app.caption]
    assert any(line.startswith("4 answers to 2 prompts; A is old, B is new.") for line in said)
    assert any("1 of 2 prompts would have answers of both 'old' and 'new'" in line for line in said)
    app.text_input(key="import-name").set_value("not a name").run()
    assert ["is no study name" in error.value for error in app.error] == [True]


def test_exported_answers_ask_for_their_prompts(app: AppTest) -> None:
    table = b"prompt_id,checkpoint,draw,text\nabc,old,0,Hello.\nabc,new,0,Hey!\n"
    app.file_uploader(key="answers").upload("x-responses.csv", table, "text/csv").run()
    (error,) = app.error
    assert "names its prompts by id alone; bring the prompts that were exported with it" in error.value
