"""Hostile addresses and uploads: every page answers with itself or with a sentence, and shows no path of ours."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from bench.addresses import NAMES, PAGES, PATIENCE, addresses, make, opened
from diffing.common.files import PROJECT
from diffing.study.study import Study

pytestmark = pytest.mark.attack("R16")

LONG = "9" * 5000
NUMBERS = ["-1", "\0"]
"""What is no number here; tests/pages/test_address.py tries what only Python would take for one."""

TRIED: dict[str, dict[str, list[str]]] = {
    "feature": {"feature": [*NUMBERS, "", "9" * 19], "pair": NUMBERS, "order": [""]},
    "features": {
        "only": [LONG, "-1,²,3" + ",7" * 5000, "\0"],
        "group": ["", "nope"],
        "view": ["", "nope"],
        "q": ["("],
    },
    "compare": {
        "feature": NUMBERS,
        "draw": ["", "draw 0", f"draw {LONG}"],
        "prompt": ["../..", "\0"],
        "probe": ["nope"],
        "show": [""],
    },
    "findings": {
        "features": [f"-1,²,{LONG}", "\0"],
        "finding": ["²", "../.."],
        "probes": [","],
        "show": ["", "nope"],
    },
    "prompts": {"category": ["nope"], "split": [""], "q": ["[a-"]},
    "run": {"a": ["", "c"], "b": ["a", LONG]},
    "new": {"study": ["../.."]},
    "": {"study": ["\0"]},
}
"""By page, what each parameter of it is given."""

NAMED = ["", "..", "../..", "/etc/passwd", "\0", "x" * 300]
"""Studies that are not there."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with one study, which no test here changes."""
    folder = tmp_path_factory.mktemp("asked-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(folder))
        make(patch)
    yield folder


@pytest.fixture
def study(home: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv("DIFFING_HOME", str(home))
    return Study.open("study")


@pytest.mark.parametrize(("where", "name"), [(where, name) for where, tried in TRIED.items() for name in tried])
def test_a_page_takes_any_value(study: Study, where: str, name: str) -> None:
    values = TRIED[where][name]
    ends = [opened(where, {"study": study.name} | {name: value}).fault for value in values]
    assert dict(zip(values, ends, strict=True)) == dict.fromkeys(values, "")


@pytest.mark.usefixtures("study")
def test_a_study_that_is_not_there_is_a_sentence() -> None:
    ends = {name: opened("features", {"study": name}) for name in NAMED}
    assert {name: (end.fault, end.told != "") for name, end in ends.items()} == dict.fromkeys(NAMED, ("", True))


def test_a_parameter_that_stands_twice_is_one_or_a_sentence(study: Study) -> None:
    query: dict[str, str | list[str]] = {
        "study": study.name,
        "draw": ["", "draw 1", "draw 2"],
        "feature": ["1", "²"],
    }
    assert opened("compare", query).fault == ""


def test_addresses_drawn_by_chance_go_to_every_page_with_every_parameter() -> None:
    drawn = list(addresses(300, seed=1))
    assert {where for where, _ in drawn} == set(PAGES)
    assert {name for _, query in drawn for name in query} == set(NAMES)


UPLOADS: dict[str, tuple[str, str]] = {
    "deep.json": ("[" * 100_000 + "]" * 100_000, "it is nested too deeply"),
    "deep.jsonl": ('{"text": ' + "[" * 100_000 + "]" * 100_000 + "}\n", "it is nested too deeply"),
    "long.json": ('[{"text": ' + "9" * 5000 + "}]", "a number has too many digits"),
    "long.jsonl": ('{"text": ' + "9" * 5000 + "}\n", "a number has too many digits"),
    "turns.jsonl": (
        json.dumps({"messages": "[" * 100_000}) + "\n",
        "the conversation is not JSON (it is nested too deeply)",
    ),
    "digits.jsonl": (
        json.dumps({"messages": "[" + "9" * 5000 + "]"}) + "\n",
        "the conversation is not JSON (a number has too many digits)",
    ),
}


def told(app: AppTest) -> list[str]:
    assert not app.exception, app.exception[0].value
    return [element.value.replace("\\", "") for element in app.error]


@pytest.mark.parametrize("name", UPLOADS)
def test_an_odd_file_of_prompts_is_a_sentence(study: Study, name: str) -> None:
    text, said = UPLOADS[name]
    app = AppTest.from_file(str(PROJECT / "dashboard.py"), default_timeout=PATIENCE)
    app.switch_page("pages/prompts.py")
    app.query_params["study"] = study.name
    app.run()
    app.file_uploader(key="file").upload(name, text.encode(), "application/json").run()
    if app.get("button") and any(button.key == "import" for button in app.button):
        app.button(key="import").click().run()
    assert [said in sentence for sentence in told(app)] == [True]


@pytest.mark.parametrize("name", UPLOADS)
def test_an_odd_file_of_answers_is_a_sentence(name: str) -> None:
    text, said = UPLOADS[name]
    app = AppTest.from_file(str(PROJECT / "dashboard.py"), default_timeout=PATIENCE)
    app.switch_page("pages/new.py").run()
    app.text_input(key="import-name").set_value("brought")
    app.file_uploader(key="answers").upload(name, text.encode(), "application/json").run()
    # Said as soon as it is there, and nothing can be taken in.
    assert app.button(key="import").disabled
    if "messages" in text and not told(app):
        # It has no answers to say anything of.
        assert [warning.value for warning in app.warning] == ["No column is chosen for: checkpoint, answer."]
        return
    assert len(told(app)) == 1
    assert name in told(app)[0]
    assert "messages" in text or said in told(app)[0]


def test_half_a_character_in_a_name_is_read(study: Study) -> None:
    app = AppTest.from_file(str(PROJECT / "dashboard.py"), default_timeout=PATIENCE)
    app.switch_page("pages/prompts.py")
    app.query_params["study"] = study.name
    app.run()
    rows: list[dict[str, Any]] = [{"text": "Why so?", "half \ud83d": "\ud83d"}]
    app.file_uploader(key="file").upload("half.json", json.dumps(rows).encode(), "application/json").run()
    assert told(app) == []
    assert ["text", "half \ufffd"] in [list(frame.value.columns) for frame in app.dataframe]
