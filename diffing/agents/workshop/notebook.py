"""The notebook of a study in which an agent runs Python: a cell is a job handle, and no call waits for its end.

`Notebook.run` starts a cell and comes back within seconds; `cell` looks at it, `interrupt` ends it. One thread
works the cells, one at a time, so that whoever calls is never held up by one that runs. Promises that every cell
stands in the study's `agent.ipynb` from its start on, and its output from its end on, whenever this process is
killed; that a cell is interrupted at its limit and one that cannot be is ended with its kernel; that a kernel that
died is replaced with the next cell, and the agent told. Of a notebook opened again the cells are kept and the
kernel is new: `again` runs them once more.
"""

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

from diffing.agents.sight import Sight
from diffing.agents.workshop import data, opening, walls
from diffing.agents.workshop.book import Book
from diffing.agents.workshop.cells import Cell, Shown, State
from diffing.agents.workshop.kernel import Line, Message
from diffing.agents.workshop.opening import Opened
from diffing.agents.workshop.running import GRACE, NEW, Running
from diffing.agents.workshop.scrub import Scrub
from diffing.agents.workshop.walls import Protection
from diffing.agents.workshop.workspace import Workspace
from diffing.common import damage, files, words
from diffing.common.errors import Busy, UserError
from diffing.report import bundle
from diffing.study.study import Study

WAIT = 10.0
"""Seconds that `run` waits for a cell unless told: most are over by then."""
LONGEST = 40.0
"""Seconds that a call may wait: the agents' programs give up on one after a minute or less."""
CODE = 200_000
"""Characters of a cell's code: what an agent writes has a few thousand."""


class Standing(NamedTuple):
    """How a notebook is."""

    study: str
    cells: int
    """How many it has."""
    running: int
    """The number of the cell that runs or waits; 0 where none does."""
    kernel: str
    """`none`, `starting`, `idle` or `running`."""
    generation: int
    """How many kernels it has had; a cell's `kernel` says which one ran it."""
    protection: Protection
    keeps: str
    """What that means, in words."""
    held_out: bool
    """Whether the code may read held-out answers."""
    note: str
    """What the agent is to know now, in sentences: a kernel that is new, what is being made ready."""
    seconds_left: float
    """Of the time that all cells may take together."""
    folder: str
    """Where files that the code writes lie."""


