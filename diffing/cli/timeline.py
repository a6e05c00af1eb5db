"""The command that follows three or more checkpoints in order."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diffing.cli.options import AsJson, Checkpoints, Name
from diffing.cli.terminal import busy, paragraph, say, show, tell
from diffing.common.paths import expanded

if TYPE_CHECKING:
    from diffing.diff.along import Series
    from diffing.study.study import Study

app = typer.Typer()
ROWS = 20
"""Rows of the list before all are asked for: a screen."""


@app.command("timeline")
def timeline_command(
    name: Name,
    checkpoints: Checkpoints = "",
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
    from diffing.common.words import between_commas, count
    from diffing.diff import told
    from diffing.study import plain
    from diffing.study.study import Study

    study = Study.open(name)
    keys = between_commas(checkpoints)
    with busy("Counting answers"):
        found, said = _told(study, keys, apart)
    if csv is not None:
        outfile.write_csv(expanded(csv), found.table())
        if csv == outfile.STDOUT:
            return
    if as_json:
        tell(told.plain(found, said))
        return
    paragraph(said)
    more = f"; {count(found.left_out, 'other was', 'others were')} not" if found.left_out else ""
    paragraph(f"{count(found.prompts, 'prompt')} answered by all of {', '.join(found.keys)}{more}.")
    for line in (told.caution(found), plain.series_note(study, found.keys), *found.faults):
        if line:
            paragraph(line)
    items = found.items if every else told.notable(found).head(ROWS)
    show([_shown(found, row) for _, row in items.iterrows()])
    if len(items) < len(found.items):
        say(f"{len(items)} of {count(len(found.items), 'thing')} that were followed; --all lists them all.")


def _told(study: "Study", keys: list[str], apart: bool) -> "tuple[Series, str]":
    """What came of the checkpoints, in order or as a set, and the sentence that says it."""
    from diffing.diff import outlier, timeline, told

    if apart:
        standing = outlier.of(study, keys)
        return standing, outlier.said(standing).whole
    found = timeline.of(study, keys)
    return found, told.said(found).whole


def _shown(found: "Series", row: Any) -> dict[str, object]:
    """A row of the list: every checkpoint's figure, and where it changed or which one stands apart."""
    from diffing.common.words import small
    from diffing.diff import told

    points = found.points_of(row["kind"], row["item"])
    values = {name: told.figure(row["unit"], each) for name, each in zip(found.keys, points["value"], strict=True)}
    place = {"apart": row["one"]} if "one" in row else {"where": told.where(found, row, found.keys)}
    more = {"at equal length": told.at_equal_length(row), "q": small(row["q"])}
    return {"": row["says"]} | values | place | more
