"""The command that finds answers by a property, hears what people say to them, and keeps it as a probe."""

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from diffing.cli.options import AsJson, Name
from diffing.cli.terminal import busy, paragraph, say, show, tell

if TYPE_CHECKING:
    from diffing.concepts.search import Found

app = typer.Typer()


@app.command()
def search(
    name: Name,
    sentence: Annotated[str, typer.Argument(help="What answers do, in a few words.")],
    by: Annotated[
        Literal["labels", "embedding", "examples"], typer.Option(help="How features are chosen for it.")
    ] = "labels",
    top: Annotated[int, typer.Option(help="Answers shown.", min=1)] = 10,
    yes: Annotated[
        list[str] | None, typer.Option(help="An answer that has it, kept with the study.", metavar="ANSWER")
    ] = None,
    no: Annotated[list[str] | None, typer.Option(help="One that does not.", metavar="ANSWER")] = None,
    save: Annotated[
        str, typer.Option(help="Keep it as the study's own probe of this name.", metavar="PROBE")
    ] = "",
    says: Annotated[str, typer.Option(help="What an answer does that shows it: 'hedges'.")] = "",
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Search held-out, that is new, prompts too.")
    ] = False,
    csv: Annotated[Path | None, typer.Option(help="Write all answers, ranked, into a file.")] = None,
    author: Annotated[str, typer.Option(help="Who says so; your user name unless named.")] = "",
    as_json: AsJson = False,
) -> None:
    """Answers that have a property, the best first, with the tokens that speak for it between « and ».

    --yes and --no re-weigh the features and are kept with the study by the sentence; answers are named as they are
    listed.

    Example: `python -m diffing search sample "hedges before refusing"`
    """
    from diffing.common import outfile
    from diffing.concepts import feedback
    from diffing.concepts import search as searching
    from diffing.study.study import Study

    study, who = Study.open(name), author or getpass.getuser()
    for answer in yes or ():
        feedback.give(study, sentence, feedback.typed(study, answer), "yes", who)
    for answer in no or ():
        feedback.give(study, sentence, feedback.typed(study, answer), "no", who)
    with busy("Looking through the answers"):
        ground = searching.Ground(study, held_out)
        found = searching.find(ground, searching.choose(ground, sentence, by))
    if save:
        searching.save(found, save, says, who)
    if csv is not None:
        with outfile.replacing(csv) as temporary:
            found.export().to_csv(temporary, index=False)
    rows = found.listed(top)
    if as_json:
        tell({"chosen": found.property.model_dump(), "answers": rows})
        return
    show([{**{key: row[key] for key in ("rank", "score", "answer", "bm25 rank", "said")}} for row in rows])
    for row in rows:
        paragraph(f"{row['rank']}. {row['marked']}")
    _told(found, save, csv)


def _told(found: "Found", save: str, csv: Path | None) -> None:
    """How it was found, and where it went."""
    kept = found.property
    has = int((found.scores >= kept.threshold).sum())
    set_by = "yes and no" if kept.set_by == "feedback" else "nobody's yes and no, but a share of all answers"
    say(
        f"Features chosen {kept.chosen_by}; {has:,} of {len(found.scores):,} answers score {kept.threshold:.2f} "
        f"or more, a bar set by {set_by}."
    )
    if save:
        say(f"Kept as own probe '{save}': 'probe list {found.ground.study.name}' tests it.")
    if csv is not None:
        say(f"Wrote {len(found.scores):,} answers to {csv}.")
