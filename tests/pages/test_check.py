"""The view that checks the judge: a click a pair, blind, resumable, and what it changes elsewhere."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from diffing.common.files import PROJECT
from diffing.findings import findings, judging, people, verification
from diffing.study.study import Study
from tests.fakes import judged_study
from tests.fakes.judged_study import seen

HOME = str(PROJECT / "dashboard.py")


def opened(study: Study, **address: str) -> AppTest:
    app = AppTest.from_file(HOME, default_timeout=300)
    app.switch_page("pages/findings.py")
    for name, value in {"study": study.name, "show": "Check the judge", **address}.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def click(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    assert not app.exception
    return app


def shown(app: AppTest) -> str:
    """Everything on the page and in what is sent to the browser, but the sidebar, which names both checkpoints."""
    return json.dumps([str(element.proto) for element in app.main]) + json.dumps(dict(app.query_params))


@pytest.fixture
def study() -> Study:
    return judged_study.make()


def test_held_out_answers_are_shown_only_after_a_toggle(study: Study) -> None:
    app = opened(study)
    assert "These prompts are new (held out)" in app.info[0].value
    assert not [button for button in app.button if button.key and button.key.startswith("say-")]
    app.toggle(key="held").set_value(True).run()
    assert app.button(key="say-left").label == "Left more"


def test_a_click_is_a_verdict_and_the_next_pair_comes(study: Study) -> None:
    asked = people.questions(study)
    app = opened(study, held="true")
    for place, question in enumerate(asked[:3]):
        assert app.get("progress")[0].proto.text == f"{place} of 40"
        texts = [html.value for html in app.html]
        left, right = (next(n for n, html in enumerate(texts) if text in html) for text in question[3:5])
        assert left < right and any(question.claim in text for text in texts)
        assert app.code[0].value == question.prompt
        click(app, f"say-{seen(question)}")
    assert [(verdict.question, verdict.said) for verdict in people.read(study)] == [
        (question.id, seen(question)) for question in asked[:3]
    ]
    # Another session of the same person goes on from there, another person begins anew.
    app = opened(study, held="true")
    assert app.get("progress")[0].proto.text == "3 of 40"
    app.sidebar.text_input(key="author").input("Bo").run()
    assert app.get("progress")[0].proto.text == "0 of 40"


def test_a_verdict_can_be_changed_by_its_link_or_by_going_back(study: Study) -> None:
    asked = people.questions(study)
    app = click(opened(study, held="true"), "say-left")
    click(click(app, "back"), "say-right")
    assert "question" not in app.query_params
    assert app.get("progress")[0].proto.text == "1 of 40"
    click(opened(study, held="true", question=asked[0].id), "say-neither")
    assert people.latest(people.read(study), "person") == {asked[0].id: "neither"}
    assert [verdict.said for verdict in people.read(study)] == ["left", "right", "neither"]


def test_nothing_on_the_page_tells_whose_an_answer_is_or_what_the_judge_said(study: Study) -> None:
    # Without the first one, which has no way back to another.
    asked = people.questions(study)[1:]
    turned = next(question for question in asked if question.turned)
    straight = next(question for question in asked if not question.turned and question.claim == turned.claim)
    pages = []
    for question in (turned, straight):
        text = shown(opened(study, held="true", question=question.id))
        for own in (question.left, question.right, question.prompt, question.id):
            text = text.replace(own, "…")
        pages.append(text)
    # But for the texts themselves the page is the same, whichever side stands on the left.
    assert pages[0] == pages[1]
    assert not any(secret in pages[0] for secret in (turned.pair.key, turned.wording, "turned", "pick"))


def test_the_page_is_the_same_whatever_the_judge_said(study: Study) -> None:
    units = people.units(judging.pairs(study, "a", "b"), judging.lines(study)).set_index(people.UNIT)["pick"]
    decided = next(
        question
        for question in people.questions(study)
        if units[question.wording, question.pair.prompt_id, question.pair.draw]
    )
    before = shown(opened(study, held="true", question=decided.id))
    judged_study.judge(study, judged_study.CLAIMS, lambda number, truth: -judged_study.erring(number, truth, 5))
    after = people.units(judging.pairs(study, "a", "b"), judging.lines(study)).set_index(people.UNIT)["pick"]
    assert (after == -units).all()
    assert shown(opened(study, held="true", question=decided.id)) == before


def test_when_all_are_judged_net_shares_are_corrected_everywhere(study: Study) -> None:
    app = opened(study, show="Findings")
    assert set(app.dataframe[0].value["corrected"]) == {"uncorrected"}
    assert any("by the judge's word; uncorrected" in caption.value for caption in app.caption)
    for question in people.questions(study):
        people.tell(study, question, seen(question), "person")
    app = opened(study, held="true")
    assert app.success[0].value == "You have judged them all."
    assert any("By 40 verdicts of a person" in caption.value for caption in app.caption)
    app = opened(study, show="Findings")
    net = [check.corrected for check in verification.read(study).checks.values() if check.corrected]
    assert len(net) == 2
    shares = {f"{100 * each.net:+.0f} (".replace("-", "−") for each in net}
    assert {text[: text.index("(") + 1] for text in app.dataframe[0].value["corrected"]} == shares
    assert [metric.label for metric in app.metric if "corrected" in metric.label] == ["Net share, corrected"]


def test_who_has_checked_the_judge_has_seen_held_out_answers(study: Study) -> None:
    app = opened(study, show="Findings")
    assert app.checkbox[0].value is False
    people.tell(study, people.questions(study)[0], "left", "person")
    assert opened(study, show="Findings").checkbox[0].value is True


def test_without_a_judge_the_view_says_what_to_do() -> None:
    study = judged_study.make()
    for finding in findings.load(study):
        findings.reject(study, finding.id, "no", "test")
    assert "verify one first" in opened(study, held="true").info[0].value
