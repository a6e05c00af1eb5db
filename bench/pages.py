"""How long a page takes in a browser on a large study: `python -m bench.pages [--features 65536 --prompts 1000]`.

Makes the study that `bench.diff` makes, compares it, starts a real server, and times a real Chromium: switching
pages, a toggle, the next pair; then asks the server itself for whole pages from ten sessions at once. Medians.
"""

import argparse
import json
import os
import re
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from bench.diff import make
from diffing.common import files
from tools.find_chromium import find

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
SETTLED = "[data-testid=stApp][data-test-script-state=notRunning]"


TOKEN = secrets.token_urlsafe(32)


def serve() -> tuple[subprocess.Popen[bytes], str]:
    """A server whose agent interface returns a page once it is whole."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = f"from pages.parts import server; server.serve({port}, {TOKEN!r}, **{{'server.enableAgentApi': True}})"
    server = subprocess.Popen([sys.executable, "-c", code], cwd=files.PROJECT, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    while True:
        try:
            urllib.request.urlopen(asked(f"{url}/_stcore/health"), timeout=1)
            return server, url
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)


def asked(url: str, body: bytes | None = None) -> urllib.request.Request:
    return urllib.request.Request(
        url, body, {"Content-Type": "application/json", "Authorization": f"token {TOKEN}"}
    )


def settled(page: Page) -> None:
    page.wait_for_selector(SETTLED)
    page.wait_for_selector("[data-testid=stSkeleton]", state="detached")


def timed(page: Page, act: Callable[[], None], seen: Callable[[], Any], runs: int) -> float:
    """Median seconds from an act to what it shows, after one that warms up."""
    took = []
    for _ in range(runs + 1):
        begun = time.perf_counter()
        act()
        seen()
        settled(page)
        took.append(time.perf_counter() - begun)
        page.wait_for_timeout(300)
    return statistics.median(took[1:])


def whole_page(url: str, study: str) -> float:
    """Seconds until the server has sent a whole page of a new session."""
    body = json.dumps({"page": "features", "query_params": {"study": [study]}}).encode()
    request = asked(f"{url}/_stcore/agent/interact", body)
    begun = time.perf_counter()
    with urllib.request.urlopen(request, timeout=120) as reply:
        reply.read()
    return time.perf_counter() - begun


def memory(server: subprocess.Popen[bytes]) -> float:
    """GiB that the server's process holds."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    return next(int(line.split()[1]) / 2**20 for line in status.splitlines() if line.startswith("VmRSS"))


def measure(url: str, study: str, feature: int, runs: int) -> dict[str, float]:
    """Figures in the browser, with the server warm."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=QUIET)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(120_000)
        page.goto(f"{url}/?token={TOKEN}")
        page.goto(f"{url}/features?study={study}")
        settled(page)
        sidebar = page.get_by_test_id("stSidebar")

        def switch() -> None:
            other = "Prompts" if "/features" in page.url else "Features"
            sidebar.get_by_role("link", name=other, exact=True).click()
            page.wait_for_url(lambda address: f"/{other.lower()}" in address)

        def title() -> Any:
            name = "Features" if "/features" in page.url else "Prompts"
            return page.get_by_role("heading", name=name, exact=True).wait_for()

        figures = {"page switch": timed(page, switch, title, runs)}
        page.goto(f"{url}/features?study={study}")
        settled(page)

        def toggle() -> None:
            # The caption counts families or features, which tells when the page is anew.
            families = page.get_by_text(re.compile(r"^[\d,]+ families of features"))
            features = page.get_by_text(re.compile(r"^[\d,]+ features? "))
            after = features if families.count() else families
            page.get_by_text("Expand groups").click()
            after.wait_for()

        figures["filter"] = timed(page, toggle, lambda: None, runs)
        page.goto(f"{url}/feature?study={study}&feature={feature}")
        settled(page)

        def next_pair() -> None:
            before = page.url
            page.get_by_role("button", name="Next pair").click()
            page.wait_for_url(lambda address: address != before)

        figures["next pair"] = timed(page, next_pair, lambda: None, runs)
        browser.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, default=65536)
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--home", type=Path, help="keep the study here and use it again")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["DIFFING_HOME"] = str(told.home or temporary)
        name = f"bench-{told.features}-{told.prompts}-1"
        if not (Path(os.environ["DIFFING_HOME"]) / "studies" / name).exists():
            make(name, told.features, told.prompts, 1)
        from diffing.diff import compute
        from diffing.study.study import Study

        table = compute.current(Study.open(name), "a", "b").features
        feature = int((table["discordant_a"] + table["discordant_b"]).idxmax())
        server, url = serve()
        try:
            print(f"{told.features:,} features, {told.prompts:,} prompts × 2, medians of {told.runs}")
            for what, seconds in measure(url, name, feature, told.runs).items():
                print(f"{what} | {1000 * seconds:.0f} ms", flush=True)
            print(f"server memory | {memory(server):.2f} GiB")
            alone = statistics.median(whole_page(url, name) for _ in range(told.runs))
            with ThreadPoolExecutor(10) as sessions:
                together = list(sessions.map(lambda _: whole_page(url, name), range(told.runs)))
            print(f"whole page from the server, one session | {1000 * alone:.0f} ms")
            print(f"the same, ten sessions at once | {1000 * statistics.median(together):.0f} ms, none failed")
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
