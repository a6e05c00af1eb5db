"""The page of findings: without any, by hand, drafted, contradicted, judged, and in a report."""

import html
import re

import pytest
from streamlit.testing.v1 import AppTest

from diffing import diff
from diffing.common import files
from diffing.common.files import PROJECT
from diffing.findings import brief, drafting, evidence, findings, verification
from diffing.findings.predicates import Predicate
from diffing.report import last
from diffing.study import sample
from diffing.study.study import Study
from pages.parts import report
from tests.fakes import finding_study
from tests.fakes.finding_study import ITEMS, TEA
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.watch import Watch

HOME = str(PROJECT / "dashboard.py")
WRONG_WAY = "gives its steps as a numbered list"
"""Claimed of A, where B numbers its items."""


def opened(study: Study, page: str = "findings", **address: str) -> AppTest:
    app = AppTest.from_file(HOME, default_timeout=300)
    app.switch_page(f"pages/{page}.py")
    for name, value in {"study": study.name, **address}.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def fill(app: AppTest, label: str, value: str) -> None:
    fields = [*app.text_input, *app.text_area]
    next(field for field in fields if field.label == label).input(value)


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    return finding_study.make(monkeypatch)


def test_without_findings_or_a_diff_it_says_how_to_begin() -> None:
    app = opened(sample.create())
    assert "which needs no key" in app.info[0].value
    assert [b.label for b in app.button] == ["Read 240 answers with the reader", "Add the finding"]


def test_drafts_need_no_model(study: Study) -> None:
    app = opened(study)
    assert next(b for b in app.button if b.label == "Draft findings without a model").disabled is False
    drafting.run(study, drafting.Options(), Watch())
    listed = opened(study).dataframe[0].value
    assert set(listed["claim"]) == {brief.sentence(standing) for standing in evidence.of(study)}
    assert set(listed["lacking"]) == {"not judged yet"}
    assert set(listed["status"]) == {"counted"}


def test_a_finding_of_an_amount_rests_on_its_means_and_not_on_whether_there_is_any(study: Study) -> None:
    words = Predicate.of_probe("words")
    findings.add(study, "is longer, in words", "b", probes=["words", "bold"], predicate=words, author="Ada")
    rests = [table.value for table in opened(study).dataframe if "probe" in table.value.columns]
    shown = {table["probe"].iloc[0]: {*table.columns} for table in rests}
    assert {"mean_a", "mean_b", "change"} <= shown["words"] and "frequency_a" not in shown["words"]
    assert "frequency_a" in shown["bold"] and "mean_a" not in shown["bold"]


def test_a_finding_by_hand_takes_what_the_address_brings(study: Study) -> None:
    app = opened(study, features=str(TEA), probes="bold", held="1")
    fill(app, "An answer of one side more often …", "speaks of tea")
    press(app, "Add the finding")
    (made,) = findings.load(study)
    assert (made.claim, made.side, made.features, made.probes) == ("speaks of tea", "b", (TEA,), ("bold",))
    assert made.held_out_seen
    assert app.query_params["finding"] == made.id


def test_a_finding_by_hand_leans_to_the_side_that_shows_its_features_more(study: Study) -> None:
    table = diff.load(study, "a", "b").features.sort_values("delta")
    less, more = (int(table["feature"].iloc[place]) for place in (0, -1))
    assert table["delta"].iloc[0] < 0 < table["delta"].iloc[-1]
    for feature, side in ((less, "A"), (more, "B")):
        app = opened(study, features=str(feature))
        sides = next(group for group in app.button_group if group.label == "Side that shows it more")
        assert sides.value == side


def test_a_contradicted_finding_waits_for_a_persons_reason(study: Study) -> None:
    made = findings.add(study, WRONG_WAY, "a", author="Ada", features=[ITEMS])
    app = opened(study, status="needs a reason")
    assert "but numbered items go from 7 % of answers in a to 93 % in b" in app.warning[0].value.replace("\\", "")
    fill(app, "Why may it be reported all the same?", "the items were counted by eye")
    press(app, "Let it pass")
    assert evidence.get(study, made.id).open == []
    assert findings.get(study, made.id).reason == "the items were counted by eye"


def test_rejecting_takes_a_reason_and_can_be_taken_back(study: Study) -> None:
    made = findings.add(study, "speaks of cake", "b", author="Ada")
    app = press(opened(study), "Reject")
    assert "Say why" in app.error[0].value
    fill(app, "Why it does not hold", "it is the oven")
    app = press(app, "Reject")
    assert findings.get(study, made.id).rejected == "it is the oven"
    assert "it is the oven" in app.error[0].value
    press(app, "Take the rejection back")
    assert findings.get(study, made.id).rejected == ""


