"""What the commands share: options, the console, tables, and a job's progress bar.

Promises that outside text is printed as it is, never as markup, and that `--json` output is JSON alone.
"""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from diffing import jobs
from diffing.common.errors import UserError
from diffing.jobs.job import JobStatus
from diffing.jobs.run import Told
from diffing.study.study import Study

console = Console()
errors = Console(stderr=True)
UNFOLDED = 1000
"""Columns of a table that goes to a file or a pipe, where nothing is to be cut."""

Name = Annotated[str, typer.Argument(help="Name of the study.", metavar="STUDY")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for another program.")]
Before = Annotated[
    str, typer.Option("--a", help="Checkpoint before; the study's first unless named.", metavar="KEY")
]
After = Annotated[
    str, typer.Option("--b", help="Checkpoint after; the study's second unless named.", metavar="KEY")
]
KeyEnv = Annotated[str, typer.Option(help="Variable that holds the key of a model written as URL#MODEL.")]
MaxDollars = Annotated[float | None, typer.Option(help="Stop before this much is spent.", min=0)]
MaxRequests = Annotated[int | None, typer.Option(help="Stop after this many requests.", min=0)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say calls, tokens and dollars; spend nothing.")]
Detach = Annotated[bool, typer.Option("--detach", help="Run as a job of its own and return at once.")]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", help="Which of the file's columns is ours, as OURS=THEIRS.", metavar="OURS=THEIRS"),
]


def say(text: str = "") -> None:
    """A line for a person."""
    console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """The same where errors go."""
    errors.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)


def tell(value: Any) -> None:
    """A value for another program."""
    console.file.write(json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n")


def show(rows: list[dict[str, Any]], title: str = "") -> None:
    """Rows as a table, columns in the first row's order."""
    if not rows:
        return
    table = Table(title=Text(title) if title else None, title_justify="left")
    for name in rows[0]:
        table.add_column(Text(str(name)))
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row.values()))
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
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}", markup=False),
        console=errors, transient=True, disable=not errors.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task(kind, total=None, words="")

        def watch(status: JobStatus) -> None:
            bar.update(task, completed=status.done, total=status.total or None, words=status.in_words())

        status = jobs.run_here(study, kind, options, watch)
    if status.state == "failed":
        raise UserError(status.error)
    if as_json:
        tell(status.model_dump())
    return status


def pairs(values: list[str] | None) -> dict[str, str]:
    """`OURS=THEIRS` options as a dictionary."""
    for value in values or []:
        if "=" not in value:
            raise UserError(f"'{value}' is no pair; write it as OURS=THEIRS.")
    return dict(value.split("=", 1) for value in values or [])
