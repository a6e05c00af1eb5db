"""The command that follows three or more checkpoints in order."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diffing.cli.options import AsJson, Name
from diffing.cli.terminal import busy, paragraph, say, show, tell

if TYPE_CHECKING:
    from diffing.diff.timeline import Timeline
    from diffing.study.study import Study

app = typer.Typer()
ROWS = 20
"""Rows of the list before all are asked for: a screen."""


@app.command("timeline")
def timeline_command(
    name: Name,
    checkpoints: Annotated[
        str,
        typer.Option(help="Three or more in order; all of the study's unless named.", metavar="KEY,KEY,KEY"),
    ] = "",
    every: Annotated[bool, typer.Option("--all", help="Everything that was followed, changed or not.")] = False,
    apart: Annotated[
        bool, typer.Option("--set", help="The order means nothing: which one stands apart from the others.")
    ] = False,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write the whole table here; - prints it.", metavar="F")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Follow three or more checkpoints in order: what changed, and between which two.

    Counts probes, phrases and measures in the answers; nothing has to be encoded.

    Example: `python -m diffing timeline flash --checkpoints v1,v2,v3`
    """
    from diffing.common import outfile
    from diffing.common.words import count
    from diffing.diff import timeline, told
    from diffing.study.study import Study

    study = Study.open(name)
    keys = [key.strip() for key in checkpoints.split(",") if key.strip()]
    if apart:
        _apart(study, keys, every, csv, as_json)
        return
    with busy("Counting answers"):
        found = timeline.of(study, keys)
    if csv is not None:
        outfile.write_csv(csv.expanduser(), found.table())
        if csv == outfile.STDOUT:
            return
    if as_json:
        tell(told.plain(found))
        return
    paragraph(told.sentence(found))
    more = f"; {count(found.left_out, 'other was', 'others were')} not" if found.left_out else ""
    paragraph(f"{count(found.prompts, 'prompt')} answered by all of {', '.join(found.keys)}{more}.")
    for line in (told.caution(found), *found.faults):
        if line:
            paragraph(line)
    items = found.items if every else told.notable(found).head(ROWS)
    show([_shown(found, row) for _, row in items.iterrows()])
    if len(items) < len(found.items):
        say(f"{len(items)} of {count(len(found.items), 'thing')} that were followed; --all lists them all.")


def _apart(study: "Study", keys: list[str], every: bool, csv: Path | None, as_json: bool) -> None:
    from diffing.common import outfile
    from diffing.common.words import count, small
    from diffing.diff import outlier, summary, told

    with busy("Counting answers"):
        table = outlier.of(study, keys)
    if csv is not None:
        outfile.write_csv(csv.expanduser(), table)
        if csv == outfile.STDOUT:
            return
    if as_json:
        tell(summary.plain(table.to_dict("records")))
        return
    differ = table[table["changed"]]
    if differ.empty:
        say("No checkpoint was confirmed to stand apart from the others; that does not prove that none does.")
    rows = table if every else differ.head(ROWS)
    show(
        [
            {
                "": row["says"],
                "one": row["one"],
                "has": told.figure(row["unit"], row["value"]),
                "others": told.figure(row["unit"], row["others"]),
                "q": small(row["q"]),
            }
            for _, row in rows.iterrows()
        ]
    )
    if len(rows) < len(table):
        say(f"{len(rows)} of {count(len(table), 'thing')} that were followed; --all lists them all.")


def _shown(found: "Timeline", row: Any) -> dict[str, object]:
    from diffing.common.words import small
    from diffing.diff import told

    points = found.points_of(row["kind"], row["item"])
    values = {name: told.figure(row["unit"], each) for name, each in zip(found.keys, points["value"], strict=True)}
    return {
        **{"": row["says"]},
        **values,
        "where": told.where(found, row, found.keys),
        "at equal length": told.at_equal_length(row),
        "q": small(row["q"]),
    }