def test_saving_writes_only_what_was_changed(study: Study) -> None:
    made = findings.add(study, "speaks of cake", "b", author="Ada", features=[2])
    app = opened(study)
    app.sidebar.text_input(key="author").input("Ben").run()
    findings.change(study, made.id, "Cleo", add={"features": [TEA]})
    fill(app, "Claim", "speaks of cake or pie")
    press(app, "Save")
    last = findings.history(study, made.id)[-1]
    assert (last.author, last.put, last.add, last.drop) == ("Ben", {"claim": "speaks of cake or pie"}, {}, {})
    assert findings.get(study, made.id).features == (2, TEA)


def test_what_others_wrote_stays_text(study: Study) -> None:
    evil = "<img src=http://e.example/x.png> ![x](http://e.example/y.png)"
    made = findings.add(study, evil, "b", author=evil, features=[2])
    findings.note(study, made.id, evil, evil)
    findings.reject(study, made.id, evil, evil)
    app = opened(study)
    assert not any("<img" in html.value for html in app.html)
    told = [shown.value for shown in (*app.markdown, *app.caption, *app.error)]
    assert not any(re.search(r"(?<!\\)(?:<img|!\[)", text) for text in told)


def test_an_unknown_finding_gets_a_sentence(study: Study) -> None:
    findings.add(study, "speaks of cake", "b", author="Ada")
    assert "no finding 'f0000000'" in opened(study, finding="f0000000").warning[0].value


def test_a_judge_is_asked_only_after_its_price_was_shown(study: Study, server: OpenAIServer) -> None:
    findings.add(study, "speaks of cake", "b", author="Ada", features=[2])
    server.models = ["judge"]
    app = opened(study, show="Verify")
    start = "Verify 1 findings"
    assert next(b for b in app.button if b.label == start).disabled
    app.text_input(key="judge").input(f"{server.url}#judge").run()
    assert next(b for b in app.button if b.label == start).disabled
    app = press(app, "What would it cost?")
    asked = verification.plan(study, verification.Options(model=f"{server.url}#judge")).questions
    assert any(text.value.startswith(f"{len(asked)} calls") for text in app.markdown)
    assert not next(b for b in app.button if b.label == start).disabled


def test_a_model_without_a_key_is_named_as_such(study: Study) -> None:
    app = opened(study, show="Draft", writer="openrouter:some/model")
    assert "not set" in next(w.value for w in app.warning if "OPENROUTER" in w.value)
    assert "OPENROUTER" in press(app, "What would it cost?").error[0].value


def test_both_ways_of_finding_stand_in_one_table(study: Study) -> None:
    drafting.run(study, drafting.Options(), Watch())
    table = opened(study, show="Without features").dataframe[0].value
    assert table.loc["claims"].to_dict() == {
        "with features": str(len(findings.load(study))),
        "without features": "0",
    }


def test_a_report_that_was_made_can_be_taken_away(study: Study) -> None:
    folder = study.folder / "reports" / "a-b"
    assert not opened(study, show="Report").get("download_button")
    folder.mkdir(parents=True)
    files.write_json(folder / "manifest.json", {"made": "2026-01-02T03:04:05+00:00"})
    app = opened(study, show="Report")
    assert any("2026-01-02" in text.value.replace("\\", "") for text in app.markdown)
    assert [button.proto.label for button in app.get("download_button")] == ["Everything (zip)"]
    # What a report of a series has not is not offered, and an agent's notebook where there is one.
    for name in ("report.html", "one-page.png", "agent.ipynb"):
        (folder / name).write_text("made", encoding="utf-8")
    assert [button.proto.label for button in opened(study, show="Report").get("download_button")] == [
        *("Everything (zip)", "The page", "Picture", "Agent's notebook"),
    ]


def test_a_report_is_shown_shut_off_and_called_outdated_once_something_changed(study: Study) -> None:
    findings.add(study, "speaks of cake", "b", author="Ada", features=[2])
    folder = last.folder_of(study, "a", "b")
    folder.mkdir(parents=True)
    told = {"made": "2026-01-02T03:04:05+00:00", "state": last.state(study, "a", "b")}
    files.write_json(folder / "manifest.json", told)
    for name in ("one-page", "report"):
        (folder / f"{name}.html").write_text(f"<p>{name}<script>alert(1)</script>", encoding="utf-8")
    app = opened(study, show="Report")
    assert not app.warning
    assert app.get("iframe")[0].proto.srcdoc == report.framed("<p>one-page<script>alert(1)</script>")
    findings.reject(study, findings.load(study)[0].id, "no", "Ada")
    app = opened(study, show="Report", preview="Whole report")
    assert "<p>report" in html.unescape(app.get("iframe")[0].proto.srcdoc)
    said = app.warning[0].value.replace("\\", "")
    assert said == "Outdated: since it was made on 2026-01-02 03:04 UTC the findings changed."


def test_a_pair_on_the_page_compare_becomes_an_example(study: Study) -> None:
    made = findings.add(study, "speaks of cake", "b", author="Ada", features=[2])
    held = study.prompts().query("split == 'held-out'")["id"].iloc[0]
    press(opened(study, "compare", prompt=held, held="true", feature="2"), "Add this pair")
    after = findings.get(study, made.id)
    assert after.examples == (findings.Example(held, 0),)
    assert after.held_out_seen
