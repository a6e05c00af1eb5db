"""A newcomer's whole way, and jobs that outlive the browser and the server."""

import re

import pytest
from playwright.sync_api import Page, expect

from diffing import Study, jobs, labels
from diffing.common import files
from diffing.findings import votes
from diffing.jobs.job import Job
from diffing.study import sample
from tests.e2e.conftest import Dashboard, settled
from tests.fakes import finding_study, read_sample
from tests.fakes.processes import PATIENCE, paused, until


def begun(name: str) -> Job:
    """The first job of a study that a click is about to start."""
    until(lambda: list(files.studies_dir().glob(f"{name}/jobs/[!.]*/spec.json")), f"a job of '{name}'")
    return jobs.recent(Study.open(name))[-1]


def see(page: Page, address: str) -> None:
    page.goto(address)
    settled(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_a_newcomer_goes_from_an_empty_screen_over_the_answer_and_a_pair_to_a_finding_and_the_report(
    dashboard: Dashboard, page: Page
) -> None:
    # Its answers were read before, by another study: a page that waits for a minute is drawn sixty times.
    read_sample.put(part="cache")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    see(page, dashboard.url)
    page.get_by_role("button", name="Make the sample study").click()
    with paused(begun("sample")):
        expect(page.get_by_text("Reading the answers")).to_be_visible()
        expect(page.get_by_text("After that: comparing the two sides")).to_be_visible()

        # The server dies and comes back in the middle: the job goes on, and the page tells the truth.
        dashboard.kill()
        dashboard.start()
        dashboard.let_in(page.context)
        see(page, f"{dashboard.url}/answer?study=sample")
        expect(page.get_by_text("Reading the answers")).to_be_visible()
    study = Study.open("sample")
    expect(page.get_by_text("Answers are about as long as before")).to_be_visible()
    settled(page)
    assert [(job.spec["kind"], job.status().state) for job in jobs.recent(study)] == [
        ("diff", "done"),
        ("encode", "done"),
    ]

    # The answer: each behaviour with a line of both answers, marked on the side that shows it more.
    bold = page.locator("[class*=st-key-behaviour-]").filter(has_text="uses bold")
    expect(bold.locator(".lines bdi.b10").first).to_be_visible()
    expect(bold.locator(".lines bdi.a10")).to_have_count(0)
    first = bold.locator(".lines").text_content() or ""
    bold.get_by_role("button", name="Next pair").click()
    expect(bold.locator(".lines")).not_to_have_text(first)
    settled(page)

    # The finding, made where one stands.
    bold.get_by_role("button", name="Make it a finding").click()
    expect(bold.get_by_text("In the findings")).to_be_visible()
    (standing,) = study.findings()
    assert (standing.finding.claim, standing.status) == ("uses bold", "counted")

    # The pair, whole.
    bold.get_by_text("Whole answers").click()
    expect(page.get_by_role("heading", name="Compare", exact=True)).to_be_visible()
    expect(page.locator(".answer bdi").first).to_be_visible()

    # A blind vote: neither a side's name on the screen nor, before it is asked for, what the votes say.
    see(page, f"{dashboard.url}/compare?study=sample&show=Vote+blind")
    shown = page.locator("body").inner_text()
    assert not any(checkpoint.name in shown for checkpoint in study.checkpoints)
    page.get_by_role("button", name="Left").first.click()
    expect(page.get_by_text("Show what 1 vote says so far")).to_be_visible()
    expect(page.get_by_text("preferred")).to_have_count(0)
    assert [vote.said for vote in votes.read(study)] == ["left"]

    # The report.
    see(page, f"{dashboard.url}/findings?study=sample&show=Report")
    page.get_by_role("button", name="Make the report").click()
    expect(page.get_by_role("button", name="Everything (zip)")).to_be_visible()
    assert [url for url in asked if not url.startswith((dashboard.url, "data:", "blob:"))] == []


def test_a_label_is_written_and_a_table_taken_away(
    dashboard: Dashboard, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = finding_study.make(monkeypatch, prompts=60)
    see(page, f"{dashboard.url}/feature?study={study.name}&feature={finding_study.CAKE}")
    expect(page.locator(".answer bdi").first).to_be_visible()
    page.get_by_label("Your label").fill("what the newcomer thinks it is")
    page.get_by_role("button", name="Save label").click()
    expect(page.get_by_role("heading", name=re.compile("what the newcomer thinks it is"))).to_be_visible()
    assert labels.current(study)[finding_study.CAKE].author_kind == "person"
    see(page, f"{dashboard.url}/features?study={study.name}")
    with page.expect_download() as caught:
        page.get_by_role("button", name="Download this table").click()
    assert "what the newcomer thinks it is" in caught.value.path().read_text()


def test_three_tabs_that_open_the_sample_start_its_steps_once(dashboard: Dashboard, page: Page) -> None:
    study = sample.create()
    tabs = [page, page.context.new_page(), page.context.new_page()]
    for tab in tabs:
        see(tab, dashboard.url)
    for tab in tabs:
        tab.get_by_role("button", name="Open").click()
    job = begun(study.name)
    with paused(job):
        for tab in tabs:
            expect(tab.get_by_role("heading", name="What changed", exact=True)).to_be_visible()
            expect(tab.get_by_text("Reading the answers")).to_be_visible()
        tabs[0].get_by_role("button", name="Cancel").click()
        until((job.folder / "cancel").exists, "the click on Cancel")
    assert [started.id for started in jobs.recent(study)] == [job.id]
    assert job.wait(PATIENCE).state == "cancelled"
    expect(tabs[2].get_by_text("Cancelled: what was stored stays")).to_be_visible()


def test_three_tabs_on_one_study_lose_no_edit_and_start_nothing_twice(
    dashboard: Dashboard, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = finding_study.make(monkeypatch, prompts=60)
    tabs = [page, page.context.new_page(), page.context.new_page()]
    for tab in tabs:
        see(tab, f"{dashboard.url}/feature?study={study.name}&feature={finding_study.CAKE}")
    for number, tab in enumerate(tabs):
        tab.get_by_label("Your label").fill(f"label of tab {number}")
    for number, tab in enumerate(tabs):
        tab.get_by_role("button", name="Save label").click()
        expect(tab.get_by_role("heading", name=f"label of tab {number}")).to_be_visible()
    written = [label.label for label in labels.ever(study)[finding_study.CAKE]]
    assert sorted(written) == ["label of tab 0", "label of tab 1", "label of tab 2"]
    for tab in tabs:
        see(tab, f"{dashboard.url}/run?study={study.name}")
    for tab in tabs:
        tab.get_by_role("button", name="Compare again").click()
    settled(tabs[-1])
    alive = [job for job in jobs.recent(study) if job.status().state == "running"]
    assert len(alive) <= 1
    for job in jobs.recent(study):
        assert job.wait(PATIENCE).state == "done"
