"""The dashboard's server in a hostile environment: who gets in, where it listens, and what a page shows."""

import base64
import http.client
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from diffing.cli import serve
from diffing.cli.serve import Running
from diffing.common import files
from pages.parts import door
from tests.fakes.processes import command_lines
from tests.fakes.servers import OPEN, PATIENCE, TUNNEL, free


@contextmanager
def served(home: Path) -> Iterator[Running]:
    """A server that was started as `python -m diffing dashboard` does it, and is ended in any case."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(home))
        patch.setattr(serve, "LONGEST_START", PATIENCE)
        for name, value in OPEN.items():
            patch.setenv(name, value)
        running, ran = serve.start(free(), [TUNNEL])
        assert not ran
        try:
            yield running
        finally:
            assert serve.stop(running.port)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with served(tmp_path_factory.mktemp("door")) as server:
        yield server


def asked(running: Running, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    """An answer of the server; a header's name with a line below stands for one with a dash."""
    to = http.client.HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE)
    to.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    reply = to.getresponse()
    reply.read()
    to.close()
    return reply


def cookie(running: Running, token: str = "", port: int = 0) -> str:
    return f"theme=dark; diffing-{port or running.port}={token or running.token}"


PATHS = [
    *("/", "/features?study=sample", "/new", "/index.html", "/favicon.png", "/static/js/index.js", "/nope"),
    *("/_stcore/health", "/_stcore/host-config", "/_stcore/metrics", "/_stcore/script-health-check"),
    *(
        "/_stcore/agent",
        "/media/x.png",
        "/component/x/index.html",
        "/app/static/x",
        "/auth/login",
        "/oauth2callback",
    ),
    *("//127.0.0.1/", "/./", "/%2e%2e/", "/elsewhere/_stcore/health", "/_stcore/upload_file/s/f"),
]


@pytest.mark.attack("R10")
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_nothing_is_answered_without_the_token(running: Running, method: str) -> None:
    said = {path: asked(running, path, method).status for path in PATHS}
    assert said == dict.fromkeys(PATHS, 403)


@pytest.mark.attack("R10")
def test_only_the_right_token_is_one(running: Running) -> None:
    for token in [
        "",
        "x",
        running.token[:-1],
        running.token + "x",
        running.token.swapcase(),
        "%C2%B2",
        "\xb2",
        "None",
    ]:
        assert asked(running, f"/?token={quote(token, safe='%')}").status == 403, token
        assert asked(running, "/", Authorization=f"token {token}").status == 403, token
        assert asked(running, "/", Cookie=cookie(running, token or "x")).status == 403, token
    assert asked(running, "/", Cookie=f"diffing-{running.port}=").status == 403
    assert asked(running, "/", Authorization=f"Bearer {running.token}").status == 403
    assert asked(running, "/", Cookie=cookie(running, port=running.port + 1)).status == 403
    assert asked(running, "/", Authorization=f"token {running.token}").status == 200
    assert asked(running, "/", Cookie=cookie(running)).status == 200


@pytest.mark.attack("R10")
def test_the_printed_address_lets_a_browser_in_and_leaves_no_token_behind(running: Running) -> None:
    reply = asked(running, f"/features?token={running.token}&study=a%20b&only=1%2C2&token=x")
    assert (reply.status, reply.headers["Location"]) == (303, "/features?study=a+b&only=1%2C2")
    kept = reply.headers["Set-Cookie"]
    assert kept == f"diffing-{running.port}={running.token}; Path=/; HttpOnly; SameSite=Lax"
    assert asked(running, f"//evil.example/?token={running.token}").headers["Location"] == "/evil.example/"
    assert asked(running, f"/\\evil.example/?token={running.token}").headers["Location"] == "/evil.example/"
    assert running.addresses == [
        f"http://127.0.0.1:{running.port}/?token={running.token}",
        f"{TUNNEL}/?token={running.token}",
    ]


@pytest.mark.attack("R10")
def test_other_names_and_origins_are_refused_with_the_token_too(running: Running) -> None:
    port = running.port
    taken = [f"127.0.0.1:{port}", f"localhost:{port}", f"LOCALHOST:{port}", "localhost:9000"]
    for host in taken:
        assert asked(running, "/", Host=host, Authorization=f"token {running.token}").status == 200, host
    rebound = [
        "evil.example",
        f"evil.example:{port}",
        "localhost",
        f"localhost:{port + 1}",
        f"localhost.:{port}",
        "",
    ]
    for host in [*rebound, f"127.0.0.1:{port}.evil.example", f"x@127.0.0.1:{port}", f"[::1]:{port}"]:
        assert asked(running, "/", Host=host, Authorization=f"token {running.token}").status == 403, host
    for origin in [f"http://127.0.0.1:{port}", TUNNEL]:
        assert asked(running, "/", Origin=origin, Authorization=f"token {running.token}").status == 200, origin
    others = [
        "null",
        "http://evil.example",
        f"http://localhost:{port + 1}",
        f"https://localhost:{port}",
        "http://127.0.0.1",
    ]
    for origin in others:
        assert asked(running, "/", Origin=origin, Authorization=f"token {running.token}").status == 403, origin


