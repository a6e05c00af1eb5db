"""The dashboard's door in a real browser: the printed address, and what pages of others can do."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import PATIENCE, Dashboard, settled


class Neighbour(BaseHTTPRequestHandler):
    """A page of another program of this machine, which the browser sends its cookies too."""

    framed = ""

    def do_GET(self) -> None:
        body = f"<title>neighbour</title><iframe src='{self.framed}'></iframe>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Tests print nothing."""


@pytest.fixture
def neighbour(dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Neighbour, "framed", dashboard.url)
    with HTTPServer(("127.0.0.1", 0), Neighbour) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.attack("R10")
def test_a_browser_comes_in_by_the_printed_address_alone(dashboard: Dashboard, browser: Browser) -> None:
    with browser.new_context() as stranger:
        stranger.set_default_timeout(PATIENCE)
        page = stranger.new_page()
        page.goto(f"{dashboard.url}/features?study=sample")
        assert page.locator("body").inner_text().splitlines()[0] == "Checkpoint Diffing"
        assert page.locator("p").inner_text() == (
            "This dashboard asks for its token: open the address that 'python -m diffing dashboard' prints on its "
            "machine. A token is good for as long as the server runs."
        )
        page.goto(dashboard.running.addresses[0])
        settled(page)
        expect(page.get_by_role("heading", name="Studies", exact=True)).to_be_visible()
        assert page.url == f"{dashboard.url}/"
        assert dashboard.running.token not in page.content()
        assert page.evaluate("document.cookie").find("diffing") == -1
        page.goto(f"{dashboard.url}/new")
        settled(page)
        expect(page.get_by_role("heading", name="New study", exact=True)).to_be_visible()


@pytest.mark.attack("R26", "R10")
def test_a_page_of_another_port_can_frame_read_and_ask_nothing(
    dashboard: Dashboard, page: Page, neighbour: str
) -> None:
    page.goto(dashboard.url)
    settled(page)
    page.goto(neighbour)
    frame = page.frames[1]
    frame.wait_for_url("chrome-error://**", timeout=PATIENCE)
    assert page.locator("iframe").count() == 1
    tried = page.evaluate(
        """async (url) => {
            const path = url + '/_stcore/health';
            const ask = mode => fetch(path, {credentials: 'include', mode}).then(r => r.type, String);
            const read = await ask('cors'), blind = await ask('no-cors');
            const socket = new WebSocket(url.replace('http', 'ws') + '/_stcore/stream', ['streamlit']);
            const spoke = await new Promise(done => {
                socket.onopen = () => done('open');
                socket.onclose = event => done('closed ' + event.code);
            });
            return [read, blind, spoke];
        }""",
        dashboard.url,
    )
    assert tried == ["TypeError: Failed to fetch", "TypeError: Failed to fetch", "closed 1006"]
