"""Python that an agent runs in a study's notebook: cells by their numbers, what they showed page by page.

Promises that no call waits longer than `job` does, whatever a cell computes, and that what a cell showed is handed
over whole. What the code may read, where it runs and what is kept of it is the notebook's to promise
(`diffing.agents.workshop.notebook`).
"""

from typing import Annotated

import anyio
from anyio import to_thread
from pydantic import Field

from diffing.agents import size
from diffing.agents.desk import Desk
from diffing.agents.reading import PAGE, Cursor, Name
from diffing.agents.shapes import Ran
from diffing.agents.workshop.cells import Cell
from diffing.agents.workshop.notebook import LONGEST, WAIT, Notebook
from diffing.common.errors import UserError

LOOK = 0.1
"""Seconds between two looks at a cell that is waited for."""
PIECE = 1_000
"""Characters of a part of what a cell showed: small enough that a page is filled well."""
Wait = Annotated[float, Field(description="Seconds to wait for its end.", ge=0, le=LONGEST)]
Number = Annotated[int, Field(description="The cell's number.", ge=1)]


async def run_python(
    desk: Desk,
    study: Name,
    code: Annotated[str, Field(description="A cell: variables of earlier ones are there.")] = "",
    again: Annotated[bool, Field(description="Instead: run all cells that ended well once more.")] = False,
    wait_s: Wait = WAIT,
    limit_s: Annotated[float | None, Field(description="Seconds until it is interrupted.", gt=0)] = None,
) -> Ran:
    """Run a cell in the study's notebook, behind walls: `data/` beside it has the study's tables, of the prompts
    that you may read. Each cell is kept and handed over with the report. Follow a long one with `cell`."""
    if again == bool(code.strip()):
        raise UserError("Give the code of a cell, or set `again`; not both.")

    def begun() -> int:
        notebook = _notebook(desk, study)
        return (notebook.again(0) if again else notebook.run(code, 0, limit_s)).number

    return await _seen(desk, study, await to_thread.run_sync(begun), wait_s, "")


async def cell(desk: Desk, study: Name, number: Number, wait_s: Wait = 0.0, cursor: Cursor = "") -> Ran:
    """A cell of the study's notebook as it is now, with all that it showed so far."""
    return await _seen(desk, study, number, wait_s, cursor)


def interrupt(
    desk: Desk, study: Name, number: Annotated[int, Field(description="0: the one that runs.", ge=0)] = 0
) -> Ran:
    """Interrupt a cell that runs; its kernel and variables stay."""
    return _ran(_notebook(desk, study), _notebook(desk, study).interrupt(number), "")


def _notebook(desk: Desk, study: str) -> Notebook:
    return desk.notebooks.of(desk.opened(study))


async def _seen(desk: Desk, study: str, number: int, wait: float, cursor: str) -> Ran:
    """A cell, once it is over or the wait is."""
    notebook = await to_thread.run_sync(_notebook, desk, study)
    with anyio.move_on_after(wait):
        while not notebook.cell(number).over:
            # Not in a thread: a dozen agents that wait must leave room for others.
            await anyio.sleep(LOOK)
    return await to_thread.run_sync(_ran, notebook, notebook.cell(number), cursor)


def _ran(notebook: Notebook, found: Cell, cursor: str) -> Ran:
    shown = found.text()
    parts = [shown[start : start + PIECE] for start in range(0, len(shown), PIECE)]
    chosen, after = size.page(parts, cursor, PAGE, lambda part: [part], room=1500)
    status = notebook.status()
    return Ran(
        study=status.study,
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
