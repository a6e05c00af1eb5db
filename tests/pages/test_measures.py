"""Measures on the page where a study opens: a line each, before anything is encoded too."""

import pytest

from diffing.diff import measures
from diffing.study import imports
from pages.parts.answer import measures as section
from tests.fakes import finding_study, logs
from tests.pages.test_pages import opened


def test_a_study_that_was_never_encoded_shows_its_measures_below_the_steps_to_do() -> None:
    folder = logs.INSPECT
    study = imports.into("asked", logs.brought(folder / "questions-before.eval", folder / "questions-after.eval"))
    app = opened("pages/answer.py", study="asked")
    assert "Measures" in [each.value for each in app.subheader]
    rows = measures.table(study, *study.sides()).to_dict("records")
    lines = next(each.value for each in app.markdown if "includes" in each.value)
    assert lines.count("\n- ") == len(rows) - 1
    assert all(f"- {section.line(row)}" in lines for row in rows)
    table = app.dataframe[0].value
    assert table["measure"].tolist() == [row["measure"] for row in rows]
    assert table["left out"].tolist() == [1, 1, 1, 1]


def test_a_study_without_measures_has_no_such_section(monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened("pages/answer.py", study=finding_study.make(monkeypatch).name)
    assert "Measures" not in [each.value for each in app.subheader]
