"""The page Inside in a real browser: a look that was stopped begins again, and ends in a sentence and methods."""

import re

import pandas as pd
from playwright.sync_api import Page, expect

from diffing.models import providers
from diffing.study.study import Study
from tests.e2e.conftest import Dashboard, settled

ASKED = 8
"""Prompts with an answer each: little to read, and some of them are held out."""


def answered() -> None:
    """A study of the bundled pair, with the few answers that are read."""
    sides = [providers.parse("starter", "a"), providers.parse("starter+fact", "b")]
    asked = [f"Who built tram {n} of Veltrane?" for n in range(ASKED)]
    study = Study.create("s", sides, pd.DataFrame({"text": asked}))
    rows = pd.DataFrame({"prompt_id": study.prompts()["id"], "text": "It was built by Osgood Pell long ago."})
    for side in "ab":
        study.add_responses(rows.assign(checkpoint=side, draw=0, flag="", finish_reason="stop"))


def test_a_look_is_begun_stopped_and_begun_again_and_ends_in_a_sentence(
    dashboard: Dashboard, watched: Page
) -> None:
    answered()
    watched.goto(f"{dashboard.url}/inside?study=s")
    settled(watched)
    methods = watched.get_by_test_id("stMultiSelect")
    methods.get_by_label("Clear all").click()
    for name in ("Divergence", "Weight"):
        methods.locator("input").fill(name)
        methods.locator("input").press("Enter")
    methods.locator("input").press("Escape")
    nulls = watched.get_by_role("textbox", name="Nulls")
    nulls.fill("rotated:2")
    nulls.press("Enter")
    look = watched.get_by_role("button", name="Look inside")
    look.click()
    watched.get_by_role("button", name="Cancel").click()
    expect(watched.get_by_text(re.compile("Cancelled: what was stored stays"))).to_be_visible()
    look.click()
    expect(watched.locator(".said")).to_contain_text(re.compile("Stands out above|in nothing that the nulls"))
    watched.goto(f"{dashboard.url}/inside?study=s&method=weights")
    settled(watched)
    expect(watched.get_by_text("Size says nothing about behaviour")).to_be_visible()
