"""What the commands share: options, the console, tables, and a job's progress bar.

Promises that outside text is printed as it is, never as markup, with whatever a terminal would obey shown as a
symbol; and that `--json` output is JSON alone, in which such characters are escaped.
"""

import json
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from diffing import jobs
from diffing.common.errors import UserError
from diffing.common.escape import json_text, visible
from diffing.jobs.job import JobStatus
from diffing.jobs.run import Told
from diffing.study.study import Study

console = Console()
errors = Console(stderr=True)
CANCELLED = 130
"""Exit code of a run that was asked to stop, as shells give it for Ctrl-C."""
UNFOLDED = 1000
"""Columns of a table that goes to a file or a pipe, where nothing is to be cut."""


def say(text: str = "") -> None:
    """A line for a person."""
    console.print(visible(text), markup=False, emoji=False, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """The same where errors go."""
    errors.print(visible(text), markup=False, emoji=False, highlight=False, soft_wrap=True)


def tell(value: Any) -> None:
    """A value for another program."""
    console.file.write(json_text(json.dumps(value, indent=1, ensure_ascii=False, default=str)) + "\n")


def show(rows: list[dict[str, Any]], title: str = "") -> None:
    """Rows as a table, columns in the first row's order."""
    if not rows:
        return
    table = Table(title=Text(visible(title)) if title else None, title_justify="left")
    for name in rows[0]:
        table.add_column(Text(visible(str(name))))
    for row in rows:
        table.add_row(*(Text(visible(str(value))) for value in row.values()))
    (console if console.is_terminal else Console(width=UNFOLDED)).print(table)


def do(study: Study, kind: str, options: Told, detach: bool, as_json: bool) -> JobStatus | None:
    """Run a step in the foreground with a progress bar, or start it detached and say where to look."""
    if detach:
        job = jobs.start(study, kind, options)
        if as_json:
            tell(job.status().model_dump())
        else:
            say(f"Started {kind} as job {job.id}; 'python -m diffing jobs {study.name}' shows how it goes.")
        return None
    if not errors.is_terminal:
        # A bar would show nothing in a log, and silence looks like a fault.
        warn(f"{kind} of '{study.name}' …")
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}", markup=False)
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task(kind, total=None, words="")

        def watch(status: JobStatus) -> None:
            bar.update(task, completed=status.done, total=status.total or None, words=visible(status.in_words()))

        status = jobs.run_here(study, kind, options, watch, warn)
    if status.state == "failed":
        raise UserError(status.error)
    if as_json:
        tell(status.model_dump())
    if status.state == "cancelled":
        warn(f"Cancelled at {status.in_words()}; what came in is stored, and the same command goes on from there.")
        raise typer.Exit(CANCELLED)
    return status


def pairs(values: list[str] | None) -> dict[str, str]:
    """`OURS=THEIRS` options as a dictionary."""
    for value in values or []:
        if "=" not in value:
            raise UserError(f"'{value}' is no pair; write it as OURS=THEIRS.")
    return dict(value.split("=", 1) for value in values or [])
