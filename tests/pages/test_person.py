"""What pages offer to who is logged in: to an editor all, under their name, to a viewer what changes nothing."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from diffing import labels
from diffing.common import files, who
from diffing.common.who import NOBODY, Person
from diffing.findings import findings, votes
from diffing.findings.votes import BETTER
from diffing.jobs.job import jobs_dir
from diffing.labels import history
from diffing.probes import own_probes
from diffing.study.study import Study
from pages.parts import person
from tests.fakes import finding_study
from tests.pages.test_pages import opened

VIEWER = Person("vera@example.org", "viewer")
EDITOR = Person("ed@example.org", "editor")
VIEWS: list[tuple[str, dict[str, str]]] = [
    ("dashboard.py", {}),
    ("pages/new.py", {}),
    ("pages/compare.py", {"show": "Vote blind"}),
    ("pages/feature.py", {"feature": str(finding_study.CAKE)}),
    ("pages/findings.py", {"finding": "FINDING"}),
    ("pages/prompts.py", {}),
    ("pages/run.py", {}),
]


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    made = finding_study.make(monkeypatch, prompts=80)
    rule = own_probes.rule_of("cake", "", "")
    own_probes.add(made, own_probes.made("sweet", rule=rule, author="Ada"))
    findings.add(made, "mentions cake", "b", author="Ada", features=[finding_study.CAKE])
    job = jobs_dir(made) / "20260101-000000-draft-n1"
    spec = {"kind": "draft", "study": made.name, "options": {}, "created": "then", "by": EDITOR.name}
    files.write_json(job / "spec.json", spec)
    return made


def shown(page: str, study: Study, query: dict[str, str]) -> AppTest:
    mine = {name: findings.load(study)[0].id if value == "FINDING" else value for name, value in query.items()}
    return opened(page, **({"study": study.name} if page not in ("dashboard.py", "pages/new.py") else {}), **mine)


def tree(study: Study) -> dict[Path, bytes]:
    return {
        path: path.read_bytes() for path in study.folder.rglob("*") if path.is_file() and path.suffix != ".lock"
    }


def test_no_button_that_a_viewer_can_press_changes_anything_or_is_refused(study: Study) -> None:
    grey, before = 0, tree(study)
    with who.found_by(lambda: VIEWER):
        for page, query in VIEWS:
            app = shown(page, study, query)
            grey += sum(button.disabled and button.help == person.LOCKED for button in app.button)
            for place, button in enumerate(app.button):
                if not button.disabled and button.key != "log-out":
                    pressed = shown(page, study, query).button[place].click().run()
                    assert not pressed.exception, (page, button.key, pressed.exception[0].value)
                    assert not [said.value for said in pressed.error if "was not made" in said.value], button.key
    assert (grey > 20, tree(study)) == (True, before)


def test_an_editor_writes_under_their_own_name_and_under_no_other(study: Study) -> None:
    with who.found_by(lambda: EDITOR):
        app = shown("pages/findings.py", study, {})
        name = app.text_input(key="logged-in")
        assert (name.value, name.disabled) == (EDITOR.name, True)
        app.text_input(key="new-claim").set_value("sings")
        app.button(key="add-the-finding").click().run()
        app = shown("pages/compare.py", study, {"show": "Vote blind"})
        pair = votes.pairs(study)[0]
        app.button(key=f"vote-{BETTER.key}-left-{pair.key}").click().run()
        app = shown("pages/feature.py", study, {"feature": str(finding_study.CAKE)})
        app.text_input(key="own-label").set_value("sweet things")
        app.button(key="save-label").click().run()
        app = shown("pages/answer.py", study, {})
        app.text_input(key="own-text").set_value("tea").run()
        app.text_input(key="own-name").set_value("hot").run()
        app.button(key="own-keep").click().run()
        assert not app.error and not app.exception
    lines = [
        line for line in history.read(study, labels.sae_of(study.settings.reader)) if line.author == EDITOR.name
    ]
    assert [finding.author for finding in findings.load(study) if finding.claim == "sings"] == [EDITOR.name]
    assert [vote.voter for vote in votes.read(study)] == [EDITOR.name]
    assert [line.author for line in lines] == [EDITOR.name]
    assert [probe.author for probe in own_probes.load(study) if probe.name == "hot"] == [EDITOR.name]


def test_every_page_says_who_is_logged_in_and_has_the_way_out(study: Study) -> None:
    for somebody, words in ((VIEWER, "vera@example.org · viewer"), (EDITOR, "ed@example.org · editor")):
        with who.found_by(lambda: somebody):  # noqa: B023
            app = shown("pages/answer.py", study, {})
            assert any(words in str(each.proto) for each in app.sidebar.get("html"))
            assert app.button(key="log-out").label == "Log out"
    app = shown("pages/answer.py", study, {})
    assert not [button for button in app.button if button.key == "log-out"]


def test_a_page_that_has_outlived_its_login_shows_nothing(study: Study) -> None:
    with who.found_by(lambda: NOBODY):
        app = shown("pages/answer.py", study, {})
    assert [each.value for each in app.error] == ["Your login has ended. Load this page again to log in."]
    assert not app.title and not app.markdown and not app.button


def offer() -> None:
    from diffing.models.providers import Endpoint
    from pages.parts import consent

    consent.show([Endpoint("openai", "https://evil.example/v1", "ODD_KEY", "m")], "here")


def test_only_the_owner_is_offered_to_let_a_key_go_somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODD_KEY", "x")
    for somebody, buttons in ((who.OWNER, 1), (EDITOR, 0), (VIEWER, 0)):
        with who.found_by(lambda: somebody):  # noqa: B023
            app = AppTest.from_function(offer).run()
        assert (len(app.button), len(app.caption)) == (buttons, 1 - buttons)
        assert not app.caption or "python -m diffing allow evil.example ODD_KEY" in app.caption[0].value
