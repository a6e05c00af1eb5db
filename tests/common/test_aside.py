"""Work in a child process: its result, its error, its death, and what it must not hold."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from diffing.common import files
from diffing.common.aside import Aside


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test runner's own threads hold none of the locks that the work here takes."""
    monkeypatch.setattr(threading, "active_count", lambda: 1)


def test_the_result_comes_from_another_process() -> None:
    with Aside(os.getpid) as apart, Aside(os.getpid, worth=False) as here:
        assert apart.result() != os.getpid() == here.result()


def test_beside_other_threads_the_work_stays_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    with Aside(os.getpid) as aside:
        assert aside.result() == os.getpid()
    done.set()
    other.join()


def test_large_results_come_whole() -> None:
    with Aside(lambda: b"x" * 5_000_000) as aside:
        assert aside.result() == b"x" * 5_000_000


def fail() -> None:
    raise ValueError("no such luck")


@pytest.mark.parametrize("worth", [True, False])
def test_an_error_is_raised_where_the_result_is_asked_for(worth: bool) -> None:
    with Aside(fail, worth) as aside, pytest.raises(ValueError, match="no such luck"):
        aside.result()


def test_a_killed_child_is_an_error_and_no_wait_without_end() -> None:
    with Aside(lambda: os.kill(os.getpid(), signal.SIGKILL)) as aside, pytest.raises(RuntimeError, match="killed"):
        aside.result()


def test_the_child_ends_with_the_block(tmp_path: Path) -> None:
    def work() -> None:
        (tmp_path / "pid").write_text(str(os.getpid()))
        time.sleep(600)

    with Aside(work):
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_the_child_holds_no_lock_of_its_parent(tmp_path: Path) -> None:
    def work() -> bool:
        while not (tmp_path / "released").exists():
            time.sleep(0.01)
        return files.is_locked(tmp_path / "lock")

    with files.locked(tmp_path / "lock"):
        aside = Aside(work)
    (tmp_path / "released").touch()
    with aside:
        assert aside.result() is False
