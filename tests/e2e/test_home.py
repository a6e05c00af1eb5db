"""The home page: every study is listed, and nobody outside is asked."""

from playwright.sync_api import Page, expect

from diffing.models.providers import Checkpoint
from diffing.study import prompts
from diffing.study.study import Study
from tests.e2e.conftest import Dashboard, settled

ADDRESSES = "see http://example.org/z or www.example.org or me@example.org"


def test_home_lists_the_studies_and_asks_nobody_outside(dashboard: Dashboard, page: Page) -> None:
    hostile = "<img src=http://example.org/x.png> ![x](http://example.org/y.png)"
    sides = [
        Checkpoint(key="a", name=hostile, source="openai:a"),
        Checkpoint(key="b", name="B", source="openai:b"),
    ]
    Study.create("greet", sides, prompts.bundled().head(10), note=ADDRESSES)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(dashboard.url)
    settled(page)
    expect(page.get_by_role("heading", name="greet")).to_be_visible()
    expect(page.get_by_text("python -m diffing collect greet")).to_be_visible()
    expect(page.get_by_text("![x](http://example.org/y.png)")).to_be_visible()
    expect(page.get_by_text("see http:")).to_be_visible()
    expect(page.locator("a[href*='example']")).to_have_count(0)
    outside = [url for url in asked if not url.startswith((dashboard.url, "data:", "blob:"))]
    assert outside == []
