"""The view where people vote: a click a vote, blind, and what the votes say."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from diffing.common.files import PROJECT
from diffing.findings import findings, votes
from diffing.findings.votes import BETTER, Pair
from diffing.study.study import Study
from tests.fakes import voted_study

HOME = str(PROJECT / "dashboard.py")


def opened(study: Study, **address: str) -> AppTest:
    app = AppTest.from_file(HOME, default_timeout=300)
    app.switch_page("pages/compare.py")
    for name, value in {"study": study.name, "show": "Vote blind", **address}.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def vote(app: AppTest, pair: Pair, said: str, question: str = BETTER.key) -> AppTest:
    app.button(key=f"vote-{question}-{said}-{pair.key}").click().run()
    assert not app.exception
    return app


def progress(app: AppTest) -> str:
    return str(app.get("progress")[0].proto.text)


@pytest.fixture
def study() -> Study:
    return voted_study.make()


def test_a_click_is_a_vote_and_the_next_pair_comes(study: Study) -> None:
    first, second = votes.pairs(study)[:2]
    app = opened(study)
    for place, (pair, said) in enumerate(((first, "left"), (second, "no difference"))):
        assert (progress(app), app.code[0].value) == (f"{place} of 38 pairs", pair.prompt)
        texts = [html.value for html in app.html]
        left, right = (
            next(at for at, html in enumerate(texts) if text in html) for text in (pair.left, pair.right)
        )
        assert left < right
        app = vote(app, pair, said)
    assert [(v.prompt_id, v.said, v.voter) for v in votes.read(study)] == [
        (first.prompt_id, "left", "person"),
        (second.prompt_id, "no difference", "person"),
    ]
    app.text_input(key="author").input("Bo").run()
    assert progress(app) == "0 of 38 pairs"


def test_nothing_on_the_page_tells_whose_an_answer_is(study: Study) -> None:
    voted_study.vote(study, 3, 3, "Ada")
    app = opened(study)
    shown = json.dumps([str(element.proto) for element in (*app.main, *app.sidebar)])
    assert "Model a" not in shown and "Model b" not in shown
    assert "turned" not in shown
    answers = [html.value for html in app.html if 'class="answer' in html.value]
    assert len(answers) == 2
    assert not any("<b style" in html or "<bdi" in html for html in answers)


def test_the_last_vote_can_be_taken_back(study: Study) -> None:
    first = votes.pairs(study)[0]
    app = vote(opened(study), first, "left")
    app.button(key="undo-vote").click().run()
    assert (progress(app), app.code[0].value) == ("0 of 38 pairs", first.prompt)
    app.button(key="undo-vote").click().run()
    assert "has no vote to take back" in app.error[0].value


def test_a_pair_can_be_skipped(study: Study) -> None:
    first, second = votes.pairs(study)[:2]
    app = opened(study)
    app.button(key="skip-pair").click().run()
    assert app.code[0].value == second.prompt
    assert opened(study).code[0].value == first.prompt


def test_of_a_finding_in_view_it_is_asked_too_which_shows_it_more(study: Study) -> None:
    made = findings.add(study, "speaks of cake", "b", author="Ada")
    first, second = votes.pairs(study)[:2]
    asked = votes.shows("speaks of cake")
    app = opened(study, finding=made.id)
    app = vote(app, first, "left")
    assert (progress(app), app.code[0].value) == ("0 of 38 pairs", first.prompt)
    app = vote(app, first, "right", asked.key)
    assert (progress(app), app.code[0].value) == ("1 of 38 pairs", second.prompt)
    assert [(v.words, v.said) for v in votes.read(study)] == [(BETTER.words, "left"), (asked.words, "right")]


def test_held_out_prompts_come_after_a_toggle_and_the_vote_and_the_form_say_so(study: Study) -> None:
    assert progress(opened(study)) == "0 of 38 pairs"
    held = next(pair for pair in votes.pairs(study, held_out=True) if pair.held_out)
    app = opened(study, held="true", prompt=held.prompt_id)
    assert progress(app) == "0 of 60 pairs"
    vote(app, held, "left")
    assert votes.read(study)[0].held_out


def test_a_category_is_voted_on_by_itself(study: Study) -> None:
    categories = study.prompts().set_index("id")["category"]
    mine = [pair for pair in votes.pairs(study) if categories[pair.prompt_id] == "maths"]
    app = opened(study, category="maths")
    assert (progress(app), app.code[0].value) == (f"0 of {len(mine)} pairs", mine[0].prompt)


def test_what_the_votes_say_stays_hidden_until_the_voter_asks_and_is_hidden_again_after_a_vote(
    study: Study,
) -> None:
    def told(app: AppTest) -> bool:
        return any("preferred B on" in text.value for text in app.markdown) or bool(app.dataframe)

    assert not opened(study).toggle(key="held").value and len(opened(study).toggle) == 2
    voted_study.vote(study, 14, 6)
    app = opened(study)
    assert not told(app) and app.toggle[-1].label == "Show what 20 votes say so far"
    app.toggle[-1].set_value(True).run()
    assert told(app)
    still = next(pair for pair in votes.pairs(study) if pair.prompt == app.code[0].value)
    assert not told(vote(app, still, "left"))


def test_who_has_voted_on_all_pairs_sees_what_the_votes_say_with_the_votes_to_take_away(study: Study) -> None:
    voted_study.vote(study, 30, 8)
    app = opened(study)
    app.text_input(key="author").input("Ada").run()
    assert any("preferred B on 30 of 38 prompts" in text.value for text in app.markdown)
    assert set(app.dataframe[0].value["which"]) == {"Ada", "maths", "advice"}
    assert [button.proto.label for button in app.get("download_button")] == ["Download all votes"]


def test_a_vote_without_a_name_is_refused(study: Study) -> None:
    app = opened(study)
    app.text_input(key="author").input(" ").run()
    vote(app, votes.pairs(study)[0], "left")
    assert votes.read(study) == []
