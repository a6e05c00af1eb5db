"""What the commands share: options, the console, tables, and a job's progress bar.

Promises that outside text is printed as it is, never as markup, with whatever a terminal would obey shown as a
symbol; and that `--json` output is JSON alone, in which such characters are escaped.
"""

import json
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from diffing.common.errors import UserError

if TYPE_CHECKING:
    from diffing.common.step import Result
    from diffing.jobs.job import JobStatus
    from diffing.jobs.machines.alone import Alone
    from diffing.jobs.run import Told
    from diffing.study.study import Study

console = Console()
errors = Console(stderr=True)
CANCELLED = 130
"""Exit code of a run that was asked to stop, as shells give it for Ctrl-C."""
UNFOLDED = 1000
"""Columns of a table that goes to a file or a pipe, where nothing is to be cut."""
NARROWEST = 14
"""Letters to which a column is narrowed: two words, below which lines can hardly be read."""
NOTICED = 2.0
"""Seconds after which people wonder whether anything goes on."""
EVERY = 10.0
"""Seconds between two lines in a log, and three times as many once it has taken longer than `SOON`: often enough
for who looks, few enough in an hour."""
SOON = 60.0


def say(text: str = "") -> None:
    """A line for a person."""
    from diffing.common.escape import visible

    console.print(visible(text), markup=False, emoji=False, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """The same where errors go."""
    from diffing.common.escape import visible

    errors.print(visible(text), markup=False, emoji=False, highlight=False, soft_wrap=True)


def tell(value: Any) -> None:
    """A value for another program."""
    from diffing.common.escape import json_text

    console.file.write(json_text(json.dumps(value, indent=1, ensure_ascii=False, default=str)) + "\n")


def paragraph(text: str) -> None:
    """The same broken between words where a terminal ends; what goes to a file stays one line."""
    from diffing.common.escape import visible

    console.print(visible(text), markup=False, emoji=False, highlight=False, soft_wrap=not console.is_terminal)


def show(rows: Sequence[Mapping[str, Any]], title: str = "") -> None:
    """Rows as a table, columns in the first row's order; where they are too wide, one under the other."""
    from diffing.common.escape import visible

    if not rows:
        return
    cells = [[visible(str(name)) for name in rows[0]]]
    cells += [[visible(str(value)) for value in row.values()] for row in rows]
    wide = console.width if console.is_terminal else UNFOLDED
    widths = _widths(cells, wide)
    if widths is None:
        _stack(cells, title)
        return
    table = Table(title=Text(visible(title)) if title else None, title_justify="left")
    for name, width in zip(cells[0], widths, strict=True):
        # Folded, as the usual way cuts a word that is longer than its column.
        table.add_column(Text(name), width=width, overflow="fold")
    for row in cells[1:]:
        table.add_row(*map(Text, row))
    (console if console.is_terminal else Console(width=UNFOLDED)).print(table)


def _widths(cells: Sequence[Sequence[str]], wide: int) -> list[int] | None:
    """How wide each column is, the widest ones narrowed until all have room; None where they never have."""
    widths = [
        max(cell_len(line) for cell in column for line in cell.split("\n")) for column in zip(*cells, strict=True)
    ]
    # A bar beside each column and one more, and a space on both sides.
    room = wide - 3 * len(widths) - 1
    while sum(widths) > room:
        widest = max(range(len(widths)), key=lambda place: widths[place])
        if widths[widest] <= NARROWEST:
            return None
        widths[widest] -= 1
    return widths


def _stack(cells: Sequence[Sequence[str]], title: str) -> None:
    """Rows one under the other: the first columns as a head, the others named below it."""
    if title:
        paragraph(title)
    heads = cells[0]
    for row in cells[1:]:
        say("  ".join(row[:2]))
        rest = [f"{head} {value}" for head, value in zip(heads[2:], row[2:], strict=True) if value]
        for line in textwrap.wrap(" · ".join(rest), max(console.width - 4, NARROWEST)):
            say(f"    {line}")


@contextmanager
def now_and_then(line: Callable[[], str], first: float = EVERY) -> Iterator[None]:
    """Where errors go to a file or a pipe, say how far it is now and then: silence looks like a fault there."""
    if errors.is_terminal:
        yield
        return
    over = threading.Event()

    def tell_on() -> None:
        begun, wait = time.monotonic(), first
        while not over.wait(wait):
            warn(line())
            wait = EVERY if time.monotonic() - begun < SOON else 3 * EVERY

    thread = threading.Thread(target=tell_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def busy(what: str) -> Iterator[None]:
    """A block that may take more than two seconds: a sign that turns, or a line after these two."""
    begun = time.monotonic()

    def line() -> str:
        return f"{what}, {time.monotonic() - begun:.0f} s so far …"

    with (
        now_and_then(line, first=NOTICED),
        errors.status(Text(f"{what} …")) if errors.is_terminal else nullcontext(),
    ):
        yield


def do(study: "Study", kind: str, options: "Told", detach: bool, as_json: bool) -> "JobStatus | None":
    """Run a step in the foreground with a progress bar, or start it detached and say where to look."""
    from diffing import jobs

    if detach:
        job = jobs.start(study, kind, options)
        if as_json:
            tell(job.status().model_dump())
        else:
            say(f"Started {kind} as job {job.id}; 'python -m diffing jobs {study.name}' shows how it goes.")
        return None
    with bar(study, kind) as watch:
        status = jobs.run_here(study, kind, options, watch, warn)
    if status.state == "failed":
        raise UserError(status.error)
    if as_json:
        tell(status.model_dump())
    if status.state == "cancelled":
        warn(f"Cancelled at {status.in_words()}; what came in is stored, and the same command goes on from there.")
        raise typer.Exit(CANCELLED)
    return status


@contextmanager
def bar(study: "Study", kind: str) -> Iterator[Callable[["JobStatus"], None]]:
    """A progress bar for the block, to be told how far it is; lines now and then where it goes to a file."""
    from diffing.common.escape import visible

    if not errors.is_terminal:
        # A bar would show nothing in a log, and silence looks like a fault.
        warn(f"{kind} of '{study.name}' …")
    columns = (
        *(SpinnerColumn(), TextColumn("{task.description}"), BarColumn()),
        *(TextColumn("{task.fields[words]}", markup=False), TimeElapsedColumn()),
    )
    last = ["starting"]
    with (
        Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as shown,
        now_and_then(lambda: f"{kind}: {last[-1]}"),
    ):
        task = shown.add_task(kind, total=None, words="")

        def watch(status: "JobStatus") -> None:
            told = status.in_words() if status.total else "at it"
            last[:] = [told]
            shown.update(task, completed=status.done, total=status.total or None, words=visible(told))

        yield watch


def alone(study: "Study", kind: str, work: "Callable[[Alone], Result]") -> "Result":
    """Run a part of a step beside other machines, outside the study's jobs, with the same bar."""
    from diffing.common.errors import Cancelled
    from diffing.jobs.machines.alone import Alone

    with bar(study, kind) as watch:
        progress = Alone(study.name, kind, watch, warn)
        try:
            with progress.heeding():
                return work(progress)
        except Cancelled:
            warn("Stopped; what was done is put away, and the same command goes on from there.")
            raise typer.Exit(CANCELLED) from None


def pairs(values: list[str] | None) -> dict[str, str]:
    """`OURS=THEIRS` options as a dictionary."""
    for value in values or []:
        if "=" not in value:
            raise UserError(f"'{value}' is no pair; write it as OURS=THEIRS.")
    return dict(value.split("=", 1) for value in values or [])
