"""The command that looks after damaged files: what is damaged in a study, what was saved, what is lost."""

import typer

from diffing.cli.options import AsJson, Name
from diffing.cli.terminal import say, tell

app = typer.Typer()


@app.command("repair")
def repair_command(name: Name, as_json: AsJson = False) -> None:
    """Set a study's damaged files aside and save what can be read of them. Deletes nothing.

    Example: `python -m diffing repair flash`
    """
    from diffing.cli.checks import CHECKS
    from diffing.study import repair

    found = repair.repair(name, CHECKS)
    if as_json:
        tell([one._asdict() for one in found])
        return
    for one in found:
        say(one.in_words() + ".")
    if not found:
        say(f"All files of study '{name}' can be read; nothing was changed.")
