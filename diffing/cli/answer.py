"""The command that answers what changed, in a sentence and a list."""

from typing import Annotated

import typer

from diffing.cli.diff import current
from diffing.cli.options import After, AsJson, Before, Name
from diffing.cli.terminal import say, show, tell
from diffing.common import words
from diffing.diff import answer, summary
from diffing.diff.answer import Behaviour
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
        tell(summary.plain(answer.whole(stored)))
        return
    say(f"A is {study.checkpoint(stored.a).name}, B is {study.checkpoint(stored.b).name}.")
    say(answer.sentence(stored))
    found = answer.behaviours(stored)
    named = [each for each in found if each.by != "feature"]
    show([_row(each) for each in (found if every else named)])
    left = 0 if every else len(found) - len(named)
    say("Shares of held-out answers; of words their mean. q is of an exact test on held-out prompts, corrected.")
    if left:
        say(f"{words.count(left, 'more is told', 'more are told')} of by features alone: --all lists them too.")


def _row(each: Behaviour) -> dict[str, str]:
    change = words.change if each.kind == "amount" else words.points
    return {
        "more on": each.direction,
        "what": each.name,
        "A → B": each.figures,
        "B-A": f"{change(each.delta)} [{change(each.ci_low)}, {change(each.ci_high)}]",
        "q": "–" if each.q != each.q else f"{each.q:.1e}",
        "confirmed": each.confirmed,
        "at equal length": "–" if each.survives_length is None else words.yes(each.survives_length),
    }
