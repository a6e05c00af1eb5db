"""The choice of a channel on pages: only where there is one, linkable, and about the answers' text left alone."""

import pytest
from streamlit.testing.v1 import AppTest

from diffing import Study
from tests.fakes import channel_study, finding_study
from tests.pages.test_answer import page, sentence
from tests.pages.test_pages import opened


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    channel_study.make(monkeypatch)
    seen = Study.open("thinking").through("reasoning")
    seen.run("encode")
    seen.diff()
    return Study.open("thinking")


def choices(app: AppTest) -> list[str]:
    return [option for each in app.button_group if each.key == "channel" for option in each.options]


def test_the_answer_is_of_the_channel_that_the_link_names(study: Study) -> None:
    app = page(study)
    assert choices(app) == ["text", "reasoning", "tools"]
    assert "have not been compared yet" in app.info[0].value
    app = page(study, channel="reasoning")
    assert "100 of 150 prompts have reasoning on both sides. In the reasoning: " in sentence(app)
    # A finding would count the habit in the text, which lacks it.
    assert not [each for each in app.button if str(each.key).startswith("make-")]
    assert "Probes of your own" not in [each.value for each in app.subheader]
    whole = next(each for each in app.get("page_link") if "Whole answers" in each.proto.label)
    assert "channel=reasoning" in whole.proto.query_string


def test_compare_shows_the_reasoning_of_both_sides(study: Study) -> None:
    prompt = str(study.prompts()["id"][0])
    app = opened("pages/compare.py", study=study.name, channel="reasoning", prompt=prompt)
    said = " ".join(element.proto.body for element in app.get("html"))
    for text in study.through("reasoning").responses().query("prompt_id == @prompt")["text"]:
        assert text.split(". ")[-1] in said
    assert [each.label for each in app.expander if each.label == "Reasoning"] == []


def test_a_channel_that_is_not_read_yet_offers_the_step(study: Study) -> None:
    app = page(study, channel="tools")
    assert [each.label for each in app.button if each.key == "start-encode"] == [
        "Read 300 answers’ tool calls with the reader"
    ]


def test_where_answers_are_text_alone_there_is_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    made = finding_study.make(monkeypatch, prompts=40)
    assert choices(page(made)) == []
    app = page(made, channel="reasoning")
    assert "have no channel" in app.warning[0].value
