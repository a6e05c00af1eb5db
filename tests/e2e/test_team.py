"""A team at a real dashboard, in a real browser: one looks, one writes, and each leaves by the door."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from diffing.cli import serve
from diffing.findings import votes
from diffing.study.study import Study
from tests.attacks.test_team import EDITOR, STRANGER, VARIABLE, VIEWER, team_of
from tests.e2e.conftest import PATIENCE, settled
from tests.fakes import voted_study
from tests.fakes.provider import SECRET, Provider
from tests.fakes.servers import free


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setattr(serve, "LONGEST_START", PATIENCE / 1000)
    monkeypatch.setenv(VARIABLE, SECRET)
    with Provider() as running:
        yield running


@pytest.fixture
def address(provider: Provider) -> Iterator[str]:
    port = free()
    voted_study.make()
    running, _ = serve.start(port, team=team_of(provider, f"http://127.0.0.1:{port}"))
    yield running.addresses[0]
    assert serve.stop(port)


def test_a_viewer_looks_an_editor_votes_and_both_leave(page: Page, provider: Provider, address: str) -> None:
    blind = f"{address}/compare?study=study&show=Vote+blind"
    provider.claims = STRANGER
    page.goto(blind)
    expect(page.get_by_text("This dashboard belongs to a team: log in to see it.")).to_be_visible()
    page.get_by_role("link", name="Log in").click()
    expect(page.get_by_text("eve@elsewhere.example is not among the people of this dashboard")).to_be_visible()

    provider.claims = VIEWER
    page.get_by_role("link", name="Log in").click()
    # Back where it was asked for, before the stranger's turn.
    page.goto(blind)
    settled(page)
    expect(page.get_by_text("vera@example.org · viewer")).to_be_visible()
    left = page.get_by_role("button", name="Left")
    expect(left).to_be_disabled()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_label("Your name", exact=True)).to_have_value("vera@example.org")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_text("log in to see it")).to_be_visible()

    provider.claims = EDITOR
    page.goto(blind)
    page.get_by_role("link", name="Log in").click()
    settled(page)
    assert page.url.startswith(blind.partition("?")[0])
    expect(page.get_by_label("Your name", exact=True)).to_be_disabled()
    page.get_by_role("button", name="Left").click()
    expect(page.get_by_text("1 of ")).to_be_visible()
    [vote] = votes.read(Study.open("study"))
    assert (vote.voter, vote.said) == ("ed@example.org", "left")
