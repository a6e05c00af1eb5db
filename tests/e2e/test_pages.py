"""The pages in a real browser: charts, links, dark mode, and nobody outside asked."""

import re

import pytest
from playwright.sync_api import Page, TimeoutError, expect

from tests.e2e.conftest import Dashboard, settled
from tests.fakes import finding_study


def test_a_bar_opens_its_feature_and_back_goes_back_at_once(
    dashboard: Dashboard, watched: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = finding_study.make(monkeypatch, prompts=60)
    watched.goto(f"{dashboard.url}/features?study={study.name}&with-length=true")
    settled(watched)
    before = watched.evaluate("history.length")
    watched.locator("a.frow .ftrack").first.click()
    watched.wait_for_url(re.compile(r"/feature\?.*feature=\d+"))
    settled(watched)
    expect(watched.get_by_role("heading", name="Feature", exact=True)).to_be_visible()
    assert watched.evaluate("history.length") == before + 1
    watched.go_back()
    watched.wait_for_url(re.compile(r"/features\?.*with-length=true"))


def test_a_dot_and_the_text_of_a_row_open_their_feature_and_back_goes_back_at_once(
    dashboard: Dashboard, watched: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = finding_study.make(monkeypatch, prompts=60)
    watched.set_viewport_size({"width": 1400, "height": 1800})
    for place in (DOT, ROW):
        watched.goto(f"{dashboard.url}/features?study={study.name}&with-length=true")
        settled(watched)
        watched.locator(".js-plotly-plot .scatterlayer .point").first.wait_for(state="attached")
        before = watched.url
        assert opened(watched, place, re.compile(r"/feature\?.*feature=\d+"))
        settled(watched)
        watched.go_back()
        # The very address: one that names the feature behind the old page would be a step of its own.
        watched.wait_for_url(before)
        settled(watched)
        expect(watched.get_by_role("heading", name="Features", exact=True)).to_be_visible()


def opened(page: Page, place: str, address: re.Pattern[str]) -> bool:
    """Click what a script finds until the address is there: nothing tells when a drawing has begun to listen."""
    for _ in range(10):
        spot = page.evaluate(place)
        page.mouse.move(*spot, steps=5)
        page.mouse.click(*spot)
        try:
            page.wait_for_url(address, timeout=30_000)
        except TimeoutError:
            continue
        return True
    return False


DOT = """() => {
    const plot = [...document.querySelectorAll('.js-plotly-plot')].find(p => p.data[0].mode === 'markers');
    const {xaxis, yaxis} = plot._fullLayout, box = plot.getBoundingClientRect(), dots = plot._fullData[0];
    return [box.x + xaxis._offset + xaxis.l2p(dots.x[0]), box.y + yaxis._offset + yaxis.l2p(dots.y[0])];
}"""
"""Where the first dot lies."""
ROW = """() => {
    const box = document.querySelector('[data-testid=stDataFrame]').getBoundingClientRect();
    return [box.x + 300, box.y + 70];
}"""
"""Where the first row of the table has text."""


def test_the_next_pair_is_one_click_away_and_in_the_address(
    dashboard: Dashboard, watched: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = finding_study.make(monkeypatch, prompts=60)
    watched.goto(f"{dashboard.url}/feature?study={study.name}&feature={finding_study.CAKE}")
    settled(watched)
    watched.get_by_role("button", name="Next pair").click()
    watched.wait_for_url(re.compile("pair=1"))
    expect(watched.get_by_text(re.compile(r"Pair 2 of \d+"))).to_be_visible()


def test_pages_are_readable_in_the_dark(
    dashboard: Dashboard, watched: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = finding_study.make(monkeypatch, prompts=60)
    watched.emulate_media(color_scheme="dark")
    watched.goto(f"{dashboard.url}/feature?study={study.name}&feature={finding_study.CAKE}")
    settled(watched)
    colours = watched.evaluate(
        """() => [document.querySelector('[data-testid=stApp]'), document.querySelector('.answer')]
        .map((e, i) => getComputedStyle(e)[i ? 'color' : 'backgroundColor'])"""
    )
    ground, ink = (sum(int(n) for n in re.findall(r"\d+", colour)[:3]) / 3 for colour in colours)
    assert ground < 60 < 180 < ink
