"""Code in a notebook's kernel finds no key and no held-out answer by any trick at hand; without walls it does."""

import ctypes
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from diffing.agents.sight import Sight
from diffing.agents.workshop import opening, walls
from diffing.agents.workshop.notebook import Notebook
from diffing.agents.workshop.walls import Protection
from diffing.agents.workshop.workspace import Workspace
from diffing.common import files
from diffing.common.errors import UserError
from diffing.study.study import Study
from tests.fakes import workshops
from tests.fakes.intruder import ATTACK
from tests.fakes.workshops import HELD, PATIENT

KEY = "sk-intruder-77aa88bb99cc00dd"
PROGRAMS = (
    Path(sys.prefix),
    Path(os.__file__).parent,
    Path("/usr/local/bin"),
    files.PROJECT,
    files.PROJECT / "diffing",
)
"""Where what is written is run by the server, or by whoever uses this machine."""
WALLED = [each for each in ("namespaces", "Landlock") if not walls.trouble(each)]
"""Those that this machine has; one is enough for the server, and each that is there must hold."""


@contextmanager
def telling(listener: socket.socket) -> Iterator[None]:
    """A server that tells the key to whoever connects."""

    def tell() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            with line:
                line.sendall(KEY.encode())

    listener.listen()
    threading.Thread(target=tell, daemon=True).start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture
def prize(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Study, dict[str, object]]]:
    """A study, key and held-out answers wherever they usually lie, and what an attacker may know."""
    study = workshops.study_of()
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    (own_home / ".env").write_text(f"OPENAI_API_KEY={KEY}\n")
    (own_home / "cache").mkdir()
    (own_home / "cache" / "replies.db").write_bytes(f"{KEY} {HELD}".encode())
    (own_home / ".bash_history").write_text(f"export OPENROUTER_API_KEY={KEY}\n")
    (study.folder / "reports").mkdir()
    (study.folder / "reports" / "responses.csv").write_text(HELD)
    stored = [path for path in own_home.rglob("*") if path.is_file()]
    held = ctypes.create_string_buffer(KEY.encode())
    port, own, abstract = (socket.socket(kind) for kind in (socket.AF_INET, socket.AF_UNIX, socket.AF_UNIX))
    port.bind(("127.0.0.1", 0))
    # Its path may be no longer than some hundred letters.
    place = Path(f"/tmp/intruder-{os.getpid()}.sock")
    own.bind(str(place))
    name = f"intruder-{os.getpid()}"
    abstract.bind(f"\0{name}")
    aims = {
        "marks": [text.encode().hex() for text in (KEY, HELD)],
        "server": os.getpid(),
        "address": ctypes.addressof(held),
        "length": len(held),
        "files": [str(path) for path in stored],
        "home": str(own_home),
        "port": port.getsockname()[1],
        "socket": str(place),
        "abstract": name,
        "programs": [(str(place), place.stat().st_dev, place.stat().st_ino) for place in PROGRAMS],
    }
    # As a job's worker, which is started with the key in its environment.
    worker = subprocess.Popen(["sleep", "600"])
    with telling(port), telling(own), telling(abstract):
        yield study, aims
    worker.kill()
    worker.wait()
    place.unlink()


def found(
    study: Study, aims: dict[str, object], protection: Protection, monkeypatch: pytest.MonkeyPatch
) -> set[str]:
    """The tricks that worked behind these walls."""
    monkeypatch.setattr(walls, "best", lambda _network=False: (protection, {}))
    notebook = Notebook(study, Sight(), plain=protection == "plain")
    try:
        assert notebook.status().protection == protection
        cell = notebook.run(f"AIMS = {json.dumps(json.dumps(aims))}\n{ATTACK}", PATIENT)
        while not cell.over:
            cell = notebook.cell(cell.number, PATIENT)
    finally:
        notebook.close()
    tried = re.match(r"tried (\d+)\n", cell.text())
    assert cell.state == "done" and tried and int(tried[1]) == 26, cell.text()
    return set(re.findall(r"FOUND (\w+)", cell.text()))


@pytest.mark.parametrize("protection", WALLED)
def test_no_trick_finds_a_key_or_a_held_out_answer(
    prize: tuple[Study, dict[str, object]], protection: Protection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(*prize, protection, monkeypatch) == set()


def test_without_walls_the_same_tricks_find_them(
    prize: tuple[Study, dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walls, "close_memory", lambda: None)
    tricks = found(*prize, "plain", monkeypatch)
    assert "own_environment" not in tricks
    assert tricks >= {
        "files_plainly",
        "files_by_program",
        "files_by_link",
        "files_from_below",
        "files_in_the_neighbourhood",
        "environments_of_others",
        "memory_by_file",
        "memory_by_call",
        "a_port_of_this_machine",
        "a_socket_in_a_folder",
        "a_socket_without_a_folder",
        "a_signal_to_the_server",
        "what_the_server_will_run",
    }


def test_the_best_that_there_is_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    there: dict[Protection, str] = {"namespaces": "", "Landlock": ""}
    monkeypatch.setattr(walls, "trouble", there.__getitem__)
    assert walls.best() == ("namespaces", {})
    there["namespaces"] = "they may not be made"
    assert walls.best() == ("Landlock", {"namespaces": "they may not be made"})
    # With a network it would leave a container engine's socket within reach.
    assert walls.best(network=True)[0] == "plain"
    there["Landlock"] = "no such call"
    assert walls.best()[0] == "plain"


def test_a_kernel_without_walls_is_refused_unless_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walls, "trouble", lambda _: "no such call")
    with pytest.raises(UserError, match="namespaces: no such call; Landlock: no such call.*--plain"):
        opening.protection(Workspace(), plain=False)
    assert opening.protection(Workspace(), plain=True) == "plain"


def test_no_wall_is_trusted_where_the_studies_lie_within_what_must_be_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DIFFING_HOME", "/usr/share")
    with pytest.raises(UserError, match="lies within it; set DIFFING_HOME"):
        walls.command("Landlock", walls.Limits([Path("/usr")], []), tmp_path, tmp_path, ["true"])


@pytest.mark.parametrize("protection", WALLED)
def test_walls_are_put_up_without_an_administrators_rights(tmp_path: Path, protection: Protection) -> None:
    work, root = tmp_path / "work", tmp_path / "root"
    work.mkdir()
    root.mkdir()
    limits = walls.Limits(walls.system(Path(sys.executable)), [work])
    line = walls.command(protection, limits, root, work, ["/bin/sh", "-c", f"cat {tmp_path}/key; echo ran"])
    (tmp_path / "key").write_text(KEY)
    # An administrator without rights may do no more than a user; the one that is left lets its number be used.
    bare = ["setpriv", "--bounding-set=-all,+setfcap"] if os.geteuid() == 0 else []
    done = subprocess.run([*bare, *line], cwd=files.PROJECT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "ran\n"), done.stderr


def test_a_wall_that_cannot_be_put_up_runs_nothing(tmp_path: Path) -> None:
    work, root = tmp_path / "work", tmp_path / "root"
    work.mkdir()
    root.mkdir()
    limits = walls.Limits(walls.system(Path(sys.executable)), [work])
    line = walls.command("Landlock", limits, root, work, ["/bin/sh", "-c", "echo ran"])
    told = json.loads(line[-1])
    told["read"].append("/nowhere/at/all")
    done = subprocess.run(
        [*line[:-1], json.dumps(told)], cwd=files.PROJECT, env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0 and done.stdout == "" and "/nowhere/at/all" in done.stderr
