"""Links: every parameter and value that an address may have, today's and older ones, and what wrong ones do."""

import ast
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from bench import addresses
from diffing.common.files import PROJECT
from diffing.findings import findings
from diffing.study import sample
from diffing.study.study import Study
from pages.parts import address
from tests.fakes import finding_study
from tests.fakes.finding_study import CAKE, ITEMS, TEA

PAGES = sorted([PROJECT / "dashboard.py", *(PROJECT / "pages").rglob("*.py")])
TWO = str(2)
NO_NUMBERS = ["²", "x", "-1", "1.5", "9" * 5000]
SHOWN = ["²", "9" * 5000]
"""Those of them that a page is tried with: a digit to Python that is no number, and one that it cannot read."""


def opened(page: str, study: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(PROJECT / "dashboard.py"), default_timeout=60)
    app.switch_page(f"pages/{page}.py")
    for name, value in {"study": study, **query}.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, (query, app.exception[0].value)
    return app


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    return finding_study.make(monkeypatch, prompts=80)


WIDGETS: dict[str, list[tuple[str, str, Any]]] = {
    "prompts": [
        ("category", "plain", ["plain"]),
        ("split", "discovery", "discovery"),
        ("split", "held-out", "held-out"),
        ("q-prompts", "Question 3", "Question 3"),
    ],
    "features": [
        ("view", "plain", "presence"),
        ("view", "presence", "presence"),
        ("view", "strength", "strength"),
        ("view", "equal length", "equal length"),
        ("view", "per 1,000 tokens", "per 1,000 tokens"),
        ("more", "A", "A"),
        ("more", "B", "B"),
        ("q-features", "cake", "cake"),
        ("group", "plain", "plain"),
        ("with-length", "true", True),
        ("replicated", "true", True),
        ("labelled", "true", True),
        ("open", "true", True),
        ("weak", "true", True),
        ("weak", "false", False),
    ],
    "feature": [
        ("order", "most different", "most different"),
        ("order", "strongest", "strongest"),
        ("order", "against the difference", "against the difference"),
        ("order", "random", "random"),
        ("held", "true", True),
        ("held", "1", True),
        ("second", TWO, TWO),
        ("evidence", "pair", "pair"),
        ("evidence", "snippets", "snippets"),
        ("with", "true", True),
    ],
    "compare": [
        ("show", "Answers", "Answers"),
        ("show", "Vote blind", "Vote blind"),
        ("show", "Surface probes", "Surface probes"),
        ("show", "Any text", "Any text"),
        ("category", "plain", "plain"),
        ("q-compare", "Question 3", "Question 3"),
        ("rendered", "true", True),
        ("words", "true", True),
        ("held", "true", True),
        ("held", "1", True),
        ("every", "true", True),
    ],
    "search": [
        ("property", "cake", "cake"),
        ("by", "labels", "labels"),
        ("by", "examples", "examples"),
        ("held-too", "true", True),
    ],
    "findings": [
        ("show", "Findings", "Findings"),
        ("show", "Draft", "Draft"),
        ("show", "Verify", "Verify"),
        ("show", "Without features", "Language-model baseline"),
        ("show", "Rival", "Language-model baseline"),
        ("show", "Report", "Report"),
    ],
    "findings, listed": [
        ("status", "unverified wording", "unverified wording"),
        ("status", "needs a reason", "needs a reason"),
        ("q-findings", "cake", "cake"),
    ],
}
"""By page, and view where one needs its own: a parameter that belongs to a widget, a value that links have, and
what the widget makes of it."""


@pytest.mark.parametrize("page", WIDGETS)
def test_every_link_sets_its_widget(study: Study, page: str) -> None:
    findings.add(study, "gives its steps as a numbered list", "a", author="Ada", features=[ITEMS])
    findings.add(study, "speaks of cake", "b", author="Ada", features=[CAKE])
    rows, page = WIDGETS[page], page.partition(",")[0]
    while rows:
        # Of each parameter one value at a time, all in one link: each sets its own widget and no other.
        link = {name: (written, value) for name, written, value in reversed(rows)}
        rows = [(name, written, value) for name, written, value in rows if link[name] != (written, value)]
        app = opened(page, study.name, **{name: written for name, (written, _) in link.items()})
        for name, (written, value) in link.items():
            assert app.session_state[name] == value, (name, written)


