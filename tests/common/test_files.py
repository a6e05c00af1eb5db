"""Files: whole or not at all, lines of many writers, and locks that the dead let go."""

import fcntl
import hashlib
import json
import multiprocessing
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from diffing.common import files, jsonl


def test_home_moves_studies_and_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFING_HOME", str(tmp_path / "elsewhere"))
    assert files.studies_dir() == tmp_path / "elsewhere" / "studies"
    assert files.cache_dir("replies") == tmp_path / "elsewhere" / "cache" / "replies"
    monkeypatch.delenv("DIFFING_HOME")
    assert files.home() == files.PROJECT


def test_the_cache_is_for_its_owner_only() -> None:
    assert stat.S_IMODE(files.cache_dir("replies").stat().st_mode) == 0o700


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "a.json"
    files.write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, {"a": float("nan")})
    with pytest.raises(RuntimeError), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert files.read_json(path) == {"a": 1}
    assert list(path.parent.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_killed_writer_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "a.json"
    files.write_json(path, {"a": 1})
    script = (
        "import os, signal, sys; from pathlib import Path; from diffing.common import files\n"
        "with files.replacing(Path(sys.argv[1])) as file:\n"
        "    file.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], cwd=files.PROJECT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert files.read_json(path) == {"a": 1}
    [left] = [other for other in path.parent.iterdir() if other != path]
    assert (left.name.startswith("."), left.suffix, left.read_text()) == (True, ".tmp", "half")


def test_a_content_hash_does_not_depend_on_order_or_machine() -> None:
    assert files.content_hash({"b": [1, "ü"], "a": None}) == files.content_hash({"a": None, "b": [1, "ü"]})
    assert files.content_hash("x") == hashlib.sha256(b'"x"').hexdigest()[:16]
    assert files.content_hash("\ud83d", 4) != files.content_hash("\ufffd", 4)


def append(path: Path, writer: int) -> None:
    for number in range(50):
        jsonl.append(path, {"writer": writer, "number": number, "text": "x" * 5000})


def test_lines_of_several_writers_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=append, args=(path, i)) for i in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    found = jsonl.read(path)
    assert sorted((r["writer"], r["number"]) for r in found) == [(w, n) for w in range(2) for n in range(50)]


def test_a_line_that_a_killed_writer_left_half_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert jsonl.read(path) == []
    jsonl.append(path, {"n": 1})
    with path.open("a") as file:
        file.write('{"n": 2, "text": "brok')
    assert jsonl.read(path) == [{"n": 1}]
    jsonl.append(path, {"n": 3})
    assert jsonl.read(path) == [{"n": 1}, {"n": 3}]
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [1, 3]


def test_of_two_that_ask_at_the_same_moment_neither_takes_the_other_for_the_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, flock, told = tmp_path / "lock", fcntl.flock, []
    path.touch()

    def meanwhile(file: IO[bytes], how: int) -> None:
        flock(file, how)
        monkeypatch.setattr(fcntl, "flock", flock)
        told.append(files.is_locked(path))

    monkeypatch.setattr(fcntl, "flock", meanwhile)
    told.append(files.is_locked(path))
    assert told == [False, False]


def test_a_lock_is_held_by_one_and_let_go_by_the_dead(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not files.is_locked(path)
    script = (
        "import sys, time; from pathlib import Path; from diffing.common import files as files\n"
        "with files.locked(Path(sys.argv[1])):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, cwd=files.PROJECT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        assert files.is_locked(path)
        with files.locked(path, wait=False) as got:
            assert not got
        holder.kill()
    assert not files.is_locked(path)
    with files.locked(path) as got:
        assert got
