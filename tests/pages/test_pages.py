"""Each page in the states that its users meet: nothing yet, half done, failed rows, all there."""

import re
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from diffing import diff, jobs, labels
from diffing.common import escape, files
from diffing.diff import answer as answers
from diffing.diff import blocks, compute
from diffing.jobs.job import jobs_dir
from diffing.labels import history
from diffing.models.providers import Checkpoint
from diffing.study import prompts
from diffing.study.study import Study
from pages.parts import job_panel
from pages.parts.feature import pair_view
from tests.fakes import finding_study, label_study


def opened(page: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(files.PROJECT / "dashboard.py"), default_timeout=300)
    app.switch_page(page)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, app.exception[0].value
    return app


@pytest.fixture
def diffed(monkeypatch: pytest.MonkeyPatch) -> Study:
    return finding_study.make(monkeypatch, prompts=80)


def answer(study: Study) -> None:
    """The same answer of both checkpoints to every prompt."""
    rows = [{"prompt_id": prompt, "checkpoint": side} for prompt in study.prompts()["id"] for side in "ab"]
    study.add_responses(pd.DataFrame(rows).assign(draw=0, text="Yes."))


@pytest.fixture
def asked() -> Study:
    sides = [Checkpoint(key=k, name=f"model {k}", source=f"openai:{k}") for k in "ab"]
    return Study.create("greet", sides, prompts.bundled().head(10))


STUDY_PAGES = ["answer", "prompts", "run", "features", "feature", "compare"]


@pytest.mark.parametrize("name", STUDY_PAGES)
@pytest.mark.parametrize(
    ("query", "words"), [({}, "No study is chosen"), ({"study": "gone"}, "There is no study")]
)
def test_a_wrong_link_gets_a_sentence_and_a_way_home(name: str, query: dict[str, str], words: str) -> None:
    app = opened(f"pages/{name}.py", **query)
    assert words in app.warning[0].value


def test_a_study_without_encodings_offers_the_next_step(asked: Study) -> None:
    answer(asked)
    app = opened("pages/features.py", study="greet")
    assert "have not been compared yet" in app.info[0].value
    assert [b.label for b in app.button] == ["Read 20 answers with the reader"]


def test_features_show_the_answer_the_charts_and_the_table(diffed: Study) -> None:
    app = opened("pages/features.py", study=diffed.name)
    assert [m.label for m in app.metric] == [
        "Families that differ at equal length too",
        "Families that differ, length or not",
        "Classifier accuracy",
        "Smallest difference to be found",
    ]
    assert len(app.get("plotly_chart")) == 1
    differing = {finding_study.SPACES, finding_study.ITEMS, finding_study.CAKE, finding_study.TEA}
    assert set(app.dataframe[0].value["feature"]) == differing


def test_a_direction_narrows_charts_and_table_alike(diffed: Study) -> None:
    app = opened("pages/features.py", study=diffed.name, more="A")
    assert set(app.dataframe[0].value["feature"]) == {finding_study.SPACES, finding_study.TEA}


def test_a_filter_that_nothing_passes_says_so(diffed: Study) -> None:
    app = opened("pages/features.py", study=diffed.name, q="no such word")
    assert "No feature passes these filters" in app.info[0].value
    assert len(app.dataframe[0].value) == 0


def test_dots_that_were_chosen_narrow_the_table(diffed: Study) -> None:
    app = opened("pages/features.py", study=diffed.name, only=f"{finding_study.CAKE}")
    assert list(app.dataframe[0].value["feature"]) == [finding_study.CAKE]
    next(b for b in app.button if b.label == "Only 1 chosen by the link").click().run()
    assert len(app.dataframe[0].value) == 4


def test_shares_are_in_percent_and_differences_in_points(diffed: Study) -> None:
    row = opened("pages/features.py", study=diffed.name).dataframe[0].value.set_index("feature")
    stored = diff.load(diffed, "a", "b").features.set_index("feature")
    for name in ("frequency_a", "delta", "ci_low", "delta_equal_length"):
        assert row[name].to_dict() == pytest.approx((100 * stored.loc[row.index, name]).to_dict())


def test_a_study_in_which_nothing_differs_says_so_and_lists_what_came_nearest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    same = [f"cake number {n}" for n in range(12)]
    study, _ = label_study.make(monkeypatch, {"a": same, "b": same}, [{"cake": 3.0}], held_out=0.0)
    compute.compute(study, "a", "b")
    app = opened("pages/features.py", study=study.name)
    assert any("The answers are identical on 12 of 12" in m.value for m in app.caption)
    assert any("no feature differs after correction" in caption.value for caption in app.caption)
    assert "No feature passes these filters" in app.info[0].value
    assert len(app.dataframe[0].value) == 0
    assert "No feature differs" in opened("pages/feature.py", study=study.name).warning[0].value


