"""A study made to attack, in a real browser: on no page does anything of it run, fetch, or lead elsewhere.

The browser is told to pass over the server's own policy, which would stop much of it: here the pages stand alone.
"""

from typing import Any

import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.e2e.conftest import Dashboard, settled
from tests.fakes import hostile_study
from tests.fakes.hostile_study import CAKE, HOSTILE, OWNED, SCRIPT

LIVE = (
    "img[src*='example'], [src^=x], [onerror], [onload], [ontoggle], [onmouseover], iframe, object, embed, base, "
    "form[action], video, .stApp script, .katex, link[href*='example'], a[href*='example'], "
    "a[href^='javascript' i]"
)
"""What the hostile texts would become if one of them were read as anything but text."""


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "bypass_csp": True}


def held(page: Page, address: str) -> str:
    """The page's text, after all of it was drawn and nothing of it was alive."""
    page.goto(address)
    settled(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(LIVE)).to_have_count(0)
    assert page.evaluate(f"window.{OWNED}") is None
    assert OWNED not in page.title()
    return page.locator("body").inner_text()


@pytest.mark.attack("R10")
def test_nothing_of_a_hostile_study_runs_or_leads_elsewhere(
    dashboard: Dashboard, watched: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, wrong = hostile_study.make(monkeypatch)
    dialogs: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    watched.on("dialog", dismiss)
    prompt = study.prompts()["id"].iloc[0]
    odd = "%3Cimg%20src%3Dx%20onerror%3Dalert(5)%3E"
    views = {
        "": "Old",
        "new": "New study",
        "prompts": "<style>",
        "run": "<script>",
        "features": "Old",
        "compare": "<script>",
        f"compare?prompt={prompt}&feature={CAKE}": "Marked",
        "compare?show=Surface+probes": "Old",
        f"compare?show=Any+text&text={odd}+cake": "<img",
        "findings": "writes",
        f"findings?finding={wrong.id}": "<iframe",
        "findings?show=Draft": "Findings",
        "findings?show=Verify": "Findings",
        "findings?show=Without+features": "Findings",
        "findings?show=Report": "Findings",
        f"findings?features={odd}&author={odd}": "Findings",
        f"feature?feature={SCRIPT}": "<script>",
        f"feature?feature={odd}": "There is no feature '<img src=x",
        f"run?study={odd}": "No study",
    }
    for view, words in views.items():
        there = view if "study=" in view else f"{view}{'&' if '?' in view else '?'}study={study.name}"
        assert words in held(watched, f"{dashboard.url}/{there}"), view
    for number in range(len(HOSTILE)):
        held(watched, f"{dashboard.url}/feature?study={study.name}&feature={CAKE}&pair={number}")
        expect(watched.locator(".answer bdi").first).to_be_visible()
    assert dialogs == []
