"""The command that looks after damaged files: what is damaged in a study, what was saved, what is lost."""

import typer

from diffing.cli.options import AsJson, Name
from diffing.cli.terminal import say, tell
from diffing.findings import asking
from diffing.findings.findings import Change
from diffing.findings.people import Verdict
from diffing.findings.votes import Vote
from diffing.labels import history
from diffing.probes import own_probes
from diffing.study import repair

app = typer.Typer()

CHECKS: dict[str, repair.Check] = {
    "labels.jsonl": history.line_of,
    "findings.jsonl": Change.model_validate,
    "people.jsonl": Verdict.model_validate,
    "votes.jsonl": Vote.model_validate,
    "own_probes.jsonl": own_probes.Change.model_validate,
    "own_answers.jsonl": asking.Said.model_validate,
}
"""What a line of these files must hold."""


@app.command("repair")
def repair_command(name: Name, as_json: AsJson = False) -> None:
    """Set a study's damaged files aside and save what can be read of them. Deletes nothing.

    Example: `python -m diffing repair flash`
    """
    found = repair.repair(name, CHECKS)
    if as_json:
        tell([one._asdict() for one in found])
        return
    for one in found:
        say(one.in_words() + ".")
    if not found:
        say(f"All files of study '{name}' can be read; nothing was changed.")
