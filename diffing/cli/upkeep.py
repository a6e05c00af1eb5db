"""Commands that rename, copy, delete and bring back whole studies."""

from typing import Annotated

import typer

from diffing.cli.options import Name
from diffing.cli.terminal import say

app = typer.Typer(
    no_args_is_help=True,
    help="Rename, copy, delete or bring back a whole study. Example: `python -m diffing study rename mini mini-2`",
)

NewName = Annotated[str, typer.Argument(help="Name that no study has yet.", metavar="NEW")]


@app.command()
def rename(name: Name, new: NewName) -> None:
    """Give a study another name.

    Example: `python -m diffing study rename mini mini-2`
    """
    from diffing.study import upkeep

    upkeep.rename(name, new)
    say(f"Study '{name}' is '{new}' now.")


@app.command()
def duplicate(name: Name, new: NewName) -> None:
    """Copy a study, without its jobs.

    Example: `python -m diffing study duplicate mini mini-2`
    """
    from diffing.study import upkeep

    upkeep.duplicate(name, new)
    say(f"Study '{new}' is a copy of '{name}'.")


@app.command()
def delete(name: Name) -> None:
    """Move a study to the trash, from where it can be brought back.

    Example: `python -m diffing study delete mini`
    """
    from diffing.study import upkeep

    gone = upkeep.delete(name)
    say(f"Study '{name}' is deleted; `python -m diffing study restore {name}` brings it back.")
    say(f"Until then it takes its space in {gone.folder}.")


@app.command()
def restore(
    name: Annotated[
        str, typer.Argument(help="Name of a deleted study; without one, list them.", metavar="STUDY")
    ] = "",
    new: Annotated[str, typer.Option("--as", help="Another name, where its own is taken.", metavar="NEW")] = "",
) -> None:
    """Bring back the study of a name that was deleted last.

    Example: `python -m diffing study restore mini`
    """
    from diffing.common import words
    from diffing.study import upkeep

    if not name:
        gone = upkeep.deleted()
        for each in gone:
            say(f"{each.name}, deleted {words.moment(each.when)}")
        if not gone:
            say("No study was deleted.")
        return
    back = upkeep.restore(upkeep.latest(name), new)
    say(f"Study '{back.name}' is back.")
