"""The dashboard's server in a hostile environment: who gets in, where it listens, and that it can be ended."""

import base64
import fcntl
import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from diffing.cli import serve
from diffing.cli.serve import Running
from diffing.common import files
from diffing.common.errors import UserError
from pages.parts import door
from tests.fakes.processes import command_lines

PATIENCE = 300.0
"""Seconds until a wait is given up: only a fault takes that long, on the busiest machine too."""
OPEN = {
    "STREAMLIT_SERVER_ADDRESS": "0.0.0.0",
    "STREAMLIT_SERVER_ALLOWED_HOSTS": "*",
    "STREAMLIT_SERVER_ENABLE_CORS": "false",
    "STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION": "false",
    "STREAMLIT_SERVER_BASE_URL_PATH": "elsewhere",
    "STREAMLIT_GLOBAL_DEVELOPMENT_MODE": "true",
    "STREAMLIT_CLIENT_SHOW_ERROR_DETAILS": "full",
    "http_proxy": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "socks5://127.0.0.1:9",
}
"""An environment that would open the door, and send the first look at it to a proxy."""
TUNNEL = "http://localhost:9000"


def free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


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
    wrong = ["", "x", running.token[:-1], running.token + "x", running.token.lower(), "²", "None"]
    for token in wrong:
        assert asked(running, f"/?token={token.encode().hex() if token == '²' else token}").status == 403
        assert asked(running, "/", Authorization=f"token {token}".encode().decode("latin-1")).status == 403
        assert (
            asked(running, "/", Cookie=f"diffing-{running.port}={token}".encode().decode("latin-1")).status == 403
        )
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


@pytest.fixture
def here(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of a home whose servers are given all the time that they want."""
    monkeypatch.setattr(serve, "LONGEST_START", PATIENCE)
    return own_home / "cache"


@pytest.mark.attack("R9")
def test_behind_a_proxy_a_second_start_finds_the_first_and_stop_ends_it(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in OPEN.items():
        monkeypatch.setenv(name, value)
    port = free()
    first, ran = serve.start(port)
    again, ran_again = serve.start(port)
    assert (ran, ran_again, again) == (False, True, first)
    with pytest.raises(UserError, match=f"on port {port} runs already and was not told of {TUNNEL}; end it with"):
        serve.start(port, [TUNNEL])
    modes = {path.name: path.stat().st_mode & 0o777 for path in [*here.iterdir(), serve.page(first)]}
    assert modes == {f"dashboard-{port}.{kind}": 0o600 for kind in ("html", "json", "lock", "log", "pid")}
    assert first.token not in (here / f"dashboard-{port}.log").read_text()
    # Its record is gone, and then all that the cache has: it is found by what it was called with.
    (here / f"dashboard-{port}.json").unlink()
    with pytest.raises(UserError, match=f"dashboard-{port}.json' is damaged .it is gone.; end the server with"):
        serve.start(port)
    for path in here.iterdir():
        path.unlink()
    with pytest.raises(
        UserError, match=f"whose files in the cache were removed, runs on port {port}; end it with"
    ):
        serve.start(port)
    assert serve.stop(port) is True
    assert serve.stop(port) is False
    assert not serve._taken(port)


@contextmanager
def held(port: int, code: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds a server's lock and does what `code` says, in which `put` writes its number."""
    handle = os.open(serve._path(port, "pid"), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    put = f"import os, signal, time; put = lambda: os.pwrite({handle}, str(os.getpid()).encode(), 0); "
    process = subprocess.Popen([sys.executable, "-c", put + code], pass_fds=[handle])
    os.close(handle)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.attack("R9")
@pytest.mark.usefixtures("here")
def test_a_server_that_answers_nobody_and_hears_no_signal_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "LONGEST_END", 1.0)
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN); put(); time.sleep(600)"
    with held(port := free(), deaf) as process:
        while serve._number(port) != process.pid:
            assert process.poll() is None
        assert serve.stop(port) is True
        assert process.wait() == -signal.SIGKILL


@pytest.mark.attack("R9")
@pytest.mark.usefixtures("here")
def test_a_server_that_has_not_written_its_number_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "LONGEST_END", PATIENCE)
    with held(port := free(), "time.sleep(0.5); put(); time.sleep(600)") as process:
        assert serve.stop(port) is True
        assert process.wait() == -signal.SIGTERM


@pytest.mark.attack("R9")
def test_an_earlier_versions_server_is_ended_and_a_stranger_with_its_number_is_not(here: Path) -> None:
    port = free()
    files.cache_dir()
    sleeps = [sys.executable, "-c", "import time; time.sleep(600)"]
    for words, is_ours in ((["run", "dashboard.py", "--server.port", str(port)], True), (["dashboard.py"], False)):
        process = subprocess.Popen([*sleeps, *words])
        (here / f"dashboard-{port}.pid").write_text(str(process.pid))
        # Until it has become the other program, its command is still this one's.
        while "time.sleep" not in command_lines().get(process.pid, ""):
            assert process.poll() is None
        assert serve.stop(port) is is_ours
        assert (process.poll() is None) is not is_ours
        process.kill()
        process.wait()


@pytest.mark.attack("R9")
@pytest.mark.parametrize("text", ["", "²", "-1", "0", "1", "9" * 5000, str(2**40), "x\0"])
def test_a_file_without_a_process_ends_nobody(here: Path, text: str) -> None:
    files.cache_dir()
    (here / "dashboard-8999.pid").write_text(text)
    assert serve.stop(8999) is False
    assert (here / "dashboard-8999.pid").read_text() == text


@pytest.mark.attack("R10")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "localhost:9000",
        "http://",
        "http://*",
        "http://a/b",
        "ftp://a",
        "null",
        "http://a:99999",
        "http://x@a",
    ],
)
def test_an_origin_that_is_none_is_a_sentence(here: Path, text: str) -> None:
    with pytest.raises(UserError, match="is no origin: "):
        serve.start(free(), [text])
    assert list(here.glob("*.json")) == []


@pytest.mark.attack("R10")
def test_an_origin_is_written_as_browsers_write_it() -> None:
    told = ["http://LocalHost:9000/", "https://box.example:443", "http://[::1]:9000", "http://box.example:80/"]
    assert [serve._origin(text) for text in told] == [
        "http://localhost:9000",
        "https://box.example",
        "http://[::1]:9000",
        "http://box.example",
    ]
