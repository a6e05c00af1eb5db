"""The report as a person sees it: opened from disk in a browser that reaches no network."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route

from tests.fakes import report_study
from tests.fakes.report_study import HOSTILE, Made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    with report_study.reported(tmp_path_factory.mktemp("secret-home")) as study_and_folder:
        yield study_and_folder


def opened(page: Page, made: Made) -> Page:
    page.goto((made[1] / "report.html").as_uri())
    return page


def test_the_report_opens_without_network_and_nothing_in_it_runs(page: Page, made: Made) -> None:
    asked: list[str] = []
    said: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.continue_() if route.request.url.startswith("file:") else route.abort()

    page.route("**/*", refuse)
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    opened(page, made)
    page.wait_for_load_state("networkidle")
    assert [url for url in asked if not url.startswith("file:")] == []
    assert said == []
    assert page.evaluate("document.scripts.length") == 0
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 100)")
    assert page.evaluate("document.images.length") >= 6


def test_it_looks_as_it_should(page: Page, made: Made) -> None:
    opened(page, made)
    page.set_viewport_size({"width": 1200, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == 1200
    headings = page.locator("h2").all_inner_texts()
    assert headings[:4] == ["The answer", "What was compared, and how", "The surest differences", "Findings"]
    assert headings[4:7] == ["Counted without features", "Looked for and not found", "Conclusion"]
    assert headings[7:] == ["Limits", "Cost and time", "Settings, versions, hashes"]
    assert page.locator("#answer ol > li").count() == 6
    colours = "e => getComputedStyle(e).backgroundColor"
    assert page.locator("h1 .letter.a").evaluate(colours) == "rgb(70, 132, 215)"
    assert page.locator("h1 .letter.b").evaluate(colours) == "rgb(199, 137, 1)"
    marked = page.locator("#finding-1 .pair").first.locator("section.b mark")
    assert marked.all_inner_texts() == ["cake"]
    assert marked.first.get_attribute("title") == "feature 1: 2.00"
    shot = page.screenshot(full_page=True)
    assert len(shot) > 100_000


def test_hostile_answers_are_read_as_they_were_written(page: Page, made: Made) -> None:
    text = opened(page, made).locator("body").inner_text()
    assert HOSTILE.split(" \u202e")[0].split("\u202e")[0].strip() in text
    assert page.locator("h1 b").all_inner_texts() == ["A", "B"]


def test_it_is_dark_where_the_reader_is(page: Page, made: Made) -> None:
    opened(page, made)
    look = "e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color]"
    page.emulate_media(color_scheme="light")
    light = page.locator("body").evaluate(look)
    page.emulate_media(color_scheme="dark")
    assert (light, page.locator("body").evaluate(look)) == (
        ["rgb(255, 255, 255)", "rgb(36, 41, 47)"],
        ["rgb(20, 23, 28)", "rgb(230, 232, 235)"],
    )
    narrow = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= min(narrow, 400)
