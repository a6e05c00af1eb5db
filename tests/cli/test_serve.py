"""The dashboard's server is told from other servers on its port."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import typer
from typer.testing import CliRunner

from diffing.cli import serve
from diffing.cli.app import app
from diffing.cli.serve import Running
from diffing.common import files
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


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a browser is sent to, with a server that runs already."""
    opened: list[str] = []
    running = Running(8501, "t0ken", ["http://localhost:9000"])
    monkeypatch.setattr(serve, "start", lambda _port, _origins, **_: (running, True))
    monkeypatch.setattr(typer, "launch", opened.append)
    monkeypatch.setenv("DISPLAY", ":0")
    return opened


def test_the_command_prints_the_address_with_its_token_and_opens_it_by_a_file(launched: list[str]) -> None:
    said = CliRunner().invoke(app, ["dashboard"]).output.splitlines()
    assert said == [
        "The dashboard was running already on http://127.0.0.1:8501/?token=t0ken ('make stop' ends it).",
        "By the name that you gave it: http://localhost:9000/?token=t0ken",
        "Whoever has this address can do all that you can do here: give it to nobody.",
    ]
    page = files.cache_dir() / "dashboard-8501.html"
    assert launched == [page.as_uri()]
    assert 'content="0; url=http://127.0.0.1:8501/?token=t0ken"' in page.read_text()
    assert page.stat().st_mode & 0o777 == 0o600


def test_no_browser_is_opened_where_none_is_wanted_or_could_show_itself(
    launched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    CliRunner().invoke(app, ["dashboard", "--no-open"])
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    CliRunner().invoke(app, ["dashboard", "--open"])
    assert launched == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "8.8.8.8"])
def test_other_machines_reach_no_dashboard_that_asks_nobody_to_log_in(host: str) -> None:
    said = CliRunner().invoke(app, ["dashboard", "--host", host])
    assert isinstance(said.exception, UserError)
    assert f"At {host} other machines reach the dashboard, and none of them would have to log in" in str(
        said.exception
    )
    assert not list(files.cache_dir().iterdir())


def test_this_machine_may_and_so_may_others_where_a_team_logs_in_or_the_owner_knows() -> None:
    for host in ("127.0.0.1", "127.0.0.9", "::1", "localhost"):
        serve._check_host(host, known=False)
    serve._check_host("0.0.0.0", known=True)
    with pytest.raises(UserError, match="'box' is no address of this machine; write one as 127.0.0.1 or 0.0.0.0"):
        serve._check_host("box", known=True)


def test_a_server_that_runs_is_not_taken_for_one_of_another_team(monkeypatch: pytest.MonkeyPatch) -> None:
    team = {"origin": "https://box.example"}
    record = Running(8501, "t0ken", ["https://box.example"], host="0.0.0.0", team=team)
    files.write_json(files.cache_dir() / "dashboard-8501.json", record._asdict())
    monkeypatch.setattr(serve, "_wait", lambda *_: None)
    assert serve._found(record) == record
    assert serve._found(Running(8501, "", [])).addresses == ["https://box.example"]
    for wanted in (record._replace(team={"origin": "https://other.example"}), record._replace(host="10.0.0.1")):
        with pytest.raises(UserError, match="runs already and was not told of .*; end it with"):
            serve._found(wanted)