@pytest.mark.parametrize(
    ("view", "name"), [("Draft", "writer"), ("Verify", "judge"), ("Language-model baseline", "reading")]
)
def test_whom_to_ask_stands_in_the_link(study: Study, view: str, name: str) -> None:
    app = opened("findings", study.name, show=view, **{name: "openrouter:some/model"})
    assert app.text_input(key=name).value == "openrouter:some/model"


def test_who_rates_stands_in_the_link(study: Study) -> None:
    app = opened("findings", study.name, show="Without features", rater="openrouter:other/model")
    assert app.text_input(key="rater").value == "openrouter:other/model"


def test_a_link_names_the_checkpoints(study: Study) -> None:
    for page in ("run", "features", "compare", "findings"):
        app = opened(page, study.name, a="b", b="a")
        assert [app.selectbox(key=side).value for side in "ab"] == ["b", "a"]
        said = opened(page, study.name, a="nobody").warning
        assert "has no checkpoint 'nobody'" in said[-1].value


def test_a_link_names_feature_and_pair(study: Study) -> None:
    app = opened("feature", study.name, feature=str(TEA), pair="1")
    assert any(f"<h2>#{TEA} " in html.value for html in app.html)
    assert any(caption.value.startswith("Pair 2 of") for caption in app.caption)
    last = opened("feature", study.name, feature=str(TEA), pair="100000")
    (told,) = [caption.value for caption in last.caption if caption.value.startswith("Pair ")]
    assert told.split()[1] == told.split()[3].rstrip(",")


def test_a_link_names_picked_dots(study: Study) -> None:
    app = opened("features", study.name, only=f"{CAKE},{TEA}")
    assert set(app.dataframe[0].value["feature"]) == {CAKE, TEA}


def test_a_link_names_prompt_feature_probe_draw_and_text(study: Study) -> None:
    prompt = study.prompts().query("split == 'discovery'")["id"].iloc[2]
    app = opened("compare", study.name, prompt=prompt, feature=str(CAKE))
    assert app.selectbox(key="choose").value == prompt
    assert any(html.value.startswith(f"Marked: <b>#{CAKE}</b>") for html in app.html)
    app = opened("compare", study.name, probe="double spaces")
    assert any(html.value.startswith("Marked: <b>double spaces</b>") for html in app.html)
    app = opened("compare", study.name, show="Any text", text="cake and tea")
    assert app.text_area[0].value == "cake and tea"
    assert set(app.dataframe[0].value["feature"]) == {CAKE, TEA}
    app = opened("compare", sample.create().name, draw="draw 2")
    heads = [html.value for html in app.html if "· draw" in html.value]
    assert [head[-6:] for head in heads] == ["draw 2", "draw 2", "draw 1", "draw 1"]


@pytest.mark.parametrize("held", ["true", "1"])
def test_a_link_fills_the_form_for_a_finding(study: Study, held: str) -> None:
    made = findings.add(study, "speaks of cake", "b", author="Ada", features=[CAKE])
    app = opened("findings", study.name, finding=made.id, features=f"{CAKE},{TEA}", probes="bold,links", held=held)
    # The form of the finding shown has fields of the same names.
    assert [field.value for field in app.text_input if field.label == "Features"] == [f"{CAKE},{TEA}", TWO]
    assert [field.value for field in app.multiselect if field.label == "Probes"] == [["bold", "links"], []]
    assert app.checkbox[0].value is True


