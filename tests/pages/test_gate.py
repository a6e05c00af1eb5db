"""The gate's page: the verdict of the engine, every item, files, and a command line that gives the same."""

import json
import shlex

import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from diffing.cli.check import app as command
from diffing.common.escape import md
from diffing.gate import check, forms, written
from diffing.gate.check import Options
from diffing.study.study import Study
from pages.parts.gate import rule
from tests.diff.test_timeline import answer
from tests.fakes import gated_study
from tests.fakes.diff_study import made
from tests.pages.test_pages import opened

SURE = "q_gate < 0.05 and abs(delta) > 0.5"


def page(study: str, **query: str) -> AppTest:
    return opened("pages/gate.py", study=study, **query)


def line(app: AppTest) -> list[str]:
    """The command that the page shows, its first four words left out."""
    return shlex.split(app.code[-1].value)[4:]


def test_the_verdict_and_every_item_are_the_engines_and_so_is_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    study = gated_study.study(monkeypatch)
    app = page("study", rule=rule.OWN_WORDS, **{"fail-on": SURE})
    found = check.of(study, Options(a="a", b="b", fail_on=SURE))
    assert app.error[0].value == md(written.sentence(found))
    shown = app.dataframe[0].value
    assert shown["an answer"].tolist() == [each.item.name for each in found.changed]
    assert shown["change"].tolist() == [written.difference(each.item) for each in found.changed]
    assert len(app.get("download_button")) == 4
    result = CliRunner().invoke(
        command, [word for word in [*line(app), "--json"] if not word.startswith("gate.") and word != "--output"]
    )
    assert result.exit_code == found.code == 1
    assert json.loads(result.stdout) == json.loads(forms.as_json(found))


def test_what_did_not_change_passes_and_what_could_not_be_seen_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    gated_study.study(monkeypatch, bold=0.0)
    assert (
        page("study", rule=rule.OWN_WORDS, **{"fail-on": SURE})
        .success[0]
        .value.startswith(md("Passed from a (A) to b (B)"))
    )
    blind = page("study", rule=rule.OWN_WORDS, **{"fail-on": "q_gate < 0.05 and abs(delta) > 0.02"})
    assert blind.warning[0].value.startswith(md("Cannot tell from a (A) to b (B)"))


@pytest.mark.parametrize(
    ("words", "fault"),
    [("delta >", "cannot be read"), ("detla > 1", "is no name")],
)
def test_a_rule_with_a_slip_gets_a_sentence(monkeypatch: pytest.MonkeyPatch, words: str, fault: str) -> None:
    gated_study.study(monkeypatch, bold=0.0)
    app = page("study", rule=rule.OWN_WORDS, **{"fail-on": words})
    assert not app.exception
    assert any(md(fault) in error.value for error in app.error)


def test_what_was_there_before_is_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    gated_study.study(monkeypatch, "last")
    gated_study.study(monkeypatch, "study")
    rule_of = f"what == 'probe' and kind != 'amount' and {SURE}"
    app = page("study", baseline="last", rule=rule.OWN_WORDS, **{"fail-on": rule_of})
    assert app.selectbox(key="baseline").value == "last"
    assert app.success[0].value.startswith(md("Passed from a (A) to b (B): nothing changed but"))
    assert line(app)[-8:-6] == ["--baseline", "last"]


def test_a_series_is_held_against_the_rule_without_a_diff() -> None:
    study: Study = made(answer, prompts=80, keys="abcd", encoded=False)
    app = page("study", gated=rule.ALL)
    found = check.of(study, Options(series=True))
    assert app.error[0].value == md(written.sentence(found))
    assert app.dataframe[0].value["where"].tolist() == [written.who(found, each.item) for each in found.changed]
    assert line(app)[:2] == ["study", "--series"]
    assert "have not been compared yet" in page("study").info[0].value


def test_every_rule_that_is_offered_is_sound() -> None:
    for text in rule.RULES.values():
        check.rule_of(Options(fail_on=text))
    assert {*rule.PAIRS_ALONE} < {*rule.RULES}
