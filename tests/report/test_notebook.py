"""The report's notebook: run before it is handed over, run again from the zip alone, and no key in its process."""

import os
import re
import tempfile
import zipfile
from pathlib import Path

import nbformat
import pytest

from diffing.common.errors import Cancelled
from diffing.report import notebook
from tests.fakes.html_page import Page
from tests.fakes.report_study import KEY, Made

# The notebook.


def test_the_notebook_was_run_and_agrees_with_the_exported_figures(made: Made) -> None:
    _, out = made
    book = nbformat.read(out / "analysis.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(book)
    cells = {cell.id: cell for cell in book.cells if cell.cell_type == "code"}
    assert [cell.execution_count for cell in cells.values()] == list(range(1, len(cells) + 1))
    assert cells["again"].outputs[0].text == "all shares as in features.csv\n"
    here, there = re.findall(r"p = (\S+) here, (\S+) in features.csv", cells["exact"].outputs[0].text)[0]
    assert here == there
    assert "image/png" in cells["chart"].outputs[0].data
    pages = [
        one.data["text/html"]
        for cell in cells.values()
        for one in cell.outputs
        if "text/html" in one.get("data", {})
    ]
    assert len(pages) == 4
    assert not {"script", "title"} & set().union(*(Page(page).tags for page in pages))


def test_the_notebook_runs_again_from_the_zip_alone(made: Made, tmp_path: Path) -> None:
    _, out = made
    zipfile.ZipFile(out / "lists-old-new.zip").extractall(tmp_path)
    folder = tmp_path / "lists-old-new"
    before = nbformat.read(folder / "analysis.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    # As a report that was killed leaves it; those of living ones are locked.
    left = Path(tempfile.mkdtemp(prefix=notebook.SCRATCH))
    os.utime(left, (0, 0))
    assert notebook.executed(before, folder) == (out / "analysis.ipynb").read_text(encoding="utf-8")
    assert not left.exists()


def test_the_notebooks_process_sees_no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANY_API_KEY", KEY)
    monkeypatch.setenv("HF_TOKEN", KEY)
    assert KEY not in notebook.environment(tmp_path).values()


@pytest.mark.parametrize("begun", [True, False], ids=["in a cell", "as it starts"])
def test_a_run_that_is_to_end_ends_and_leaves_neither_process_nor_folder(tmp_path: Path, begun: bool) -> None:
    told = tmp_path / "process"
    made = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": ""}})  # type: ignore[no-untyped-call]
    body = f"import os, pathlib, time; pathlib.Path({str(told)!r}).write_text(str(os.getpid())); time.sleep(100)"
    made.cells = [nbformat.v4.new_code_cell(body)]  # type: ignore[no-untyped-call]
    before = {*Path(tempfile.gettempdir()).glob(f"{notebook.SCRATCH}*")}

    def check() -> None:
        if not begun or (told.exists() and told.read_text()):
            raise Cancelled

    with pytest.raises(Cancelled):
        notebook.executed(made, tmp_path, check)
    assert {*Path(tempfile.gettempdir()).glob(f"{notebook.SCRATCH}*")} <= before
    assert told.exists() == begun
    if begun:
        with pytest.raises(ProcessLookupError):
            os.kill(int(told.read_text()), 0)
