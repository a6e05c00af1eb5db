"""A study made to attack, in a real browser: on no page does anything of it run, fetch, or lead elsewhere.

Every view is opened by a cold link, and stands in its frame.

The browser is told to pass over the server's own policy, which would stop much of it: here the pages stand alone.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect

from tests.e2e.conftest import Dashboard, settled
from tests.fakes import hostile_study
from tests.fakes.hostile_study import CAKE, HOSTILE, OWNED, SCRIPT

LIVE = (
    "img[src*='example'], [src^=x], [onerror], [onload], [ontoggle], [onmouseover], iframe, object, embed, base, "
    "form[action], video, .stApp script, .katex, link[href*='example'], a[href*='example'], "
    "a[href^='javascript' i]"
)
"""What the hostile texts would become if one of them were read as anything but text."""


MARKS = [
    *(
        "<script>window.owned",
        "onerror=",
        "![picture]",
        "<style>",
        "<form action",
        "javascript:window",
        "<svg onload",
    ),
    *("<iframe", "<link rel", "onmouseover", "ontoggle", "<video poster"),
]
"""By which each hostile text is known again."""


@pytest.fixture
def context(browser: Browser, browser_context_args: dict[str, Any]) -> Iterator[BrowserContext]:
    with browser.new_context(**browser_context_args, bypass_csp=True) as alone:
        yield alone


def held(page: Page, address: str) -> str:
    """The page's text, after all of it was drawn and nothing of it was alive."""
    page.goto(address)
    settled(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_test_id("stSidebar").get_by_text("Checkpoint Diffing")).to_be_visible()
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
    views = [
        *("", "new", "answer", "prompts", "run", "features", "compare", f"compare?prompt={prompt}&feature={CAKE}"),
        *("compare?show=Surface+probes", f"compare?show=Any+text&text={odd}+cake", "findings"),
        *(f"findings?finding={wrong.id}", "findings?show=Draft", "findings?show=Verify"),
        *("findings?show=Without+features", "findings?show=Report", f"findings?features={odd}&author={odd}"),
        *(f"feature?feature={SCRIPT}", f"feature?feature={odd}", f"run?study={odd}"),
        *(f"feature?feature={CAKE}&pair={number}" for number in range(len(HOSTILE))),
    ]
    shown = {}
    for view in views:
        study_in_it = "" if "study=" in view else f"{'&' if '?' in view else '?'}study={study.name}"
        shown[view] = held(watched, f"{dashboard.url}/{view}{study_in_it}")
    assert dialogs == []
    # Each of them was there to be seen, as the text that it is.
    everything = "\n".join(shown.values())
    assert [mark for mark in MARKS if mark not in everything] == []
    assert "There is no feature '<img src=x onerror=alert(5)>'" in shown[f"feature?feature={odd}"]
    assert "<img src=x onerror=alert(5)>" in shown[f"run?study={odd}"]
