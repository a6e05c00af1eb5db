"""The command that answers what changed, in a sentence and a list."""

from typing import Annotated

import typer

from diffing.cli.diff import current
from diffing.cli.options import After, AsJson, Before, Name
from diffing.cli.terminal import say, show, tell
from diffing.common import words
from diffing.diff import agreement, answer, summary
from diffing.diff.answer import Behaviour
from diffing.labels import called
from diffing.study.study import Study

app = typer.Typer()


@app.command("answer")
def answer_command(
    name: Name,
    a: Before = "",
    b: After = "",
    every: Annotated[bool, typer.Option("--all", help="With what only features tell of.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what changed, in a sentence and a list.

    Example: `python -m diffing answer sample`
    """
    study = Study.open(name)
    stored = current(study, *study.sides(a, b))
    if as_json:
        tell(summary.plain(called.whole(study, stored)))
        return
    say(f"A is {study.checkpoint(stored.a).name}, B is {study.checkpoint(stored.b).name}.")
    say(answer.sentence(stored))
    found = called.behaviours(study, stored)
    others = agreement.beside(study, stored)
    # What a model or a person has named is worth a look too.
    named = [each for each in found if each.said]
    readers = [agreement.name(each) for each in (stored, *others)] if others else []
    show([_row(each) | _seen(each, readers) for each in (found if every else named)])
    left = 0 if every else len(found) - len(named)
    say("Shares of held-out answers; of words their mean. q is of an exact test on held-out prompts, corrected.")
    if others:
        say(
            f"Read by {' and '.join(readers)}. A reader sees what moves features of its own on the same pairs of "
            "answers; “–” is what is counted in the text alone."
        )
    if left:
        say(f"{words.count(left, 'more is told', 'more are told')} of by features alone: --all lists them too.")


def _seen(each: Behaviour, readers: list[str]) -> dict[str, str]:
    """Which readers' features see it, where there are several."""
    if not readers:
        return {}
    column = "both readers" if len(readers) == 2 else "readers"
    whose = "yes" if len(each.readers) == len(readers) else ", ".join(each.readers) or "–"
    return {column: whose}


def _row(each: Behaviour) -> dict[str, str]:
    return {
        "more on": each.direction,
        "what": each.rest if each.author else each.name,
        "A → B": each.figures,
        "B-A": each.told,
        "q": "–" if each.q != each.q else f"{each.q:.1e}",
        "confirmed": each.confirmed,
        "at equal length": "–" if each.survives_length is None else words.yes(each.survives_length),
    }
