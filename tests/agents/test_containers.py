"""A notebook whose kernel runs in a container: what an engine is told. The engine is a stand-in that obeys.

No engine runs where these tests do, so what a real one makes of the same words was not seen here.
"""

import json
import sys
from pathlib import Path

import pytest

from diffing.agents.workshop import containers, folders, kernel
from diffing.agents.workshop.workspace import Workspace
from diffing.common.errors import UserError
from tests.agents.test_workspace import wheel
from tests.fakes import workshops
from tests.fakes.workshops import PATIENT

WALLS = {"--rm", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--pull=never"}
SECRET = "hf_AbCdEfGhIjKlMnOpQrStUv12"
ENGINE = f"""#!{sys.executable}
import json, os, subprocess, sys
told = sys.argv[1:]
with open(os.path.join(os.path.dirname(__file__), "told.jsonl"), "a") as file:
    print(json.dumps(told), file=file)
if told[0] == "run":
    options = [each for each in told[1:] if each.startswith("--")][: told.index("jam/python:1") - 1]
    program = told[told.index("jam/python:1") + 1 :]
    given = dict(each[6:].split("=", 1) if "=" in each[6:] else (each[6:], os.environ[each[6:]])
                 for each in options if each.startswith("--env="))
    folder = [each[10:] for each in options if each.startswith("--workdir=")] or ["/"]
    sys.exit(subprocess.run([sys.executable, *program[1:]], env=given, cwd=folder[0]).returncode)
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An engine that runs the program of a container on this machine, with the variables that it was given."""
    folder = tmp_path / "engine"
    folder.mkdir()
    (folder / "docker").write_text(ENGINE)
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-0123456789abcdef")
    return folder


def told(engine: Path) -> list[list[str]]:
    return [json.loads(line) for line in (engine / "told.jsonl").read_text().splitlines()]


def in_container(**more: object) -> Workspace:
    secrets = {"HF_TOKEN": {"expose": True}}
    container = {"image": "jam/python:1"}
    return Workspace.model_validate({"where": "container", "container": container, "secrets": secrets, **more})


def test_a_kernel_in_a_container_works_and_its_words_hold_no_secret(engine: Path, own_home: Path) -> None:
    wheel(engine / "wheels")
    workspace = in_container(packages=["tinyjam==1.0"], wheels=str(engine / "wheels"))
    with workshops.opened(workshops.study_of(), workspace) as notebook:
        cell = notebook.run(
            "import os, tinyjam; print(tinyjam.VERSION, len(os.listdir('data')) > 5, os.environ['HF_TOKEN'], "
            "[each for each in os.environ if 'API_KEY' in each])",
            PATIENT,
        )
        assert (cell.text(), cell.note) == ("1.0 True [key] []", "")
        assert notebook.status().protection == "container"
        shop = notebook.book.workshop
        assert notebook.run("import time; time.sleep(600)", PATIENT, limit=1).state == "interrupted"
    *asked, gone = told(engine)
    installed, ran = (each for each in asked if each[0] == "run")
    assert SECRET not in (engine / "told.jsonl").read_text()
    for line in (installed, ran):
        assert {"--rm", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--pull=never"} <= {
            *line
        }
        assert "--network=none" in line and "--memory=4g" in line
    mounts = {each.removeprefix("--mount=type=bind,source=") for each in ran if each.startswith("--mount")}
    written = {place for place in mounts if not place.endswith(",readonly")}
    assert mounts - written == {f"{shop.shared},target={shop.shared},readonly"}
    assert {place.partition(",")[0] for place in written} > {str(shop.work), str(shop.own)}
    assert not any(str(own_home / "studies") in place for place in mounts)
    name = next(each for each in ran if each.startswith("--name=")).removeprefix("--name=")
    assert gone == ["rm", "--force", name]


def test_a_network_and_gpus_are_there_where_they_are_asked_for(engine: Path, tmp_path: Path) -> None:
    container = {"image": "jam/python:1", "gpus": True, "memory": "64g"}
    workspace = in_container(network=True, container=container, packages=())
    shop = workshops.study_of()
    line = containers.command(str(engine / "docker"), workspace, folders.of(shop, ""), tmp_path)
    assert {"--network=bridge", "--gpus=all", "--memory=64g"} <= {*line}
    assert line[-2:] == [str(tmp_path / kernel.CONNECTION), "--HistoryManager.enabled=False"]


@pytest.mark.usefixtures("engine")
def test_a_container_ends_with_its_server(own_home: Path) -> None:
    with workshops.opened(workshops.study_of(), in_container()) as notebook:
        notebook.run("1", PATIENT)
        line = notebook._line
        assert isinstance(line, kernel.Kernel) and line.process.stdin is not None
        # As the end of the server does, which held it.
        line.process.stdin.close()
        assert line.process.wait(PATIENT) == 0
    assert own_home.exists()


def test_without_an_engine_it_says_which_were_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="docker is not installed; podman is not installed.*start one"):
        containers.engine(in_container(secrets={}))
    (tmp_path / "docker").write_text("#!/bin/sh\necho Cannot connect to the daemon. >&2\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    with pytest.raises(UserError, match="docker: Cannot connect to the daemon"):
        containers.engine(in_container(secrets={}))
