"""The command that answers what changed, in a sentence and a list."""

from typing import Annotated

import typer

from diffing.cli import glance
from diffing.cli.diff import current
from diffing.cli.options import After, AsJson, Before, Channel, Name
from diffing.cli.terminal import tell

app = typer.Typer()


@app.command("answer")
def answer_command(
    name: Name,
    a: Before = "",
    b: After = "",
    channel: Channel = "text",
    every: Annotated[
        bool, typer.Option("--all", help="With what only features tell of, and all figures.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what changed, in a sentence and a list.

    Example: `python -m diffing answer sample`
    """
    from diffing.diff import summary
    from diffing.labels import called
    from diffing.study.study import Study

    study = Study.open(name).through(channel)
    stored = current(study, *study.sides(a, b))
    if as_json:
        tell(summary.plain(called.whole(study, stored)))
        return
    glance.answer(study, stored, every)
