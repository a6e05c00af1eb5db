"""The dashboard's server is told from other servers on its port."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from diffing.cli import serve
from diffing.common.errors import UserError


class Healthy(BaseHTTPRequestHandler):
    """Answers as any Streamlit program does."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        """Tests print nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_another_program_on_the_port_is_not_taken_for_the_dashboard(port: int) -> None:
    with pytest.raises(UserError, match=f"Port {port} is taken by another program; choose another with"):
        serve.start(port)
    assert serve.stop(port) is False
