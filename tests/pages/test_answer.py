"""The page where a study opens: the sentence, behaviours with a pair each, and what is asked of them in place."""

import re
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from diffing import diff
from diffing.common import files
from diffing.diff import answer, unchanged
from diffing.diff.stored import Diff
from diffing.findings import findings
from diffing.study.study import Study
from tests.fakes import finding_study
from tests.pages.test_pages import opened


@pytest.fixture
def diffed(monkeypatch: pytest.MonkeyPatch) -> Study:
    return finding_study.make(monkeypatch)


def loaded(study: Study) -> Diff:
    return diff.load(study, "a", "b")


def page(study: Study, **query: str) -> AppTest:
    return opened("pages/answer.py", study=study.name, **query)


def rows(app: AppTest) -> list[str]:
    """The behaviours as a reader sees them, without markup."""
    bodies = [element.proto.body for element in app.get("html")]
    return [re.sub(r"<[^>]+>", " ", body) for body in bodies if 'class="bhead"' in body]


def sentence(app: AppTest) -> str:
    return str(next(element.proto.body for element in app.get("html") if "class='said'" in element.proto.body))


def marked(app: AppTest, name: str) -> list[str]:
    """The sides of the marks in a behaviour's pair."""
    bodies = [element.proto.body for element in app.get("html")]
    body = next(body for body in bodies if 'class="bhead"' in body and name in body)
    return re.findall(r'<bdi class="(a|b)10">', body)


def button(app: AppTest, key: str) -> Any:
    return next(each for each in app.button if each.key == key)


def test_the_sentence_comes_first_and_every_behaviour_with_figures_and_a_pair_that_shows_it(diffed: Study) -> None:
    app = page(diffed)
    assert answer.sentence(loaded(diffed)) in sentence(app).replace("&#x27;", "'")
    told = [each for each in answer.behaviours(loaded(diffed)) if each.confirmed == "yes" and each.said]
    shown = rows(app)
    assert len(shown) == len(told) == 5
    lists = next(row for row in shown if "uses numbered lists" in row)
    assert "B more often uses numbered lists" in " ".join(lists.split())
    assert "confirmed on new prompts" in lists and "not explained by length" in lists
    # The pair goes with the difference: what is counted is marked on B's side alone.
    assert marked(app, "uses numbered lists") == ["b", "b"]


def test_next_and_against_change_the_pair_in_place_and_stand_in_the_address(diffed: Study) -> None:
    lists = next(each for each in answer.behaviours(loaded(diffed)) if each.name == "uses numbered lists")
    app = page(diffed)
    before = rows(app)
    button(app, f"next-{lists.number}").click().run()
    assert (app.query_params["behaviour"], app.query_params["pair"]) == (str(lists.number), "1")
    after = rows(app)
    assert [one != other for one, other in zip(before, after, strict=True)].count(True) == 1
    button(app, f"against-{lists.number}").click().run()
    assert set(marked(app, "uses numbered lists")) == {"a"}
    button(app, f"for-{lists.number}").click().run()
    assert rows(app) == before


def test_where_and_behind_open_in_place_and_close_again(diffed: Study) -> None:
    lists = next(each for each in answer.behaviours(loaded(diffed)) if each.name == "uses numbered lists")
    app = page(diffed, behaviour=str(lists.number), open="behind")
    assert any("an answer uses numbered lists" in element.value for element in app.markdown)
    assert {*app.dataframe[0].value["feature"]} == {*lists.features} != set()
    button(app, f"behind-{lists.number}").click().run()
    assert "open" not in app.query_params
    button(app, f"where-{lists.number}").click().run()
    assert any("category (prompts)" in e.proto.body or "No category" in e.proto.body for e in app.get("html"))


def test_a_behaviour_becomes_a_finding_where_one_stands(diffed: Study) -> None:
    lists = next(each for each in answer.behaviours(loaded(diffed)) if each.name == "uses numbered lists")
    app = page(diffed)
    button(app, f"make-{lists.number}").click().run()
    (made,) = findings.load(diffed)
    assert (made.claim, made.side, made.counts_what_it_says) == ("uses numbered lists", "b", True)
    assert made.examples[0] == tuple(lists.examples[0]) and made.counter_examples[0] == tuple(lists.against[0])
    discovery = set(diffed.prompts().query("split == 'discovery'")["id"])
    assert {example.prompt_id for example in made.examples + made.counter_examples} <= discovery
    # Once it is one, the button is the way to it.
    assert f"make-{lists.number}" not in [each.key for each in app.button]
    assert len(rows(app)) == 5


def test_what_did_not_change_and_what_cannot_be_told_are_named(diffed: Study) -> None:
    app = page(diffed)
    headings = [each.value for each in app.subheader]
    assert headings == ["Prompts that changed most", "Did not change", "Cannot be told", "Probes of your own"]
    listed = [element.value for element in app.markdown]
    others = unchanged.still(loaded(diffed))
    assert {each.verdict for each in others} <= {"no change", "cannot tell", "too rare to tell"}
    assert sum(each.verdict == "too rare to tell" for each in others) == sum(
        line.count("\n") + 1 for line in listed if "uses emoji" in line
    )


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"alike": True}, "Nothing changed: the answers are identical"),
        ({"held_out": 0.0}, "No prompt was held out"),
    ],
)
def test_a_study_without_an_answer_says_so(monkeypatch: pytest.MonkeyPatch, made: Any, words: str) -> None:
    app = page(finding_study.make(monkeypatch, prompts=30, **made))
    assert words in sentence(app)
    assert rows(app) == []


def test_a_diff_of_an_older_method_asks_to_be_computed_again(diffed: Study) -> None:
    path = loaded(diffed).folder / "summary.json"
    files.write_json(path, files.read_json(path) | {"method": 3}, seal=True)
    app = page(diffed)
    assert "older method" in app.warning[0].value
    assert rows(app) == []