class Notebook:
    """One study's notebook; its methods may be called from any thread."""

    def __init__(
        self, study: Study, sight: Sight, workspace: Workspace | None = None, plain: bool = False
    ) -> None:
        """`plain` allows a kernel without walls where this machine has none."""
        self.study, self.sight = study, sight
        self.workspace = workspace or Workspace()
        self.scrub = Scrub({*bundle.secrets(study.checkpoints), *self.workspace.secret_values()})
        self._stack = ExitStack()
        mine = self._stack.enter_context(files.locked(study.folder / "agent.lock", wait=False))
        if not mine:
            self._stack.close()
            raise Busy(
                f"The notebook of study '{study.name}' is open in another server; end that one, or work on a "
                "copy of the study."
            )
        try:
            self.book = Book(study, sight.held_out)
            self.protection = opening.protection(self.workspace, plain)
        except UserError:
            self._stack.close()
            raise
        self._note = ""
        if self.book.cells:
            done = words.count(len(self.book.done()), "cell")
            self._note = f"The kernel is new: {NEW}; {done} that ended well can be run again in order."
        self._changed = threading.Condition()
        self._queue: list[int] = []
        self._shown: Shown | None = None
        self._line: Line | None = None
        self._opened: Opened | None = None
        self._stop: int = 0
        self._ended = False
        self._doing = ""
        self._thread = threading.Thread(target=self._work, name=f"notebook {study.name}", daemon=True)
        self._thread.start()

    # What an agent calls.

    def run(self, code: str, wait: float = WAIT, limit: float | None = None) -> Cell:
        """Start a cell, wait a little for it, and tell how it is; `limit`: seconds, at most the workspace's."""
        if not code.strip():
            raise UserError("The cell is empty; send the code that is to be run.")
        if len(code) > CODE:
            raise UserError(f"The cell has {len(code):,} characters, and {CODE:,} are the most; send it in parts.")
        with self._changed:
            self._free()
            number = self.book.waiting(code)
            self._limits = {number: limit}
            self._start([number])
        return self.cell(number, wait)

    def again(self, wait: float = WAIT) -> Cell:
        """Run every cell that ended well once more, in order, each in its place; tells of the last one.

        One that fails ends it; the cells after it keep what they showed before.
        """
        with self._changed:
            self._free()
            numbers = self.book.done()
            if not numbers:
                raise UserError("No cell of this notebook ended well, so there is none to run again.")
            self.book.waiting_again(numbers)
            self._limits, self._note = {}, ""
            self._start(numbers)
        return self.cell(numbers[-1], wait)

    def cell(self, number: int, wait: float = 0.0) -> Cell:
        """A cell as it is now, after waiting up to `wait` seconds for its end."""
        with self._changed:
            self.book.at(number)
            self._changed.wait_for(lambda: self.book.at(number).over, max(0.0, min(wait, LONGEST)))
            found = self.book.at(number)
            if found.state == "running" and self._shown is not None and self._shown.number == number:
                found = found._replace(outputs=self._shown.outputs(self.scrub), note=self._shown.left_out())
            if found.state == "waiting" and self._doing:
                found = found._replace(note=self._doing)
            return found

    def interrupt(self, number: int = 0, wait: float = GRACE) -> Cell:
        """End a cell that runs or waits, the one that does where none is named; its kernel goes on."""
        with self._changed:
            running = self._queue[0] if self._queue else 0
            if not running or number not in (0, *self._queue):
                raise UserError(
                    "That cell is not running; 'cell' shows how it ended." if number else "No cell is running."
                )
            self._keep_rest()
            self._stop = running
            self._changed.notify_all()
        return self.cell(running, wait)

    def cells(self) -> Sequence[Cell]:
        """All cells, in order, those that ended as they are kept."""
        with self._changed:
            return tuple(self.book.cells)

    def status(self) -> Standing:
        with self._changed:
            running = self._queue[0] if self._queue else 0
            state = (
                "starting" if self._doing else "none" if self._line is None else "running" if running else "idle"
            )
            return Standing(
                self.study.name,
                len(self.book),
                running,
                state,
                self.book.generation,
                self.protection,
                walls.KEEPS[self.protection],
                self.book.held_out,
                " ".join(part for part in (self._doing, self._note) if part),
                self._left(),
                str(self.book.workshop.work),
            )

    def close(self) -> None:
        """End the kernel; the notebook stays. A cell that runs is interrupted."""
        with self._changed:
            self._ended = True
            self._stop = self._queue[0] if self._queue else 0
            self._keep_rest()
            self._changed.notify_all()
        self._thread.join(GRACE + LONGEST)
        self._stack.close()

    # Held by `_changed`.

    def _free(self) -> None:
        if self._ended:
            raise UserError("This notebook was closed; open it again.")
        if self._queue:
            cell = self.book.at(self._queue[0])
            took = f" for {words.duration(time.monotonic() - self._began)}" if cell.state == "running" else ""
            raise Busy(
                f"Cell {cell.number} is {cell.state}{took}; wait for it with 'cell', or end it with 'interrupt'."
            )
        if self._left() <= 0:
            raise UserError(
                f"The cells of this notebook have taken the {words.duration(self.workspace.seconds)} that they "
                "may take together; a person can raise 'seconds' in the workspace's file."
            )

    def _start(self, numbers: Sequence[int]) -> None:
        self._began = time.monotonic()
        self._queue, self._stop = list(numbers), 0
        self._changed.notify_all()

    def _keep_rest(self) -> None:
        """What was to follow the cell that runs stays as it was before."""
        for each in self._queue[1:]:
            self.book.put(self.book.at(each)._replace(state="done"))
        del self._queue[1:]

    def _left(self) -> float:
        return max(0.0, self.workspace.seconds - self.book.spent)

    # The thread that works.

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._ended, None if self._line is None else 1.0)
                if self._ended and not self._queue:
                    break
                number = self._queue[0] if self._queue else 0
            if not number:
                self._look_after()
                continue
            self._one(number)
        self._end_kernel()

    def _one(self, number: int) -> None:
        shown = Shown(number)
        try:
            self._prepare()
            state, note, seconds = self._run(number, shown)
        except Exception as error:
            # The thread's own boundary: whatever broke is told in the cell, and the next one finds a working
            # thread.
            state, seconds = ("interrupted" if isinstance(error, Stopped) else "failed"), 0.0
            said = str(error) if isinstance(error, UserError) else damage.in_words(error)
            note = said or f"{type(error).__name__}: {error}"
        note = self.scrub.text(" ".join(part for part in (note, shown.left_out()) if part))
        with self._changed:
            self._doing, self._shown, self._stop = "", None, 0
            self.book.spent += seconds
            ended = self.book.at(number)._replace(state=state, note=note, outputs=shown.outputs(self.scrub))
            self.book.put(ended._replace(seconds=round(seconds, 1), kernel=self.book.generation))
            if state != "done":
                self._keep_rest()
            del self._queue[0]
            try:
                self.book.save()
            except (OSError, UserError) as error:
                fault = f"This cell could not be kept: {damage.in_words(error) or error}"
                self.book.put(self.book.at(number)._replace(note=f"{note} {fault}".strip()))
            self._changed.notify_all()

    def _look_after(self) -> None:
        """Notice a kernel that died between two cells."""
        if self._line is not None and not self._line.alive():
            how = self._line.died()
            self._end_kernel()
            with self._changed:
                self._note = f"The kernel died ({how}); the next cell starts another: {NEW}."

    def _prepare(self) -> None:
        """A kernel that runs, and a folder of data that is as the study is."""
        self._look_after()
        if self._opened is None:
            self._opened = opening.open_place(
                self.workspace, self.book.workshop, self.protection, self._tell, self._check
            )
        self._tell("The study's tables are being written.")
        now = data.state(self.study, self.sight)
        stamp = self.book.workshop.folder / "data.txt"
        fresh = not stamp.exists() or stamp.read_text(encoding="utf-8") != now
        if fresh:
            data.fill(self.study, self.sight, self.book.workshop.data)
            files.write_text(stamp, now)
        if self._line is None:
            self._tell("The kernel is starting.")
            line = self._opened.start(self._check)
            with self._changed:
                self.book.generation += 1
                self._line = line
        elif fresh:
            self._opened.renew()
        self._tell("")

    def _tell(self, doing: str) -> None:
        with self._changed:
            self._doing = self.scrub.text(doing)

    def _check(self) -> None:
        if self._stop:
            raise Stopped

    def _run(self, number: int, shown: Shown) -> tuple[State, str, float]:
        with self._changed:
            line, told = self._line, self._note
            self._note = ""
            self._shown = shown
            cell = self.book.at(number)._replace(
                state="running", started=files.now(), kernel=self.book.generation, outputs=()
            )
            self.book.put(cell._replace(note=""))
            self._began = time.monotonic()
            limit = min(
                self._limits.get(number) or self.workspace.cell_seconds, self.workspace.cell_seconds, self._left()
            )
            self.book.save()
            self._changed.notify_all()
        assert line is not None

        def take(message: Message) -> None:
            with self._changed:
                shown.take(message.kind, message.content)

        ended = Running(line, limit, lambda: bool(self._stop), take).to_its_end(cell.code)
        seconds = time.monotonic() - self._began
        if not ended.kernel:
            self._end_kernel()
        return ended.state, " ".join(part for part in (told, ended.note) if part), seconds

    def _end_kernel(self) -> None:
        with self._changed:
            line, self._line = self._line, None
        if line is not None:
            line.close()


class Stopped(UserError):
    """Somebody ended a cell before its kernel ran it."""

    def __init__(self) -> None:
        super().__init__("It was ended before it began.")
