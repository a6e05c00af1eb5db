"""A real dashboard and a real browser for the tests of this folder."""

import os
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from diffing.cli import serve
from diffing.common import files
from tools.find_chromium import find

PATIENCE = 300_000
"""Milliseconds until a wait is given up: only a fault takes that long, on the busiest machine too."""

expect.set_options(timeout=PATIENCE)


@pytest.fixture(autouse=True)
def patient(context: BrowserContext) -> None:
    context.set_default_timeout(PATIENCE)
    context.set_default_navigation_timeout(PATIENCE)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    path = find()
    assert path, "No Chromium was found; 'make test' installs one."
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    return {**browser_type_launch_args, "executable_path": path, "args": quiet}


class Dashboard:
    """A server of its own home folder, started as a person starts it; the browser of `context` may come in."""

    def __init__(self, context: BrowserContext) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.context = context
        self.start()

    def start(self) -> None:
        self.running, _ = serve.start(self.port)
        # Its cookies are the pages', too.
        self.context.request.get(self.running.addresses[0])

    def kill(self) -> None:
        """End it at one stroke, as a machine does that runs out of memory."""
        number = int((files.cache_dir() / f"dashboard-{self.port}.pid").read_text())
        os.kill(number, signal.SIGKILL)
        # This process is its parent, which alone can tell that it is gone.
        os.waitpid(number, 0)


@pytest.fixture
def dashboard(context: BrowserContext, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dashboard]:
    monkeypatch.setattr(serve, "LONGEST_START", PATIENCE / 1000)
    server = Dashboard(context)
    yield server
    server.kill()


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