@pytest.mark.parametrize(
    ("view", "delta", "q"),
    [
        ("equal length", "delta_rarefied", "q_rarefied"),
        ("per 1,000 tokens", "rate_difference", "q_rate"),
        ("strength", "strength_difference", "q_mean"),
    ],
)
def test_a_view_has_its_own_bars_its_own_difference_and_its_own_q(
    diffed: Study, view: str, delta: str, q: str
) -> None:
    app = opened("pages/features.py", study=diffed.name, view=view, open="true")
    rows = app.dataframe[0].value.set_index("feature")
    # Behind the behaviour and what it does here: figures come before words, which may be cut.
    assert [*rows.columns][2:4] == [delta, q]
    stored = diff.load(diffed, "a", "b").features.set_index("feature")
    assert rows[q].to_dict() == pytest.approx(stored.loc[rows.index, q].to_dict())
    bars = next(block.value for block in app.html if "fkey" in block.value)
    assert len(re.findall("class='frow'", bars)) == len(rows)
    assert f"feature?study=study&amp;feature={rows.index[0]}'" in bars


def test_a_feature_shows_both_answers_with_its_tokens_marked(diffed: Study) -> None:
    app = opened("pages/feature.py", study=diffed.name, feature=str(finding_study.CAKE))
    marked = " ".join(block.value for block in app.html)
    assert '<bdi class="b' in marked and ">cake</bdi>" in marked
    assert "1.0" in marked or "3.0" in marked


def test_without_a_number_the_page_opens_on_a_feature_of_what_was_confirmed(diffed: Study) -> None:
    stored = diff.load(diffed, "a", "b")
    told = [set(each.features) for each in blocks.of(answers.behaviours(stored)).confirmed if each.features]
    opens_on = opened("pages/feature.py", study=diffed.name)
    title = next(block.value for block in opens_on.html if "fhead" in block.value)
    assert int(re.findall(r"#(\d+)", title)[0]) in told[0]


def test_snippets_show_the_strongest_contexts_of_both_sides_and_lead_to_their_answers(diffed: Study) -> None:
    app = opened(
        "pages/feature.py", study=diffed.name, feature=str(finding_study.CAKE), evidence="snippets", order="random"
    )
    by_side = [block.value for block in app.html if "class='snip'" in block.value]
    assert ["answers show it" in block for block in by_side] == [True, True]
    assert len(re.findall("class='snip'", by_side[1])) == 10
    assert "compare?study=study&amp;prompt=" in by_side[1] and ">cake</bdi>" in by_side[1]
    assert not any(caption.value.startswith("Pair ") for caption in app.caption)


def test_a_label_that_counts_contradict_is_struck_out_wherever_it_stands(diffed: Study) -> None:
    sae = labels.sae_of(diffed.settings.reader)
    history.edit(diffed, sae, finding_study.SPACES, "unclear: spaces of some kind", "Ada")
    app = opened("pages/feature.py", study=diffed.name, feature=str(finding_study.SPACES))
    head = next(block.value for block in app.html if "<h2>" in block.value)
    assert "<s>unclear: spaces of some kind</s>" in head and f"<h2>#{finding_study.SPACES} · double spaces" in head
    assert any(warning.value.startswith("Struck out. It says of itself") for warning in app.warning)
    app = opened("pages/features.py", study=diffed.name)
    assert any("<s title='It says of itself that it is unclear.'>unclear" in block.value for block in app.html)
    row = app.dataframe[0].value.set_index("feature").loc[finding_study.SPACES]
    assert row["label"].replace("\u0336", "") == "unclear: spaces of some kind" != row["label"]


@pytest.mark.parametrize(
    ("pieces", "at"),
    [
        ([("one ", 0.0), ("two", 1.0)], 0),
        ([("no mark at all " * 99, 0.0), ("none", 0.0)], 0),
        ([("far " * 200, 0.0), ("end.\n", 0.0), ("near ", 0.0), ("mark", 1.0)], 2),
        ([("far " * 200, 0.0), ("mark", 1.0)], 1),
    ],
)
def test_an_answer_is_shown_from_the_line_that_leads_to_its_first_mark(
    pieces: list[tuple[str, float]], at: int
) -> None:
    assert pair_view.first_in_sight(pieces) == at


def test_a_blind_score_stands_beside_its_label_kind_by_kind(diffed: Study) -> None:
    sae = labels.sae_of(diffed.settings.reader)
    history.edit(diffed, sae, finding_study.CAKE, "the word cake", "Ada")
    about = labels.current(diffed)[finding_study.CAKE].key
    score: dict[str, Any] = {
        "detection": {"a": {"balanced": 0.91, "low": 0.85, "high": 0.96}, "b": {"balanced": None}}
    }
    history.tell(diffed, sae, finding_study.CAKE, "score", "maker/judge", about=about, score=score)
    app = opened("pages/feature.py", study=diffed.name, feature=str(finding_study.CAKE))
    told = [line.value.replace("\\", "") for line in app.caption if "Balanced accuracy" in line.value]
    assert len(told) == 1 and "detection a 0.91 (0.85–0.96), detection b –." in told[0]


