"""The pages about the code and the method name what there is."""

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from diffing import Study, jobs, labels
from diffing.concepts import search
from diffing.diff import compute, series, timeline
from diffing.diff.stored import Diff
from diffing.gate import check, expression, items
from diffing.reader import encode
from diffing.reader.encodings import Encodings
from diffing.whitebox.sight import seen
from tests.fakes.diff_study import computed, made
from tests.fakes.reader import FakeReader

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "method.md"


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> dict[str, pd.DataFrame]:
    """Every table of a diff with two draws and truncated answers, so that no column is left out."""
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: FakeReader(window=64))
    study = made(draws=2, keys="abc")
    study.add_responses(study.responses().head(4).assign(flag="truncated"))
    found = computed(study)
    keyed: dict[str, Any] = {name: getattr(found, name) for name in compute.TABLES}
    line = series.trend(study, ["a", "b", "c"]).drop(columns="frequency_c")
    rest = series.against_rest(study, "a").drop(columns="frequency_c")
    along = timeline.of(study)
    keyed |= {"timeline": along.items, "points": along.points}
    return keyed | {"named": labels.named(study, found.features, found.a, found.b), "trend": line, "rest": rest}


def test_every_column_is_explained(tables: dict[str, pd.DataFrame]) -> None:
    named = set(re.findall(r"`([a-z_0-9]+)`", PAGE.read_text(encoding="utf-8")))
    assert {name: sorted(set(table.columns) - named) for name, table in tables.items()} == dict.fromkeys(
        tables, []
    )
    assert "q_untruncated" in tables["features"]


def test_every_name_on_the_page_of_the_api_is_there() -> None:
    page = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    tree = ast.parse(code)
    modules: dict[str, Any] = {"study": Study, "encodings": Encodings, "stored": Diff, "job": jobs.Job}
    modules["outcome"], modules["along"], modules["weights"] = check.Checked, timeline.Timeline, seen.Inside
    modules["found"] = search.Found
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                whole = importlib.import_module(str(node.module))
                modules[alias.name] = getattr(whole, alias.name, None) or importlib.import_module(
                    f"{node.module}.{alias.name}"
                )
    asked = {
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    # What only an object has, set when it is made.
    own = {("stored", "summary"), ("encodings", "documents"), ("along", "items"), ("along", "points")}
    assert {(name, attribute) for name, attribute in asked - own if not hasattr(modules[name], attribute)} == set()
    assert ("study", "diff") in asked


def test_the_page_of_the_gate_has_every_name_of_a_rule_as_it_is() -> None:
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    rows = {tuple(row) for row in re.findall(r"^\| `(\w+)` \| (number|text) \| (.+) \|$", page, re.MULTILINE)}
    assert rows == {(name, kind, meaning) for name, (kind, meaning) in items.NAMES.items()}
    assert f"\n{expression.USUAL}\n" in page
    rules = [line.split(" #")[0].strip() for line in page.split("More rules:")[1].split("```")[1].splitlines()]
    read = [check.rule_of(check.Options(fail_on=rule)) for rule in rules if rule]
    assert len(read) == 5


def test_every_path_that_a_page_names_is_there() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("diffing/starter/**/*.md")]
    # Not the hidden folder of the same name in a person's home.
    said = re.compile(r"(?<!\.)\b(?:bench|diffing|docs|examples|pages|tests|tools)/[\w/.-]*\w")
    named = {path for page in pages for path in said.findall(page.read_text(encoding="utf-8"))}
    assert {path for path in named if not (ROOT / path).exists()} == set()
    assert "docs/method.md" in named
