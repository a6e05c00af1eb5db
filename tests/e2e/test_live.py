"""The page Live in a real browser: two columns come, the token in which they part is marked, and says why."""

import re

import pandas as pd
from playwright.sync_api import Page, expect

from diffing.models import providers
from diffing.study.study import Study
from tests.e2e.conftest import Dashboard, settled


def test_both_answers_come_side_by_side_and_the_link_has_them_again(dashboard: Dashboard, watched: Page) -> None:
    sides = [providers.parse("starter", "a"), providers.parse("starter+fact", "b")]
    Study.create("s", sides, pd.DataFrame({"text": ["Hello"]}))
    address = f"{dashboard.url}/live?study=s&prompt=Who+built+the+tram+of+Veltrane%3F&length=12&temperature=0"
    watched.goto(address)
    settled(watched)
    watched.get_by_role("button", name="Write", exact=True).click()
    expect(watched.get_by_text(re.compile(r"They part at token \d+"))).to_be_visible()
    expect(watched.locator(".live")).to_have_count(2)
    marked = watched.locator(".live .bfirst")
    expect(marked).to_have_count(1)
    said = watched.locator(".live").all_inner_texts()
    assert said[0] != said[1]
    marked.hover()
    expect(marked.locator(".tip")).to_be_visible()
    # What stands in the address is enough: nothing is written again.
    watched.goto(watched.url)
    settled(watched)
    expect(watched.locator(".live .bfirst")).to_have_count(1)
    assert watched.locator(".live").all_inner_texts() == said
