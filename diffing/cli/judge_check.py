"""The command by which a person judges some pairs too, so that net shares are corrected for the judge's error."""

import getpass
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from diffing.cli import options
from diffing.cli.options import After, AsJson, Before, Name
from diffing.cli.terminal import say, tell

app = typer.Typer()


@app.command("judge-check")
def judge_check(
    name: Name,
    a: Before = "",
    b: After = "",
    number: Annotated[
        int, typer.Option(help="Pairs that you judge.", min=options.LEAST_JUDGED, max=options.MOST_JUDGED)
    ] = options.USUALLY_JUDGED,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write the pairs here, to fill in `said`.", metavar="F")
    ] = None,
    take: Annotated[Path | None, typer.Option("--import", help="Take a filled table in.", metavar="F")] = None,
    author: Annotated[str, typer.Option(help="Whose verdicts they are; your user name unless named.")] = "",
    as_json: AsJson = False,
) -> None:
    """Measure the judge's error by verdicts of your own on pairs shown without names, and correct net shares.

    Write a table, fill in its last column with left, right, both, neither or skip, and take it in again.

    Example: `python -m diffing judge-check flash --csv pairs.csv`
    """
    from diffing.common import outfile, tables
    from diffing.diff import summary
    from diffing.findings import correction, evidence, people, verification
    from diffing.study.study import Study

    study, who = Study.open(name), author or getpass.getuser()
    a, b = study.sides(a, b)
    asked = people.questions(study, a, b, number)
    taken = 0
    if take is not None:
        # However many were asked for when it was written.
        taken = people.take(study, people.questions(study, a, b, people.MOST), tables.read(take), who)
    done = people.latest(people.read(study), who)
    if csv is not None:
        outfile.write_csv(csv, people.table(asked, done))
    checked = verification.read(study, a, b)
    stands = [stand for stand in evidence.of(study, a, b) if stand.check is not None]
    answered = sum(question.id in done for question in asked)
    if as_json:
        facts: dict[str, Any] = {"asked": len(asked), "answered": answered, "taken": taken, "judge": checked.judge}
        facts["verdicts"] = dict(Counter(verdict.author for verdict in people.read(study)))
        facts["error"] = None if checked.error is None else checked.error.told()
        facts["net"] = {
            stand.finding.id: {
                "judge": stand.check.net,
                "corrected": asdict(stand.check.corrected) if stand.check.corrected else None,
            }
            for stand in stands
            if stand.check is not None
        }
        tell(summary.plain(facts))
        return
    if csv == outfile.STDOUT:
        return
    if take is not None:
        say(f"{taken} new verdicts taken in from {take.name}.")
    say(f"{who} has judged {answered} of {len(asked)} pairs." + (f" They stand in {csv}." if csv else ""))
    say(correction.error_words(checked.error))
    for stand in stands:
        if stand.check is not None and stand.check.prompts:
            say(f"{stand.finding.id}  net share {stand.check.net:+.0%}, {correction.words(stand.check.corrected)}")
            say(f"    {stand.finding.claim}")
