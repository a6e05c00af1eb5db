"""The page that lays answers side by side: what it shows, what it hides, and links that are wrong."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from diffing import diff
from diffing.common.files import PROJECT
from diffing.diff import answer, changes, compute
from diffing.study import sample
from diffing.study.study import Study
from pages.parts.compare import chips
from tests.fakes import label_study

HOME = str(PROJECT / "dashboard.py")
RULES = [{"sorry": 2.0}, {"list": 3.0}]
WORDS = ["plain", "words", "sorry", "list"]


def opened(study: str, **address: str) -> AppTest:
    page = AppTest.from_file(HOME, default_timeout=300)
    page.switch_page("pages/compare.py")
    for name, value in {"study": study, **address}.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    return page


def compared(monkeypatch: pytest.MonkeyPatch, held_out: float = 0.3) -> Study:
    """Feature 0 fires on “sorry”, which A says, feature 1 on “list”, which B says."""
    random = np.random.default_rng(0)
    answers = {
        "a": [label_study.babble(random, WORDS, (5, 5, 3, 0), 12) for _ in range(20)],
        "b": [label_study.babble(random, WORDS, (5, 5, 0, 3), 12) for _ in range(20)],
    }
    study, _ = label_study.make(monkeypatch, answers, RULES, held_out=held_out)
    compute.compute(study, "a", "b")
    return study


def test_both_answers_stand_side_by_side_before_anything_was_read() -> None:
    study = sample.create()
    page = opened(study.name)
    first = study.prompts().query("split == 'discovery'").iloc[0]
    assert page.code[0].value == first["text"]
    assert [html.value.count('class="answer"') for html in page.html if "answer" in html.value].count(1) == 4
    assert page.info[0].value == "They have not been read and compared yet."


def test_the_features_that_two_answers_differ_by_have_their_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = opened(compared(monkeypatch).name).dataframe[-1].value.set_index("feature")
    assert dict(rows["peak_left"]) == {0: 2.0, 1: 0.0}
    assert dict(rows["peak_right"]) == {0: 0.0, 1: 3.0}


def test_a_chosen_feature_is_marked_in_both_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened(compared(monkeypatch).name, feature="1")
    answers = [html.value for html in page.html if html.value.startswith('<div class="answer"')]
    assert 'title="3.00" tabindex="0">' in answers[1]
    assert "<bdi" not in answers[0]


def test_a_chosen_probe_is_marked_where_it_counts() -> None:
    page = opened(sample.create().name, probe="double spaces")
    marked = [html.value for html in page.html if "<bdi" in html.value]
    assert any('class="a10" tabindex="0">··</bdi>' in html for html in marked)


def test_held_out_prompts_are_hidden_until_asked_for() -> None:
    study = sample.create()
    held = study.prompts().query("split == 'held-out'")["id"].iloc[0]
    assert "held out" in opened(study.name, prompt=held).info[0].value
    assert not opened(study.name, prompt=held).code
    assert opened(study.name, prompt=held, held="1").code[0].value
    assert held not in opened(study.name).selectbox(key="choose").options


def test_search_reads_prompts_and_answers() -> None:
    study = sample.create()
    found = opened(study.name, q="frying pan", held="1")
    assert "frying pan" in found.code[0].value
    assert opened(study.name, q="no such words").info[0].value == "No prompt passes these filters."


def test_next_goes_to_the_prompt_that_follows() -> None:
    study = sample.create()
    page = opened(study.name)
    ids = study.prompts().query("split == 'discovery'")["id"].tolist()
    next(button for button in page.button if button.label == "Next").click().run()
    assert page.query_params["prompt"] == ids[1]


@pytest.mark.parametrize("wrong", [{"prompt": "nope"}, {"feature": "x"}, {"feature": "99"}, {"probe": "beauty"}])
def test_a_wrong_link_gets_a_sentence_and_a_way_home(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
) -> None:
    page = opened(compared(monkeypatch).name, **wrong)
    assert next(iter(wrong.values())) in page.warning[0].value.replace("\\", "")


def test_probes_have_the_figures_of_the_diff(monkeypatch: pytest.MonkeyPatch) -> None:
    study = compared(monkeypatch)
    shown = opened(study.name, show="Surface probes").dataframe[0].value
    stored = diff.load(study, "a", "b").probes
    # Shares say nothing of what is judged by its amount.
    points = 100 * stored["delta"].mask(stored["judged_by"] == "amount")
    assert dict(zip(shown["probe"], shown["delta"], strict=True)) == pytest.approx(
        dict(zip(stored["probe"], points, strict=True)), nan_ok=True
    )


def test_features_that_differ_only_here_are_shown_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    study = compared(monkeypatch)
    everywhere = set(diff.load(study, "a", "b").features.query("q < 0.05")["feature"])
    prompt = study.prompts().query("split == 'discovery'")["id"].iloc[0]
    assert set(opened(study.name, prompt=prompt).dataframe[-1].value["feature"]) <= everywhere
    assert len(opened(study.name, prompt=prompt, every="true").dataframe[-1].value) >= 2


def test_probes_wait_for_a_diff() -> None:
    assert "has been compared" in opened(sample.create().name, show="Surface probes").info[0].value


def test_any_text_is_read_with_the_studys_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened(compared(monkeypatch).name, show="Any text", text="sorry about the list list")
    rows = page.dataframe[0].value
    assert rows[["feature", "peak", "count"]].to_dict("list") == {
        "feature": [0, 1],
        "peak": [2, 3],
        "count": [1, 2],
    }
    assert any(">sorry</bdi> about the list list" in html.value for html in page.html)


def test_hostile_answers_stay_text(monkeypatch: pytest.MonkeyPatch) -> None:
    evil = "<script>alert(1)</script> ![x](http://e.example/x.png) \u202e sorry"
    study, _ = label_study.make(monkeypatch, {"a": [evil], "b": ["fine"]}, RULES, held_out=0)
    page = opened(study.name)
    assert not any("<script" in html.value for html in page.html)
    assert any("&lt;script&gt;" in html.value for html in page.html)
    assert not any("e.example" in shown.value for shown in [*page.markdown, *page.caption])


def test_the_most_changed_prompt_comes_first_and_a_chip_marks_its_behaviour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = compared(monkeypatch)
    page = opened(study.name)
    rows = diff.load(study, "a", "b").changes
    every = answer.behaviours(diff.load(study, "a", "b"))
    ranked = changes.most_changed(rows, chips.ranking(every))
    first = ranked[ranked["split"] == "discovery"]["prompt_id"].iloc[0]
    assert page.selectbox(key="choose").value == first
    # The list of prompts counts what the chips show, and says what its share is of.
    shown, held_out = page.selectbox(key="choose"), ", held-out ones left out"
    groups = [group.proto for group in page.get("button_group")]
    chips_shown = next(group for group in groups if "differ" in group.label)
    differ, _, words = shown.options[0].partition(" and ")
    assert chips_shown.label == f"{differ} differ here" and int(differ.split()[0]) == len(chips_shown.options)
    assert "of words differ" in words and held_out in shown.label
    counted = next(each for each in every if each.by in ("probe", "phrase") and each.kind != "amount")
    marked = opened(study.name, behaviour=str(counted.number))
    assert any("Marked: <b>" in html.value for html in marked.html)


def test_named_behaviours_stand_before_features_and_a_row_marks_one(monkeypatch: pytest.MonkeyPatch) -> None:
    study = compared(monkeypatch)
    page = opened(study.name)
    rows = page.dataframe[0].value
    assert list(rows.columns[:3]) == ["an answer …", "A", "B"]
    assert (rows["A"] != rows["B"]).all()
    said = {each.name for each in answer.behaviours(diff.load(study, "a", "b")) if each.said}
    assert len(rows) > 0 and set(rows["an answer …"]) <= said
    assert "feature" in page.dataframe[-1].value.columns
