"""The pages in a real browser: cold links, charts, dark mode, and nobody outside asked."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Dashboard, settled
from tests.fakes import finding_study

VIEWS = ["", "new", "answer", "prompts", "run", "features", "feature", "compare", "findings"]


def test_every_view_opens_by_a_cold_link_with_its_frame(
    dashboard: Dashboard, watched: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding_study.make(monkeypatch, prompts=60)
    for view in reversed(VIEWS):
        watched.goto(f"{dashboard.url}/{view}?study=study")
        settled(watched)
        expect(watched.get_by_test_id("stSidebar").get_by_text("Checkpoint Diffing")).to_be_visible()
        expect(watched.get_by_test_id("stException")).to_have_count(0)
        expect(watched.get_by_role("heading", level=1)).to_be_visible()


def test_a_bar_opens_its_feature(dashboard: Dashboard, watched: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch, prompts=60)
    watched.goto(f"{dashboard.url}/features?study={study.name}")
    settled(watched)
    bar = watched.locator(".js-plotly-plot .bars .point path").first
    bar.wait_for(state="attached")
    watched.get_by_text("How often each side shows it").scroll_into_view_if_needed()
    watched.mouse.move(700, 400)
    watched.mouse.wheel(0, 500)
    # Plotly lays an invisible layer over its bars, which takes the click: only the place counts.
    watched.wait_for_timeout(1000)
    box = bar.bounding_box()
    assert box
    watched.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)
    watched.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    watched.wait_for_url(re.compile(r"/feature\?.*feature=\d+"))
    settled(watched)
    expect(watched.get_by_role("heading", name="Feature", exact=True)).to_be_visible()


def test_a_dot_narrows_bars_and_table_to_its_feature(
    dashboard: Dashboard, watched: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = finding_study.make(monkeypatch, prompts=60)
    watched.set_viewport_size({"width": 1400, "height": 1400})
    watched.goto(f"{dashboard.url}/features?study={study.name}")
    settled(watched)
    watched.locator(".js-plotly-plot .bars .point path").first.wait_for(state="attached")
    watched.wait_for_timeout(1000)
    spot = watched.evaluate(
        """() => {
            const plot = [...document.querySelectorAll('.js-plotly-plot')].find(p => p.data[0].mode === 'markers');
            const {xaxis, yaxis} = plot._fullLayout, box = plot.getBoundingClientRect(), dots = plot._fullData[0];
            const x = Math.max(...dots.x), y = dots.y[[...dots.x].indexOf(x)];
            return [box.x + xaxis._offset + xaxis.l2p(x), box.y + yaxis._offset + yaxis.l2p(y)];
        }"""
    )
    watched.mouse.move(*spot, steps=5)
    watched.mouse.click(*spot)
    watched.wait_for_url(re.compile(r"only=\d+$"))
    expect(watched.get_by_role("button", name="Only 1 chosen in the chart")).to_be_visible()
    expect(watched.get_by_text("1 feature of")).to_be_visible()


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
