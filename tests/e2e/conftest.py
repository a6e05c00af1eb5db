"""A real dashboard and a real browser for the tests of this folder.

Both are started once for all tests of a process: a fresh one of each costs more than most tests do. A test gets an
empty home and a page of its own, and a server that it ended is started again for the next.
"""

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from diffing.cli import serve
from diffing.common import files
from tests.fakes.processes import until
from tools.find_chromium import find

PATIENCE = 300_000
"""Milliseconds until a wait is given up: only a fault takes that long, on the busiest machine too."""

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    path = find()
    assert path, "No Chromium was found; 'make test' installs one."
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    return {**browser_type_launch_args, "executable_path": path, "args": quiet}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    # What turns while a page waits is painted again and again.
    return {**browser_context_args, "reduced_motion": "reduce"}


@pytest.fixture(scope="session")
def context(browser: Browser, browser_context_args: dict[str, Any]) -> Iterator[BrowserContext]:
    """One profile, which has read and compiled Streamlit's scripts once."""
    with browser.new_context(**browser_context_args) as profile:
        yield profile


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    context.set_default_timeout(PATIENCE)
    context.set_default_navigation_timeout(PATIENCE)
    yield context.new_page()
    for tab in context.pages:
        tab.close()
    context.clear_cookies()


class Dashboard:
    """A server of a home folder, started as a person starts it; the browser of `context` may come in."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.home = home

    @property
    def _record(self) -> Path:
        return self.home / "cache" / f"dashboard-{self.port}.pid"

    def start(self) -> None:
        self.running, _ = serve.start(self.port)

    def let_in(self, context: BrowserContext) -> None:
        # Its cookies are the pages', too.
        context.request.get(self.running.addresses[0])

    def kill(self) -> None:
        """End it at one stroke, as a machine does that runs out of memory."""
        if self._record.exists() and files.is_locked(self._record):
            os.kill(int(self._record.read_text()), signal.SIGKILL)
            until(lambda: not files.is_locked(self._record), "the end of the server")

    def emptied(self) -> None:
        """A home as a new one, but for what the server holds itself by."""
        cache = self.home / "cache"
        for path in [*self.home.iterdir(), *(cache.iterdir() if cache.exists() else ())]:
            if path.is_dir() and path != cache:
                # A job that a test left behind may still be writing.
                shutil.rmtree(path, ignore_errors=True)
            elif path.is_file() and not path.name.startswith("dashboard-"):
                path.unlink()


@pytest.fixture(scope="session")
def server_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    server = Dashboard(tmp_path_factory.mktemp("dashboard-home"))
    yield server
    server.kill()


@pytest.fixture
def dashboard(server_of_all: Dashboard, context: BrowserContext, monkeypatch: pytest.MonkeyPatch) -> Dashboard:
    """The server, with nothing in its home, which is the test's own."""
    monkeypatch.setattr(serve, "LONGEST_START", PATIENCE / 1000)
    monkeypatch.setenv("DIFFING_HOME", str(server_of_all.home))
    server_of_all.emptied()
    # It goes on where it runs already.
    server_of_all.start()
    server_of_all.let_in(context)
    return server_of_all


@pytest.fixture
def watched(page: Page, dashboard: Dashboard) -> Iterator[Page]:
    """A page whose every request must stay on this machine."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    yield page
    assert [url for url in asked if not url.startswith((dashboard.url, "data:", "blob:"))] == []


def settled(page: Page) -> Page:
    """Wait until the script has run and its lazily loaded parts are there."""
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_selector("[data-testid=stSkeleton]", state="detached")
    return page