def handshake(running: Running, path: str = "/_stcore/stream", **headers: str) -> int:
    """The status with which the server answers who would speak by websocket."""
    head = {
        "Host": f"127.0.0.1:{running.port}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    } | headers
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
    with socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE) as to:
        to.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return int(to.recv(100).split()[1])


@pytest.mark.attack("R10")
def test_the_websocket_asks_for_token_and_origin_as_pages_do(running: Running) -> None:
    own = f"http://127.0.0.1:{running.port}"
    assert handshake(running, Origin=own) == 403
    assert handshake(running, Host="localhost") == 403
    assert handshake(running, path=f"/_stcore/stream?token={running.token}", Origin=own) == 403
    assert handshake(running, Origin=own, Cookie=cookie(running, "x")) == 403
    assert handshake(running, Origin="http://localhost:8888", Cookie=cookie(running)) == 403
    assert handshake(running, Origin="http://evil.example", Cookie=cookie(running)) == 403
    assert handshake(running, Host=f"evil.example:{running.port}", Cookie=cookie(running)) == 403
    assert handshake(running, Origin=own, Cookie=cookie(running)) == 101
    assert handshake(running, Cookie=cookie(running)) == 101


@pytest.mark.attack("R10")
def test_it_listens_on_this_machine_alone_whatever_the_environment_says(running: Running) -> None:
    with socket.socket() as to, pytest.raises(ConnectionRefusedError):
        # All of 127.0.0.0/8 is this machine: a server of every address would answer here too.
        to.connect(("127.0.0.2", running.port))
    assert asked(running, "/_stcore/health", Authorization=f"token {running.token}").status == 200


@pytest.mark.attack("R26")
def test_no_answer_may_be_framed_or_fetch_from_elsewhere(running: Running) -> None:
    replies = [
        asked(running, "/"),
        asked(running, f"/?token={running.token}"),
        *(
            asked(running, path, Cookie=cookie(running))
            for path in ("/", "/run", "/_stcore/health", "/media/no.png")
        ),
        asked(running, "/", "PUT", Cookie=cookie(running)),
    ]
    assert [reply.status for reply in replies] == [403, 303, 200, 200, 200, 404, 405]
    for reply in replies:
        (policy,) = reply.headers.get_all("Content-Security-Policy") or []
        assert policy.startswith("default-src 'self' data: blob:") or policy.startswith("default-src 'none'; ")
        assert policy.endswith("frame-ancestors 'none'")
        assert "http" not in policy
        assert reply.headers["X-Frame-Options"] == "DENY"
        assert reply.headers["Referrer-Policy"] == "no-referrer"
        assert reply.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.attack("R10")
def test_the_token_stands_in_no_process_list(running: Running) -> None:
    called = {
        number: command
        for number, command in command_lines().items()
        if f"dashboard-{running.port}.json" in command
    }
    assert len(called) == 1
    ((number, command),) = called.items()
    assert running.token not in command
    assert running.token.encode() not in Path(f"/proc/{number}/environ").read_bytes()


@pytest.mark.attack("R10")
def test_a_server_without_a_door_shows_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `streamlit run dashboard.py` would start it: a browser has come, and nobody has asked it for a token."""
    monkeypatch.setattr(door, "stands", False)
    monkeypatch.setattr(type(st.context), "headers", {"host": "127.0.0.1:8501"})
    app = AppTest.from_file(str(files.PROJECT / "dashboard.py"), default_timeout=PATIENCE).run()
    assert [error.value for error in app.error] == [
        "This server asks nobody for a token. Start the dashboard with `python -m diffing dashboard`."
    ]
    assert [*app.button, *app.title, *app.markdown, *app.caption] == []
    monkeypatch.setattr(door, "stands", True)
    app.run()
    assert [title.value for title in app.title] == ["Studies"]
    assert not app.error


@pytest.mark.attack("R16")
def test_a_page_that_fails_says_so_and_shows_no_path() -> None:
    def fails() -> None:
        from pages.parts import server

        server.said(KeyError("/srv/secret/place.py"))
        server.said(OSError(28, "No space left on device", "/srv/secret/place.csv"))

    app = AppTest.from_function(fails, default_timeout=PATIENCE).run()
    told = [error.value.replace("\\", "") for error in app.error]
    assert told == [
        "This page failed (KeyError); the server's log says where.",
        "'/srv/secret/place.csv' cannot be read or written: the disk is full; free some space and run it again, "
        "what is stored stays.",
    ]
