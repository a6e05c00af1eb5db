"""The command that says what people preferred who voted blind on the page Compare."""

from pathlib import Path
from typing import Annotated

import typer

from diffing.cli.options import After, AsJson, Before, Name
from diffing.cli.terminal import say, show, tell
from diffing.common.paths import expanded

app = typer.Typer()


@app.command("votes")
def votes_command(
    name: Name,
    a: Before = "",
    b: After = "",
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write every vote that counts here; - prints them.", metavar="F")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What people said who voted blind: by question, voter and category, with exact tests, and how far they agree.

    Votes are cast in the dashboard, on the page Compare.

    Example: `python -m diffing votes flash --csv votes.csv`
    """
    from diffing.common import outfile
    from diffing.findings import tally, votes
    from diffing.study.study import Study

    study = Study.open(name)
    table = votes.table(study, *study.sides(a, b))
    if csv is not None:
        outfile.write_csv(expanded(csv), table)
        if csv == outfile.STDOUT:
            return
    told = tally.counted(table)
    if as_json:
        tell(tally.plain(told))
        return
    if not told.rows:
        say(f"Nobody has voted on '{name}' yet; the page Compare has a view for it.")
    for row in told.rows:
        if row.group == "all":
            say(row.words)
            say(f"    {tally.sentence(row)}")
    show([tally.shown(row) for row in told.rows if row.group != "all"])
    for each in told.agreement:
        say(f"{each.words} {tally.agreement_words(each)}")
    if told.decided >= tally.LEAST:
        say(f"The answer on the left was chosen in {told.left_chosen} of {told.decided} votes for either.")
