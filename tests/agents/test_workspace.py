"""A workspace's file: what it brings is there before the first cell and after a restart."""

import base64
import subprocess
import zipfile
from pathlib import Path

import pytest

from diffing.agents.workshop import supplies, workspace
from diffing.agents.workshop.workspace import Workspace
from diffing.common.errors import UserError
from tests.fakes import workshops
from tests.fakes.workshops import PATIENT

SECRET = "hf_AbCdEfGhIjKlMnOpQrStUv12"
SERVED = "served-0123456789-abcdefgh"
OWNER = ("-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false")


def git(folder: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *words], check=True, capture_output=True, text=True
    ).stdout.strip()


def repository(folder: Path) -> tuple[str, str]:
    """A server's repository; its address, and the commit before its last."""
    folder.mkdir()
    git(folder, "init", "--quiet")
    for number in (1, 2):
        (folder / "probe.py").write_text(f"NUMBER = {number}\n")
        git(folder, "add", ".")
        git(folder, *OWNER, "commit", "--quiet", "-m", f"number {number}")
    # A hook of its own would run here, where the keys are.
    return f"file://{folder}", git(folder, "rev-parse", "HEAD~1")


def wheel(folder: Path, version: str = "1.0") -> None:
    """A package of one module, built by hand."""
    folder.mkdir(exist_ok=True)
    info = f"tinyjam-{version}.dist-info"
    with zipfile.ZipFile(folder / f"tinyjam-{version}-py3-none-any.whl", "w") as file:
        file.writestr("tinyjam.py", f"VERSION = '{version}'\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tinyjam\nVersion: {version}\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        names = ("tinyjam.py", f"{info}/METADATA", f"{info}/WHEEL", f"{info}/RECORD")
        file.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in names))


def written(folder: Path, text: str) -> Path:
    path = folder / "workspace.toml"
    path.write_text(text)
    return path


LOOK = """
import os, sys, tinyjam
sys.path.insert(0, "repos/probes")
import probe
print(tinyjam.VERSION, probe.NUMBER, open("files/notes.md").read(), "OPENROUTER_API_KEY" in os.environ)
print(len(os.environ["HF_TOKEN"]), os.environ["HF_TOKEN"])
import base64
print(base64.b64encode(b"token " + os.environ["HF_TOKEN"].encode()))
import pandas
print(tinyjam.__file__.split("shared")[1].split("/lib")[0][:8], "shared" in pandas.__file__)
"""


