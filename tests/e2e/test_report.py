"""The report as a person sees it: opened from disk in a browser that reaches no network."""

import re
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
    assert headings[:2] == ["What it means in use", "The changes, with a pair of answers each"]
    assert headings[2:4] == ["What was not found, and what cannot be told", "What was compared, and how"]
    assert headings[4:7] == ["All findings", "Findings in detail", "Counted in the answers"]
    assert headings[7:10] == ["Features of the reader", "What would make it surer", "How far this reaches"]
    assert headings[10:] == ["Cost and time", "Settings, versions and hashes"]
    colours = "e => getComputedStyle(e).backgroundColor"
    assert page.locator("h1 .letter.a").first.evaluate(colours) == "rgb(70, 132, 215)"
    assert page.locator("h1 .letter.b").first.evaluate(colours) == "rgb(199, 137, 1)"
    marked = page.locator("#finding-2 .lines mark").all_inner_texts()
    assert marked == ["··", "··"]
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


def test_what_nothing_tested_says_so_in_the_largest_letters_of_its_card(page: Page, made: Made) -> None:
    opened(page, made)
    card = page.locator(".card.untested")
    sizes = card.evaluate("e => [...e.querySelectorAll('*')].map(i => parseFloat(getComputedStyle(i).fontSize))")
    assert card.locator("h3").inner_text() == "Unverified wording"
    assert sizes[0] == max(sizes) > max(sizes[1:])


def test_it_prints_in_four_pages_before_its_appendix_and_the_one_page_in_one(page: Page, made: Made) -> None:
    opened(page, made)
    page.evaluate("document.querySelector('#appendix').remove()")
    assert 1 <= printed(page) <= 4
    page.goto((made[1] / "one-page.html").as_uri())
    assert page.evaluate("document.scripts.length") == 0
    assert printed(page) == 1


def printed(page: Page) -> int:
    """Pages on paper."""
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))
