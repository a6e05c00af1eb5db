"""A study of one's own in the browser: from two endpoints and a file of prompts to the features that differ."""

from pathlib import Path

from playwright.sync_api import Page, expect

from diffing import Study
from tests.e2e.conftest import Dashboard, settled
from tests.fakes.openai_server import OpenAIServer


def test_a_study_is_priced_made_asked_read_and_compared(
    dashboard: Dashboard, page: Page, server: OpenAIServer, tmp_path: Path
) -> None:
    questions = tmp_path / "questions.csv"
    questions.write_text("question,category\n" + "".join(f"What is {n} and why?,sums\n" for n in range(12)))
    page.goto(f"{dashboard.url}/new")
    settled(page)
    page.get_by_test_id("stFileUploader").first.locator("input").set_input_files(questions)
    for label, value in (
        ("Name", "mine"),
        ("Before (A)", f"{server.url}#before"),
        ("After (B)", f"{server.url}#after"),
    ):
        field = page.get_by_role("textbox", name=label, exact=True)
        field.fill(value)
        field.press("Tab")
    expect(page.get_by_text("24 calls, about")).to_be_visible()
    assert server.calls == []
    page.get_by_role("button", name="Make the study").click()

    expect(page.get_by_role("heading", name="Run", exact=True)).to_be_visible()
    page.get_by_role("button", name="Collect answers").click()
    expect(page.get_by_text("24 answered")).to_be_visible()
    page.get_by_role("button", name="Read 24 answers").click()
    expect(page.get_by_role("button", name="All answers are read")).to_be_visible()
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_text("12 pairs")).to_be_visible()
    page.get_by_test_id("stSidebar").get_by_role("link", name="Features").click()
    expect(page.get_by_text("Families that differ, length or not")).to_be_visible()
    assert len(server.calls) == 24
    assert len(Study.open("mine").diff()) == 4096
