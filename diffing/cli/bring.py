"""The command that brings answers which exist: tables and other tools' logs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from diffing.cli.options import AsJson, Channels, Columns, Name
from diffing.cli.study import status_command
from diffing.cli.terminal import busy, pairs, say, show, tell

if TYPE_CHECKING:
    from diffing.study.imports import Answers

Formats = Literal["", "inspect", "lm-eval", "promptfoo", "openai-batch", "transcripts", "table"]

app = typer.Typer()

SHOWN = 200
"""Characters of a text of the first answer that a dry run shows."""


@app.command("import")
def import_command(
    name: Name,
    given: Annotated[
        list[Path],
        typer.Argument(
            help="Tables (CSV, JSONL, JSON, Parquet), logs of Inspect, lm-eval, promptfoo or OpenAI batches, "
            "transcripts, a data set's folder or hf:OWNER/NAME; also .gz and .xz.",
            metavar="FILE",
        ),
    ],
    columns: Columns = None,
    match: Annotated[
        list[str] | None, typer.Option(help="Which checkpoint a name in the files is.", metavar="NAME=KEY")
    ] = None,
    add_checkpoints: Annotated[bool, typer.Option(help="Add the files' checkpoints to the study.")] = False,
    kind: Annotated[Formats, typer.Option("--from", help="What the files are; else seen by itself.")] = "",
    called: Annotated[
        list[str] | None,
        typer.Option("--as", help="The checkpoint of all files, or once for each file.", metavar="NAME"),
    ] = None,
    channel: Annotated[Channels, typer.Option(help="What of an answer becomes its text here.")] = "text",
    measure: Annotated[
        list[str] | None, typer.Option(help="A table's column of scores.", metavar="COLUMN")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would come in; change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring answers collected elsewhere; makes the study where there is none.

    Example: `python -m diffing import flash before.eval after.eval`, or
    `python -m diffing import flash answers.jsonl.xz --column response=output`
    """
    from diffing import status as statuses
    from diffing.study import imports, preview

    how = imports.How(pairs(columns), kind, called or (), channel, measure or ())
    with busy(f"Taking in {given[0].name}"):
        answers = imports.load_all(given, how)
        if dry_run:
            # With the same checks: what the import would refuse is refused here, in the same words.
            both = preview.paired(name, imports.planned(name, answers, pairs(match), add_checkpoints))
        else:
            target = imports.into(name, answers, pairs(match), add_checkpoints)
    if dry_run:
        _show(answers, both, as_json)
        return
    told = f"Imported {len(answers.responses):,} answers to {len(answers.prompts):,} prompts into '{name}'."
    if len(answers.measures):
        told += f" {len(answers.measures):,} scores came with them."
    lost = preview.left_out(answers)
    # Before the study is read again: a million answers need not stand in memory twice.
    del answers
    if as_json:
        tell(statuses.of(target))
        return
    say(told)
    if lost:
        say(lost)
    status_command(name)


def _show(answers: "Answers", both: list[str], as_json: bool) -> None:
    """What would come in, a row a checkpoint, and the first answer."""
    from diffing.study import preview

    rows, first = preview.summary(answers), preview.first(answers)
    if as_json:
        told = {"files": answers.formats, "checkpoints": rows, "first": first, "left_out": answers.left_out}
        tell(told | {"pairs": both})
        return
    show([{"file": file, "read as": kind} for file, kind in answers.formats.items()])
    show(
        [
            {name: ", ".join(value) if isinstance(value, list) else value for name, value in row.items()}
            for row in rows
        ]
    )
    show([{"of the first answer": name, "": value[:SHOWN]} for name, value in first.items() if value])
    if lost := preview.left_out(answers):
        say(lost)
    for line in both:
        say(line)
    say("Nothing was changed: this was a dry run.")
