"""A notebook runs cells as jobs: looked at, interrupted, limited, kept, and resumed after a restart."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from diffing.agents.sight import Sight
from diffing.agents.workshop import running
from diffing.agents.workshop.kernel import Kernel
from diffing.agents.workshop.notebook import Notebook
from diffing.agents.workshop.notebooks import Notebooks
from diffing.agents.workshop.workspace import Workspace
from diffing.common import files
from diffing.common.errors import Busy, UserError
from diffing.report import agent_notebook
from diffing.study import upkeep
from diffing.study.study import Study
from tests.fakes import workshops
from tests.fakes.workshops import HELD, OPEN, PATIENT

ENDLESS = "import time\nprint('begun', flush=True)\ntime.sleep(600)"


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """One for all tests that leave it usable: a kernel takes seconds to start."""
    with workshops.at_home(tmp_path_factory.mktemp("home")), workshops.opened(workshops.study_of()) as made:
        made.run("1", PATIENT)
        yield made


def pid_of(notebook: Notebook) -> int:
    line = notebook._line
    assert isinstance(line, Kernel)
    return line.process.pid


def begun(notebook: Notebook) -> int:
    """Start a cell that does not end; its number once it runs."""
    cell = notebook.run(ENDLESS, 0)
    end = time.monotonic() + PATIENT
    while "begun" not in cell.text() and time.monotonic() < end:
        cell = notebook.cell(cell.number, 0.1)
    assert (cell.state, cell.text()) == ("running", "begun")
    return cell.number


def test_a_cell_shows_what_it_printed_its_value_tables_and_pictures(notebook: Notebook) -> None:
    code = (
        "import pandas as pd, matplotlib.pyplot as plt\nprint('hello')\nplt.plot([1, 2]); plt.show()\n"
        "pd.DataFrame({'a': [1], 'b': ['<b>']})"
    )
    cell = notebook.run(code, PATIENT)
    assert (cell.state, cell.note, len(cell.pictures())) == ("done", "", 1)
    assert cell.text().splitlines()[0] == "hello" and "   a    b" in cell.text()
    assert "<td>&lt;b&gt;</td>" in cell.outputs[-1]["data"]["text/html"]


def test_variables_stay_from_cell_to_cell_and_a_fault_is_told(notebook: Notebook) -> None:
    notebook.run("jars = 3", PATIENT)
    assert notebook.run("jars * 2", PATIENT).text() == "6"
    failed = notebook.run("jars / 0", PATIENT)
    assert failed.state == "failed" and failed.text().endswith("ZeroDivisionError: division by zero")


def test_the_data_are_discovery_answers_alone(notebook: Notebook) -> None:
    cell = notebook.run(
        "import pandas as pd\nanswers = pd.read_parquet('data/answers.parquet')\n"
        "prompts = pd.read_csv('data/prompts.csv')\n"
        "print(len(answers), set(answers['text'].str[:8]), set(prompts['split']), open('data/README.md').read())",
        PATIENT,
    )
    assert cell.text().startswith(f"48 {{'{OPEN}'}} {{'discovery'}} What code")
    kept = workshop_text(notebook)
    assert OPEN in kept and HELD not in kept


def workshop_text(notebook: Notebook) -> str:
    data = notebook.book.workshop.data
    return "".join(path.read_text(encoding="utf-8", errors="replace") for path in data.iterdir())


def test_what_it_is_given_cannot_be_changed(notebook: Notebook) -> None:
    cell = notebook.run("open('data/answers.csv', 'w')", PATIENT)
    assert cell.state == "failed" and "answers.csv" in cell.text()
    assert notebook.run("open('mine.txt', 'w').write('x')", PATIENT).text() == "1"
    assert (notebook.book.workshop.work / "mine.txt").read_text() == "x"


def test_while_a_cell_runs_everything_else_answers_and_a_second_one_is_refused(notebook: Notebook) -> None:
    number = begun(notebook)
    assert notebook.status().running == number and notebook.status().kernel == "running"
    assert notebook.cell(1).state == "done"
    with pytest.raises(Busy, match=f"Cell {number} is running"):
        notebook.run("1")
    ended = notebook.interrupt(number, PATIENT)
    assert (ended.state, ended.note) == ("interrupted", "It was interrupted.")
    assert "begun" in ended.text() and "KeyboardInterrupt" in ended.text()
    assert notebook.run("'goes on'", PATIENT).text() == "'goes on'"


def test_a_cell_is_interrupted_at_its_limit_and_told_so(notebook: Notebook) -> None:
    cell = notebook.run(ENDLESS, PATIENT, limit=1)
    assert (cell.state, cell.note) == ("interrupted", "It was interrupted at its limit of 1 s.")


def test_one_that_does_not_heed_it_ends_with_its_kernel(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "GRACE", 0.5)
    deaf = "import time\nwhile True:\n    try:\n        time.sleep(9)\n    except KeyboardInterrupt:\n        pass"
    cell = notebook.run(deaf, PATIENT, limit=1)
    assert cell.state == "interrupted" and "did not heed it, and its kernel was ended" in cell.note
    assert notebook.run("1", PATIENT).kernel == cell.kernel + 1


def test_a_kernel_that_dies_is_told_and_replaced(notebook: Notebook) -> None:
    cell = notebook.run("import os; os._exit(7)", PATIENT)
    assert cell.state == "died" and "it ended with code 7; the next cell starts another" in cell.note
    after = notebook.run("2", PATIENT)
    assert (after.text(), after.kernel) == ("2", cell.kernel + 1)


def test_one_that_is_killed_between_two_cells_is_told_too(notebook: Notebook) -> None:
    notebook.run("kept = 1", PATIENT)
    os.killpg(pid_of(notebook), signal.SIGKILL)
    end = time.monotonic() + PATIENT
    while notebook.status().kernel != "none" and time.monotonic() < end:
        time.sleep(0.1)
    cell = notebook.run("kept", PATIENT)
    assert "The kernel died (it was ended by SIGKILL" in cell.note and "NameError" in cell.text()


def test_a_flood_is_cut_and_the_notebook_goes_on(notebook: Notebook) -> None:
    cell = notebook.run("for _ in range(200): print('x' * 100_000)", PATIENT)
    assert cell.state == "done" and "characters more were not kept" in cell.note
    assert notebook.run("3", PATIENT).text() == "3"


def test_a_piece_too_large_to_be_told_is_said_to_be_lost(notebook: Notebook) -> None:
    cell = notebook.run("print('x' * 40_000_000)", PATIENT)
    assert cell.note == "A part of what it showed was lost: one piece was too large to be told."
    assert notebook.run("print('heard')", PATIENT).text() == "heard"


def test_nobody_can_be_asked(notebook: Notebook) -> None:
    assert "StdinNotImplementedError" in notebook.run("input()", PATIENT).text()


@pytest.mark.parametrize("number", [0, 999])
def test_a_cell_that_is_not_there_is_said_in_a_sentence(notebook: Notebook, number: int) -> None:
    with pytest.raises(UserError, match=f"has no cell {number}; it has 1 to"):
        notebook.cell(number)


def test_nothing_to_run_and_nothing_to_interrupt_are_sentences(notebook: Notebook) -> None:
    with pytest.raises(UserError, match="empty"):
        notebook.run(" \n")
    with pytest.raises(UserError, match="No cell is running"):
        notebook.interrupt()


def test_the_file_is_a_notebook_with_every_cell(notebook: Notebook) -> None:
    book = nbformat.read(agent_notebook.path_of(notebook.study), as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(book)
    assert [cell.execution_count for cell in book.cells] == list(range(1, len(notebook.book) + 1))
    assert [cell.source for cell in book.cells] == [cell.code for cell in notebook.cells()]


def test_another_server_is_refused_the_same_notebook(notebook: Notebook) -> None:
    with pytest.raises(Busy, match="is open in another server"):
        Notebook(notebook.study, Sight())


SERVER = """
import sys, time
from diffing.agents.workshop.notebook import Notebook
from diffing.agents.sight import Sight
from diffing.study.study import Study
notebook = Notebook(Study.open("pantry"), Sight())
notebook.run("jam = 5\\nprint(jam)", 40)
notebook.run("import time; print('begun', flush=True); time.sleep(600)", 0)
while not notebook.cell(2).text():
    time.sleep(0.1)
