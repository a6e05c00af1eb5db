"""Python that an agent runs in a study's notebook: cells by their numbers, what they showed page by page.

Promises that no call waits longer than `job` does, whatever a cell computes, and that what a cell showed is handed
over whole. What the code may read, where it runs and what is kept of it is the notebook's to promise
(`diffing.agents.notebook`).
"""

from typing import Annotated

from pydantic import Field

from diffing.agents import size
from diffing.agents.cells import Cell
from diffing.agents.desk import Desk
from diffing.agents.notebook import LONGEST, WAIT
from diffing.agents.reading import PAGE, Cursor, Name
from diffing.agents.shapes import Ran

PIECE = 1_000
"""Characters of a part of what a cell showed: small enough that a page is filled well."""
Wait = Annotated[float, Field(description="Seconds to wait for its end.", ge=0, le=LONGEST)]
Number = Annotated[int, Field(description="The cell's number.", ge=1)]


def run_python(
    desk: Desk,
    study: Name,
    code: Annotated[str, Field(description="A cell: variables of earlier ones are there.")],
    wait_s: Wait = WAIT,
    limit_s: Annotated[float | None, Field(description="Seconds until it is interrupted.", gt=0)] = None,
) -> Ran:
    """Run a cell in the study's notebook, behind walls: `data/` beside it has the study's tables, of the prompts
    that you may read. Each cell is kept and handed over with the report. Follow a long one with `cell`."""
    opened = desk.opened(study)
    notebook = desk.notebooks.of(opened)
    return _ran(desk, study, notebook.run(code, wait_s, limit_s), "")


def cell(desk: Desk, study: Name, number: Number, wait_s: Wait = 0.0, cursor: Cursor = "") -> Ran:
    """A cell of the study's notebook as it is now, with all that it showed so far."""
    notebook = desk.notebooks.of(desk.opened(study))
    return _ran(desk, study, notebook.cell(number, wait_s), cursor)


def interrupt(
    desk: Desk, study: Name, number: Annotated[int, Field(description="0: the one that runs.", ge=0)] = 0
) -> Ran:
    """Interrupt a cell that runs; its kernel and variables stay."""
    notebook = desk.notebooks.of(desk.opened(study))
    return _ran(desk, study, notebook.interrupt(number), "")


def _ran(desk: Desk, study: str, found: Cell, cursor: str) -> Ran:
    shown = found.text()
    parts = [shown[start : start + PIECE] for start in range(0, len(shown), PIECE)]
    chosen, after = size.page(parts, cursor, PAGE, lambda part: [part], room=1500)
    status = desk.notebooks.of(desk.opened(study)).status()
    return Ran(
        study=study,
        number=found.number,
        state=found.state,
        seconds=found.seconds,
        kernel=found.kernel,
        note=size.cut(" ".join(part for part in (found.note, status.note) if part), 800),
        keeps=size.cut(status.keeps),
        pictures=len(found.pictures()),
        shown="".join(chosen),
        next_cursor=after,
    )
