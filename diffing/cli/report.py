"""The command that writes a report: everything about one comparison in a folder and in one zip."""

from pathlib import Path
from typing import Annotated

import typer

from diffing.cli.options import After, AsJson, Before, Checkpoints, Detach, Name
from diffing.cli.terminal import do, say
from diffing.common.paths import expanded

app = typer.Typer()


@app.command()
def report(
    name: Name,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write; one in the study unless named.", metavar="DIR")
    ] = None,
    a: Before = "",
    b: After = "",
    in_series: Annotated[
        bool, typer.Option("--series", help="Of all checkpoints in order, and not of two.")
    ] = False,
    checkpoints: Checkpoints = "",
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Write the report: HTML, Markdown, one page to share, notebook, tables, charts, encodings; in one zip too.

    Example: `python -m diffing report sample --out sample-report`
    """
    from diffing.common import words
    from diffing.study.study import Study

    # A detached worker runs in another folder.
    folder = str(expanded(out).resolve()) if out is not None else ""
    options = {"out": folder, "a": a, "b": b, "series": in_series, "checkpoints": checkpoints}
    status = do(Study.open(name), "report", options, detach, as_json)
    if status is None or as_json or status.result is None:
        return
    told = status.result
    say(f"{status.state}: {told['out']}, and all of it in {told['zip']} ({words.duration(status.seconds)}).")
    if "changed" in told:
        say("report.html is the whole of it, one-page.html and one-page.png one page to share.")
        say("timeline.csv has every figure.")
        say(f"{words.count(told['changed'], 'thing')} changed along the series.")
        return
    say("report.html is the whole of it, one-page.html and one-page.png one page to share.")
    say(
        f"{told['findings']} findings put forward, {told['supported']} of them supported; "
        f"{told['blocked']} blocked, {told['rejected']} rejected."
    )