def test_examples_against_the_difference_are_one_click_away(diffed: Study) -> None:
    app = opened(
        "pages/feature.py", study=diffed.name, feature=str(finding_study.CAKE), order="against the difference"
    )
    marked = " ".join(block.value for block in app.html)
    assert '<bdi class="a' in marked and '<bdi class="b' not in marked


def test_held_out_prompts_stay_out_of_sight_until_asked_for(diffed: Study) -> None:
    feature = str(finding_study.CAKE)
    app = opened("pages/feature.py", study=diffed.name, feature=feature, order="random")
    shown = int(
        app.caption[[c.value.startswith("Pair ") for c in app.caption].index(True)].value.split()[3].strip(",")
    )
    assert shown == int((diffed.prompts()["split"] == "discovery").sum())
    app = opened("pages/feature.py", study=diffed.name, feature=feature, order="random", held="true")
    assert any(c.value.startswith("Pair 1 of 80") for c in app.caption)


def test_an_unknown_feature_gets_a_sentence(diffed: Study) -> None:
    assert (
        "There is no feature '99'" in opened("pages/feature.py", study=diffed.name, feature="99").warning[0].value
    )


def test_a_person_labels_a_feature_and_the_label_stands(diffed: Study) -> None:
    app = opened("pages/feature.py", study=diffed.name, feature=str(finding_study.CAKE))
    next(t for t in app.text_input if t.label == "Your label").input("cake, of all things")
    next(b for b in app.button if b.label == "Save label").click()
    app.run()
    assert not app.exception
    current = labels.current(diffed)[finding_study.CAKE]
    assert (current.label, current.author_kind) == ("cake, of all things", "person")


def test_run_shows_failed_rows_and_whether_the_key_is_set(asked: Study) -> None:
    first = asked.prompts()["id"].iloc[0]
    asked.add_responses(
        pd.DataFrame([{"prompt_id": first, "checkpoint": "a", "draw": 0, "flag": "failed", "error": "HTTP 500"}])
    )
    app = opened("pages/run.py", study="greet")
    assert any("OPENAI_API_KEY" in w.value.replace("\\", "") and "not set" in w.value for w in app.warning)
    assert [e.label for e in app.expander] == ["1 failed answers"]


def test_prompts_are_deactivated_and_added(asked: Study) -> None:
    app = opened("pages/prompts.py", study="greet")
    next(t for t in app.text_area if t.label == "Prompt").input("What is a fair coin?")
    next(b for b in app.button if b.label == "Add").click()
    app.run()
    assert not app.exception
    assert asked.prompts()["text"].tolist()[-1] == "What is a fair coin?"


def test_a_new_study_is_priced_before_it_is_made() -> None:
    app = opened("pages/new.py")
    for label, value in (("Name", "mini"), ("Before (A)", "openai:gpt-4o-mini"), ("After (B)", "openai:gpt-4o")):
        next(t for t in app.text_input if t.label == label).input(value)
    app.run()
    assert any("608 calls, about" in m.value.replace("\\", "") for m in app.markdown)
    assert list(Study.list()) == []


def test_a_running_step_shows_how_far_it_is_and_what_follows(asked: Study) -> None:
    answer(asked)
    folder = jobs_dir(asked) / "j"
    spec = {"kind": "encode", "study": "greet", "options": {}, "then": ["diff"], "created": "now"}
    files.write_json(folder / "spec.json", spec)
    files.write_json(folder / "progress.json", {"state": "running", "done": 5, "total": 20, "unit": "answers"})
    with files.locked(folder / "lock"):
        app = opened("pages/features.py", study="greet")
    assert [b.label for b in app.button] == ["Cancel"]
    assert any(c.value.startswith("After that: comparing the two sides") for c in app.caption)


def test_a_second_feature_that_is_not_there_gets_a_sentence(diffed: Study) -> None:
    app = opened("pages/feature.py", study=diffed.name, feature=str(finding_study.CAKE), second="99")
    assert any("There is no feature '99' to underline" in c.value for c in app.caption)


def test_a_job_says_what_it_did_without_places_on_this_machine() -> None:
    told = {"out": "/home/me/studies/s/reports/a-b", "findings": 3, "diff": "0123abcd", "failed": 0, "cost": 0.5}
    status = jobs.JobStatus(id="1", kind="report", study="s", state="done", result=told)
    assert job_panel.result(status) == "3 findings · $0.50 · in the study's folder: reports/a-b"


@pytest.mark.parametrize("address", ["http://e.example/x", "www.e.example", "HTTPS://e.example", "me@e.example"])
def test_an_address_in_outside_text_is_no_link(address: str) -> None:
    shown = escape.md(address).replace("\\", "")
    assert shown != address
    assert shown.replace("\u2060", "") == address
