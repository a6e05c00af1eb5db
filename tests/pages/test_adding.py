"""Adding to the findings from a feature, a pair or the form leaves one where one was, and adds nothing twice."""

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from diffing.findings import findings
from diffing.findings.findings import Example
from diffing.study.study import Study
from pages.parts.findings.adding import NEW
from tests.fakes import finding_study
from tests.fakes.finding_study import CAKE, TEA
from tests.pages.test_findings import opened, press


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    return finding_study.make(monkeypatch, prompts=60)


def choice(app: AppTest, place: int = 0) -> Selectbox[str]:
    """The boxes that say which finding."""
    return [box for box in app.selectbox if box.label == "Finding"][place]


def links(app: AppTest) -> list[str]:
    return [link.proto.label.replace("\\", "") for link in app.get("page_link")]


def claim(app: AppTest, words: str) -> None:
    next(field for field in app.text_input if field.label.startswith("An answer of one side")).input(words)


def test_a_feature_becomes_a_finding_in_place_and_the_field_is_empty_afterwards(study: Study) -> None:
    app = opened(study, "feature", feature=str(TEA))
    # The pair's button stands above the feature's.
    fields = [field for field in app.text_input if field.label.startswith("An answer of one side")]
    fields[1].input("speaks of tea")
    app = [button for button in app.button if button.label == "Add the finding"][1].click().run()
    assert not app.exception
    (made,) = findings.load(study)
    assert (made.claim, made.side, made.features, made.examples) == ("speaks of tea", "a", (TEA,), ())
    assert [html.value for html in app.html if f"#{TEA} " in html.value]
    assert any("A new finding: speaks of tea" in label for label in links(app))
    fields = [field for field in app.text_input if field.label.startswith("An answer of one side")]
    assert [field.value for field in fields] == []
    # It rests on this by now, so it is the one that is offered, and there is nothing to add again.
    assert choice(app, 1).value == made.id
    assert [button.disabled for button in app.button if button.label == "Add to it"] == [True]


def test_the_finding_that_rests_on_the_feature_is_offered_first(study: Study) -> None:
    cake = findings.add(study, "speaks of cake", "b", author="Ada", features=[CAKE])
    tea = findings.add(study, "speaks of tea", "a", author="Ada", features=[TEA])
    app = opened(study, "feature", feature=str(TEA))
    assert [choice(app, place).value for place in (0, 1)] == [tea.id, tea.id]
    assert len(choice(app).options) == 3
    press(app, "Add this pair")
    assert len(findings.get(study, tea.id).examples) == 1
    assert findings.get(study, cake.id).examples == ()


def test_a_pair_without_a_mark_begins_a_new_finding(study: Study) -> None:
    findings.add(study, "speaks of cake", "b", author="Ada", features=[CAKE])
    prompt = study.prompts().query("split == 'discovery'")["id"].iloc[0]
    app = opened(study, "compare", prompt=prompt)
    assert choice(app).value == NEW
    claim(app, "speaks of baking")
    press(app, "Add the finding")
    made = findings.load(study)[-1]
    assert (made.claim, made.examples, made.held_out_seen) == ("speaks of baking", (Example(prompt, 0),), False)


def test_the_form_is_empty_after_it_was_sent_and_keeps_what_was_refused(study: Study) -> None:
    app = opened(study, features=str(TEA))
    press(app, "Add the finding")
    assert "needs a claim" in app.error[0].value
    assert [f.value for f in app.text_input if f.label == "Features"] == [str(TEA)]
    claim(app, "speaks of tea")
    press(app, "Add the finding")
    assert [f.value for f in app.text_input if f.label.startswith("An answer of one side")] == [""]
    assert "features" not in app.query_params
    press(app, "Add the finding")
    assert [finding.claim for finding in findings.load(study)] == ["speaks of tea"]


def test_what_a_person_writes_again_is_added_to_what_was_drafted(study: Study) -> None:
    drafted = findings.add(study, "speaks of tea", "a", origin="template", author="counts", author_kind="rule")
    again = findings.add(study, "Speaks  of tea", "a", author="Ada", features=[TEA])
    assert (again.id, again.features, again.origin) == (drafted.id, (TEA,), "template")
    other = findings.add(study, "speaks of tea", "b", author="Ada")
    assert len(findings.load(study)) == 2 and other.id != drafted.id


def test_no_pickers_appear_behind_a_link_to_the_usual_sides(study: Study) -> None:
    assert [box.key for box in opened(study, a="a", b="b").sidebar.selectbox] == []
    assert [box.key for box in opened(study, a="b", b="a").sidebar.selectbox] == ["a", "b"]
