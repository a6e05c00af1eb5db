"""The dashboard's server is found again and ended, whatever became of its files and its environment."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from diffing.cli import serve
from diffing.common import files
from diffing.common.errors import UserError
from tests.fakes.processes import command_lines
from tests.fakes.servers import OPEN, PATIENCE, TUNNEL, free


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