def test_repository_package_file_and_secret_are_there_and_still_there_after_a_restart(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, commit = repository(tmp_path / "probes")
    wheel(tmp_path / "wheels")
    (tmp_path / "notes.md").write_text("Read me.")
    monkeypatch.setenv("HF_TOKEN", SECRET)
    (own_home / ".env").write_text(f"OPENROUTER_API_KEY={SERVED}\n")
    told = workspace.load(
        written(
            tmp_path,
            f"""
            packages = ["tinyjam==1.0"]
            wheels = "wheels"
            files = ["notes.md"]
            repositories = [{{url = "{address}", commit = "{commit}"}}]
            [secrets.HF_TOKEN]
            expose = true
            [secrets.OPENROUTER_API_KEY]
            """,
        )
    )
    study = workshops.study_of()
    with workshops.opened(study, told) as notebook:
        cell = notebook.run(LOOK, PATIENT)
        assert cell.state == "done", cell.note
        assert cell.text().splitlines() == [
            "1.0 1 Read me. False",
            f"{len(SECRET)} [key]",
            f"b'{base64.b64encode(b'token ').decode()}[key]'",
            "/python- False",
        ]
    kept = (study.folder / "agent.ipynb").read_text(encoding="utf-8")
    assert SECRET not in kept and base64.b64encode(SECRET.encode()).decode()[:20] not in kept

    def nothing(*_: object) -> None:
        raise AssertionError("it is there already")

    monkeypatch.setattr(supplies, "run", nothing)
    with workshops.opened(study, told) as notebook:
        assert notebook.again(PATIENT).text().startswith("1.0 1 Read me. False")


def test_what_cannot_be_brought_is_told_in_the_cell_and_can_be_mended(own_home: Path, tmp_path: Path) -> None:
    address, _ = repository(tmp_path / "probes")
    wrong = Workspace.model_validate({"repositories": [{"url": address, "commit": "0" * 40}]})
    study = workshops.study_of()
    with workshops.opened(study, wrong) as notebook:
        cell = notebook.run("1", PATIENT)
        assert cell.state == "failed" and f"{address} could not be brought" in cell.note
    with workshops.opened(study) as notebook:
        assert notebook.run("1", PATIENT).text() == "1"
    assert own_home.exists()


def test_a_package_that_would_have_to_be_built_is_not(own_home: Path, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    ran = tmp_path / "ran"
    (tmp_path / "source" / "setup.py").write_text(f"open({str(ran)!r}, 'w').close()\n")
    with zipfile.ZipFile(tmp_path / "source" / "tinyjam-1.0.zip", "w") as file:
        file.write(tmp_path / "source" / "setup.py", "tinyjam-1.0/setup.py")
    told = Workspace(packages=("tinyjam==1.0",), wheels=str(tmp_path / "source"))
    with workshops.opened(workshops.study_of(), told) as notebook:
        assert "tinyjam==1.0 could not be brought" in notebook.run("1", PATIENT).note
    assert not ran.exists() and own_home.exists()


def test_a_cell_that_waits_for_its_workspace_says_so_and_can_be_ended(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(tmp_path / "wheels")
    told = Workspace(packages=("tinyjam==1.0",), wheels=str(tmp_path / "wheels"))
    usual = supplies.run
    monkeypatch.setattr(supplies, "run", lambda _, check, what: usual(["sleep", "600"], check, what))
    with workshops.opened(workshops.study_of(), told) as notebook:
        cell = notebook.run("1", 1)
        assert (cell.state, cell.note) == ("waiting", "Installing 1 packages: tinyjam==1.0.")
        assert notebook.status().kernel == "starting"
        ended = notebook.interrupt(wait=PATIENT)
        assert (ended.state, ended.note) == ("interrupted", "It was ended before it began.")
    assert own_home.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("where = 'here", "is no TOML"),
        ("place = 'here'", "place: there is no such setting"),
        ("packages = ['numpy']", "'numpy' names no version; write it as name==1.2.3"),
        ("packages = ['--index-url=http://x==1']", "names no version"),
        ("repositories = [{url = 'https://a.example/b', commit = 'main'}]", "'main' is no full commit"),
        (f"repositories = [{{url = '--upload-pack=x', commit = '{'0' * 40}'}}]", "is no address of a repository"),
        (f"repositories = [{{url = 'ext::sh -c x', commit = '{'0' * 40}'}}]", "is no address of a repository"),
        (f"repositories = [{{url = 'https://u:p@a.example/b', commit = '{'0' * 40}'}}]", "holds a password"),
        (f"repositories = [{{url = 'https://a.example/..', commit = '{'0' * 40}'}}]", "is no name of a folder"),
        ("[secrets.PATH]\nexpose = true", "'PATH' is no name for a secret"),
        ("[secrets.NOT_SET_ANYWHERE]", "secret 'NOT_SET_ANYWHERE', which has no value; set it"),
        ("where = 'container'", "add .container. with its image"),
        ("[container]\nimage = '--privileged'", "is no name of an image"),
        ("where = 'jupyter'", "add .jupyter. with its address"),
        ("[jupyter]\naddress = 'http://gpu.example:8888'", "over plain http others on the way"),
        ("[jupyter]\naddress = 'https://gpu.example/?token=x'", "the address holds the token"),
        ("[jupyter]\naddress = 'https://gpu.example'\ntoken = 'T'", "add .secrets.T."),
        ("cell_seconds = 0", "cell_seconds: must be more than 0, and is 0"),
        ("files = ['gone.txt']", "'gone.txt', and '.*' is not there; mend the name"),
        ("files = ['home/studies']", "where studies lie; their held-out answers stay closed"),
        ("files = ['home']", "where studies lie; their held-out answers stay closed"),
    ],
)
def test_a_slip_is_one_sentence_with_the_remedy(own_home: Path, tmp_path: Path, text: str, said: str) -> None:
    (own_home / "studies").mkdir()
    with pytest.raises(UserError, match=said) as error:
        workspace.load(written(tmp_path, text))
    assert "\n" not in str(error.value) and "workspace" in str(error.value)


def test_a_file_that_is_not_there_is_a_sentence_too(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: it is gone; name another file"):
        workspace.load(tmp_path / "none.toml")
