"""Transcripts of the benchmark in Inspect's own viewer, opened by the command that the docs name."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from diffing.common import files
from tests.fakes.processes import until

RUN = """
from diffing.agents.benchmark import running
from tests.fakes.bench_agents import played, silent

options = running.Options(arms=["blackbox"], organisms=["sample-null"], epochs=1, name="seen")
running.run(options, played(silent))
"""


@pytest.fixture
def viewer(own_home: Path) -> Iterator[str]:
    """The address of a viewer of one run."""
    known: dict[str, Any] = {"cwd": files.PROJECT, "env": os.environ | {"DIFFING_HOME": str(own_home)}}
    # In a process of its own: the browser's driver keeps the event loop of this one.
    subprocess.run([sys.executable, "-c", RUN], check=True, **known)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "diffing", "bench", "view", "seen", "--port", str(port)], **known
    )
    try:
        until(lambda: process.poll() is not None or listens(port), "the viewer's start")
        assert process.poll() is None
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def test_a_run_opens_in_inspects_viewer_down_to_what_was_called(viewer: str, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(viewer)
    page.get_by_text("bench-blackbox-neutral").first.click()
    page.get_by_text("sample-null").first.click()
    expect(page.get_by_text("submit").first).to_be_visible()
    expect(page.get_by_text("You are given two checkpoints").first).to_be_visible()
    assert [url for url in asked if not url.startswith((viewer, "data:", "blob:"))] == []
