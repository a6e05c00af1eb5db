"""A notebook's cells as they stand on disk: read when it is opened, written whole whenever one changes.

Promises that whoever reads the file meets all of it, that cells and their outputs outlive the server, and that a
notebook in which held-out answers could once be read says so from then on. Runs nothing.
"""

from pathlib import Path
from typing import Any

from diffing.agents.workshop import cells, folders
from diffing.agents.workshop.cells import Cell
from diffing.common import files
from diffing.common.errors import UserError
from diffing.report import agent_notebook
from diffing.study.study import Study


class Book:
    """The cells of a study's notebook, each known by its number from 1."""

    def __init__(self, study: Study, held_out: bool) -> None:
        self.study = study
        told = agent_notebook.read(study)
        about: dict[str, Any] = told["metadata"]["agent"] if told else {}
        self.cells: list[Cell] = [cells.of_record(each) for each in told["cells"]] if told else []
        self.held_out = held_out or bool(about.get("held_out"))
        self.spent = float(about.get("spent", 0.0))
        """Seconds that its cells have taken, those that were run again more than once."""
        self.generation = max((each.kernel for each in self.cells), default=0)
        """How many kernels it has had."""
        self.workshop = folders.of(study, str(about.get("workshop", "")))

    def __len__(self) -> int:
        return len(self.cells)

    def at(self, number: int) -> Cell:
        """A cell; a `UserError` where there is none of that number."""
        if not 1 <= number <= len(self.cells):
            there = f"1 to {len(self.cells)}" if self.cells else "none yet"
            raise UserError(f"The notebook of '{self.study.name}' has no cell {number}; it has {there}.")
        return self.cells[number - 1]

    def put(self, cell: Cell) -> None:
        self.cells[cell.number - 1] = cell

    def done(self) -> list[int]:
        """The cells that ended well."""
        return [each.number for each in self.cells if each.state == "done"]

    def waiting(self, code: str) -> int:
        """Add a cell that is to be run, and keep it; its number."""
        number = len(self.cells) + 1
        self._change([*self.cells, Cell(number, code, "waiting")])
        return number

    def waiting_again(self, numbers: list[int]) -> None:
        """These cells are to be run once more."""
        self._change([each._replace(state="waiting") if each.number in numbers else each for each in self.cells])

    def _change(self, changed: list[Cell]) -> None:
        before, self.cells = self.cells, changed
        try:
            self.save()
        except BaseException:
            # What cannot be kept is not run.
            self.cells = before
            raise

    def save(self) -> None:
        """Write the notebook whole."""
        if not Path(self.study.folder, "study.toml").exists():
            # Writing would make a folder that its owner has just deleted.
            raise UserError(f"There is no study '{self.study.name}' any more, so its notebook is closed.")
        about = {"workshop": self.workshop.number, "spent": round(self.spent, 1), "held_out": self.held_out}
        whole = agent_notebook.notebook(about, [each.record() for each in self.cells])
        files.write_text(agent_notebook.path_of(self.study), agent_notebook.text(whole))
