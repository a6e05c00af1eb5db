"""A notebook whose kernel runs on a Jupyter server: reached by address and token, given its data, ended after."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from diffing.agents.workshop.notebook import Notebook
from diffing.agents.workshop.workspace import Workspace
from diffing.common import files
from tests.agents.test_workspace import repository, wheel
from tests.fakes import workshops
from tests.fakes.jupyter_server import JupyterServer
from tests.fakes.workshops import HELD, PATIENT

TOKEN = "jupyter-0123456789abcdef"
SECRET = "hf_AbCdEfGhIjKlMnOpQrStUv12"
Served = tuple[Notebook, JupyterServer]


def told(address: str, **more: object) -> Workspace:
    secrets = {"GPU_TOKEN": {}, "JAM_TOKEN": {"expose": True}}
    jupyter = {"address": address, "token": "GPU_TOKEN"}
    return Workspace.model_validate({"where": "jupyter", "jupyter": jupyter, "secrets": secrets, **more})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("machine")
    root = folder / "root"
    root.mkdir()
    (folder / "notes.md").write_text("Read me.")
    address, commit = repository(folder / "probes")
    wheel(folder / "wheels")
    with (
        pytest.MonkeyPatch.context() as patch,
        workshops.at_home(tmp_path_factory.mktemp("home")),
        JupyterServer(root, TOKEN) as server,
    ):
        patch.setenv("GPU_TOKEN", TOKEN)
        patch.setenv("JAM_TOKEN", SECRET)
        workspace = told(
            server.address,
            files=["notes.md"],
            base=str(folder),
            packages=["tinyjam==1.0"],
            wheels="wheels",
            repositories=[{"url": address, "commit": commit}],
        )
        with workshops.opened(workshops.study_of(), workspace) as notebook:
            first = notebook.run("1", PATIENT)
            assert (first.state, first.note) == ("done", "")
            yield notebook, server
        assert server.kernels == {}


def test_it_has_the_data_the_workspace_and_the_secret(served: Served) -> None:
    notebook, server = served
    cell = notebook.run(
        "import os, sys, tinyjam, pandas as pd\nsys.path.insert(0, 'repos/probes')\nimport probe\n"
        "print(len(pd.read_parquet('data/answers.parquet')), tinyjam.VERSION, probe.NUMBER, "
        "open('files/notes.md').read(), os.environ['JAM_TOKEN'], '_bring' in globals())",
        PATIENT,
    )
    assert cell.text() == "48 1.0 1 Read me. [key] False"
    kept = "".join(path.read_text(errors="replace") for path in server.root.rglob("data/*"))
    assert kept and HELD not in kept
    assert notebook.status().protection == "elsewhere"


def test_a_cell_there_is_interrupted_at_its_limit_and_the_kernel_goes_on(served: Served) -> None:
    notebook, server = served
    notebook.run("jars = 4", PATIENT)
    cell = notebook.run("import time; time.sleep(600)", PATIENT, limit=1)
    assert (cell.state, cell.note) == ("interrupted", "It was interrupted at its limit of 1 s.")
    assert any(each.endswith("/interrupt") for each in server.asked)
    assert notebook.run("jars", PATIENT).text() == "4"


def test_a_kernel_that_the_server_found_dead_is_told_and_replaced(served: Served) -> None:
    notebook, server = served
    cell = notebook.run("import os; os._exit(1)", PATIENT)
    assert cell.state == "died" and "the Jupyter server found it dead" in cell.note
    after = notebook.run("2", PATIENT)
    assert (after.text(), after.note) == ("2", "")
    assert len(server.kernels) == 1


def test_one_that_a_killed_server_left_is_ended_by_the_next(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPU_TOKEN", TOKEN)
    monkeypatch.setenv("JAM_TOKEN", SECRET)
    with JupyterServer(tmp_path, TOKEN) as server:
        with workshops.opened(workshops.study_of(), told(server.address)) as notebook:
            left = {"kernel": "kernel-of-old", "address": server.address}
            files.write_json(notebook.book.workshop.folder / "remote.json", left)
            assert notebook.run("1", PATIENT).text() == "1"
        assert "DELETE /api/kernels/kernel-of-old" in server.asked
    assert own_home.exists()


def test_a_wrong_token_and_a_server_that_is_not_there_are_sentences_in_the_cell(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPU_TOKEN", "wrong-0123456789")
    monkeypatch.setenv("JAM_TOKEN", SECRET)
    with JupyterServer(tmp_path, TOKEN) as server:
        with workshops.opened(workshops.study_of(), told(server.address)) as notebook:
            cell = notebook.run("1", PATIENT)
        assert cell.state == "failed" and "refuses the token; set jupyter.token" in cell.note
    with workshops.opened(workshops.study_of("other"), told(server.address)) as notebook:
        assert "does not answer (ConnectError" in notebook.run("1", PATIENT).note
    assert own_home.exists()
