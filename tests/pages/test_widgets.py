"""How pages are built: Streamlit stays in them, every widget has a key, and pages are short."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from diffing import labels
from diffing.common.files import PROJECT
from diffing.labels import history
from diffing.labels.history import Dossier
from diffing.study.study import Study
from pages.parts.keys import fresh
from tests.fakes import finding_study
from tests.pages.test_address import opened

PAGES = sorted([PROJECT / "dashboard.py", *(PROJECT / "pages").rglob("*.py")])
LAYOUT = {"container", "expander", "popover", "tabs", "fragment", "grid", "form"}
"""They hold widgets and remember nothing; a form's key is its first argument."""
OPTIONS = {"get_option", "set_option"}
"""Their key is an option's name."""
KEYED = {
    name
    for name in set(dir(st)) - LAYOUT - OPTIONS
    if inspect.isroutine(getattr(st, name)) and "key" in inspect.signature(getattr(st, name)).parameters
}
LONGEST = {"compare.py": 80, "feature.py": 80, "findings.py": 120}
"""Lines of a page that was once three pages in one."""


def widgets(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Calls of Streamlit's widgets in a file: of `st` itself, or of a column or container."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in KEYED:
            yield f"{path.name}:{node.lineno} {node.func.attr}", node


def test_widgets_are_found_at_all() -> None:
    assert {"button", "text_input", "dataframe", "plotly_chart", "download_button"} <= KEYED
    assert sum(1 for path in PAGES for _ in widgets(path)) > 80


def test_every_widget_has_a_key() -> None:
    bare = [
        where
        for path in PAGES
        for where, call in widgets(path)
        if not any(word.arg == "key" for word in call.keywords)
    ]
    assert bare == []


def test_streamlit_is_known_to_pages_alone() -> None:
    knowing = [
        str(path.relative_to(PROJECT))
        for path in (PROJECT / "diffing").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "streamlit" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("streamlit", "pages"))
    ]
    assert [path for path in knowing if path != "diffing/cli/serve.py"] == []


def test_pages_are_short() -> None:
    for path in PAGES:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= (350 if "parts" in path.parts else LONGEST.get(path.name, 150)), path


def test_a_key_changes_with_what_its_widget_starts_from_and_with_nothing_else() -> None:
    assert fresh("claim", "a") == fresh("claim", "a")
    assert len({fresh("claim", "a"), fresh("claim", "b"), fresh("note", "a"), fresh("claim", "a", "b")}) == 4


def test_the_number_field_follows_the_feature(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch, prompts=80)
    app = opened("feature", study.name, feature=str(finding_study.CAKE))
    before = app.number_input[0].value
    next(button for button in app.button if button.label == "Next").click().run()
    assert (before, str(app.number_input[0].value)) == (finding_study.CAKE, app.query_params["feature"][0])


def test_labels_are_read_once_and_again_when_one_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch, prompts=80)
    read: list[str] = []
    dossiers = labels.dossiers

    def counted(study: Study) -> dict[int, Dossier]:
        read.append(study.name)
        return dossiers(study)

    monkeypatch.setattr(labels, "dossiers", counted)
    app = opened("feature", study.name, feature=str(finding_study.CAKE))
    app.run()
    assert read == ["study"]
    history.edit(study, labels.sae_of(study.settings.reader), finding_study.CAKE, "cake", "Ada")
    app.run()
    assert read == ["study", "study"]
    assert any("<b>cake</b>" in html.value for html in app.html)