print(notebook._line.process.pid, flush=True)
time.sleep(600)
"""


def test_a_killed_server_leaves_no_kernel_and_its_notebook_is_resumed(own_home: Path) -> None:
    study = workshops.study_of()
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True, cwd=files.PROJECT)
    assert server.stdout is not None
    kernel = int(server.stdout.readline())
    server.kill()
    server.wait()
    server.stdout.close()
    end = time.monotonic() + PATIENT
    while Path(f"/proc/{kernel}").exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert not Path(f"/proc/{kernel}").exists()
    with workshops.opened(study) as notebook:
        first, second = notebook.cells()
        assert (first.state, first.text()) == ("done", "5")
        assert (second.state, second.note) == (
            "lost",
            "The server ended while this cell ran, so what it showed is lost.",
        )
        assert "The kernel is new" in notebook.status().note and "1 cell" in notebook.status().note
        assert "NameError" in notebook.run("jam", PATIENT).text()
        assert notebook.again(PATIENT).state == "done"
        assert notebook.run("jam", PATIENT).text() == "5"
    assert own_home.exists()


def test_running_again_stops_at_a_cell_that_fails_and_keeps_what_the_rest_showed(own_home: Path) -> None:
    study = workshops.study_of()
    flag = own_home / "workshops"
    with workshops.opened(study) as notebook:
        notebook.run("import os\nassert not os.path.exists('flag')\nprint('first')", PATIENT)
        notebook.run("open('flag', 'w').close()\nprint('second')", PATIENT)
        last = notebook.again(PATIENT)
        assert [cell.state for cell in notebook.cells()] == ["failed", "done"]
        assert last.text() == "second"
    assert flag.exists()


def test_the_time_of_all_cells_together_is_limited_across_restarts(own_home: Path) -> None:
    study, short = workshops.study_of(), Workspace(seconds=2)
    with workshops.opened(study, short) as notebook:
        cell = notebook.run(ENDLESS, PATIENT)
        assert cell.state == "interrupted" and "at its limit of 2 s" in cell.note
    with workshops.opened(study, short) as notebook, pytest.raises(UserError, match="that they may take together"):
        notebook.run("1")
    assert own_home.exists()


def test_new_answers_are_there_at_the_next_cell(own_home: Path) -> None:
    study = workshops.study_of()
    count = "import pandas as pd\nlen(pd.read_parquet('data/answers.parquet'))"
    with workshops.opened(study) as notebook:
        assert notebook.run(count, PATIENT).text() == "48"
        table = study.responses()
        study.add_responses(table[table["checkpoint"] == "a"].assign(draw=1))
        assert notebook.run(count, PATIENT).text() == "72"
        assert {cell.kernel for cell in notebook.cells()} == {1}
    assert own_home.exists()


def test_a_renamed_study_keeps_its_workshop_and_a_copy_has_its_own(own_home: Path) -> None:
    study = workshops.study_of()
    with workshops.opened(study) as notebook:
        notebook.run("open('mine.txt', 'w').write('x')", PATIENT)
        first = notebook.book.workshop
    upkeep.rename("pantry", "larder")
    upkeep.duplicate("larder", "copy")
    numbers = {}
    for name in ("larder", "copy"):
        with workshops.opened(Study.open(name)) as notebook:
            numbers[name] = notebook.book.workshop.number
            assert len(notebook.cells()) == 1
    assert numbers["larder"] == first.number != numbers["copy"]
    assert (own_home / "workshops" / numbers["copy"] / "work" / "mine.txt").exists() is False


def test_a_study_that_is_deleted_is_not_made_again_by_its_notebook(own_home: Path) -> None:
    study = workshops.study_of()
    with workshops.opened(study) as notebook:
        notebook.run("1", PATIENT)
        upkeep.delete("pantry")
        with pytest.raises(UserError, match="There is no study 'pantry' any more"):
            notebook.run("2")
    assert not (own_home / "studies" / "pantry").exists()


def test_once_held_out_answers_were_open_the_notebook_says_so(own_home: Path) -> None:
    study = workshops.study_of()
    read = "import pandas as pd\npd.read_parquet('data/answers.parquet')['text'].str[:5].unique().tolist()"
    with workshops.opened(study, held_out=True) as notebook:
        assert HELD[:5] in notebook.run(read, PATIENT).text()
    with workshops.opened(study) as notebook:
        assert HELD[:5] not in notebook.run(read, PATIENT).text()
        assert notebook.status().held_out
    told = json.loads((own_home / "studies" / "pantry" / "agent.ipynb").read_text(encoding="utf-8"))
    assert told["metadata"]["agent"]["held_out"] is True


def test_a_server_has_one_notebook_a_study(own_home: Path) -> None:
    study = workshops.study_of()
    notebooks = Notebooks(Sight())
    assert notebooks.of(study) is notebooks.of(Study.open("pantry"))
    notebooks.close()
    # Its lock is free again.
    notebooks.of(study)
    notebooks.close()
    assert own_home.exists()