@pytest.mark.parametrize("wrong", SHOWN)
def test_a_number_that_is_none_gets_a_sentence_on_every_page(study: Study, wrong: str) -> None:
    said = f"There is no feature '{wrong}' in this diff."
    for page in ("feature", "compare"):
        assert opened(page, study.name, feature=wrong).warning[-1].value.replace("\\", "") == said
    assert (
        opened("compare", study.name, show="Any text", feature=wrong).warning[-1].value.replace("\\", "") == said
    )
    app = opened("feature", study.name, feature=str(CAKE), second=wrong)
    assert any("to underline; they go from 0 to 4." in caption.value for caption in app.caption)
    app = opened("feature", study.name, feature=str(CAKE), pair=wrong)
    assert any(caption.value.startswith("Pair ") for caption in app.caption)


def test_picked_dots_that_are_no_numbers_pick_nothing(study: Study) -> None:
    assert len(opened("features", study.name, only="²").dataframe[0].value) == 4


def test_a_number_names_one_of_so_many_things() -> None:
    assert [address.number(text, below=3) for text in ("0", "2", "3", "²", "", "-1")] == [
        0, 2, None, None, None, None,
    ]  # fmt: skip
    assert address.number("12345") == 12345
    assert [address.number(text) for text in NO_NUMBERS] == [None] * len(NO_NUMBERS)


def test_numbers_are_found_in_what_people_type() -> None:
    assert address.numbers("12,40") == [12, 40]
    assert address.numbers("#12 and #40, 12, ²") == [12, 40]
    assert address.numbers("9" * 5000) == []


def test_a_link_holds_what_is_there_and_nothing_else(study: Study) -> None:
    here = address.Comparison(study, "a", "b")
    assert here.link(feature=0, held=True, probe=None, draw="", every=False) == {
        "study": "study", "feature": "0", "held": "true",
    }  # fmt: skip
    assert address.Comparison(study, "b", "a").link() == {"study": "study", "a": "b", "b": "a"}


def strings(call: ast.Call) -> list[str]:
    return [node.value for node in call.args if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def calls(path: Path) -> list[tuple[str, ast.Call]]:
    """Every call of a file, by the dotted name that is called."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return [(ast.unparse(node.func), node) for node in nodes]


def test_every_parameter_is_tried_here() -> None:
    names: set[str] = set()
    for path in PAGES:
        for name, call in calls(path):
            given = {word.arg: word.value for word in call.keywords}
            key = given.get("key")
            if "bind" in given and isinstance(key, ast.Constant):
                names.add(str(key.value))
            elif name in ("address.text", "address.flag"):
                names.update(strings(call))
            elif name == "steps.model" or name == "_toggle" and path.name == "filters.py":
                names.add(strings(call)[1])
    tried = {name for rows in WIDGETS.values() for name, _, _ in rows}
    apart = {"study", "a", "b", "author", "feature", "pair", "only", "prompt", "probe", "draw", "text", "finding"}
    # Those of checking the judge are in `test_check`, with a judge.
    # The Answer page's are in `test_answer`.
    apart |= {"behaviour", "all", "features", "probes", "writer", "judge", "reading", "rater", "pairs", "question"}
    # The first page's is in `test_dashboard`.
    apart |= {"q-studies"}
    # The choice of a channel is in `test_channel`.
    apart |= {"channel"}
    # A preview takes a report: `test_findings` has one.
    apart |= {"preview"}
    # The timeline's is in `test_timeline`.
    apart |= {"checkpoints"}
    # The gate's are in `test_gate`.
    apart |= {"rule", "fail-on", "baseline", "gated"}
    # Those of a look inside are in `test_inside`, those of both models live in `test_live`.
    apart |= {"method", "layer", "raw", "start", "steer"}
    # Those of dictionaries are in `test_dictionaries`, the benchmark's in `test_benchmark`.
    apart |= {"dictionary", "latent", "run"}
    assert names <= tried | apart
    assert names <= set(addresses.NAMES)
    assert tried <= names


def test_one_module_alone_touches_the_address() -> None:
    touching = {
        path.name
        for path in PAGES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "query_params"
    }
    assert touching == {"address.py"}


def test_every_link_is_made_by_the_address() -> None:
    made = {
        ast.unparse(word.value).split("(")[0]
        for path in PAGES
        for _, call in calls(path)
        for word in call.keywords
        if word.arg == "query_params"
    }
    assert made == {"here.link", "address.written", "to"}
