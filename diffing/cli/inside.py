"""The command that looks into the weights of a study's checkpoints."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diffing.cli.options import AsJson, Detach, GpusEach, Join, Name, On, Part
from diffing.cli.terminal import alone, do, pairs, paragraph, show, tell
from diffing.common.errors import UserError

if TYPE_CHECKING:
    from diffing.whitebox.sight.seen import Inside, Seen

app = typer.Typer()

Base = Annotated[str, typer.Option(help="Checkpoint before; the study's first unless named.", metavar="KEY")]
Variant = Annotated[str, typer.Option(help="Checkpoint after; the study's second unless named.", metavar="KEY")]
Method = Annotated[
    str, typer.Option("--method", help="Methods with commas between, or all.", metavar="all|NAME,NAME")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="A method's own setting; repeatable.", metavar="METHOD.SETTING=VALUE"),
]
Texts = Annotated[
    str,
    typer.Option(
        "--texts", help="study (its answers), own (the base writes), a .txt or .jsonl file, or hf:DATA_SET#COLUMN."
    ),
]
Count = Annotated[int | None, typer.Option(help="Texts read at most.", min=2)]
Length = Annotated[int | None, typer.Option(help="Tokens of each that are read at most.", min=2)]
Nulls = Annotated[
    str,
    typer.Option(
        "--nulls",
        help="Pairs with nothing to find, with commas: auto, rotated:N, self:N, control:N, given:SOURCE, same.",
    ),
]
ALONE = "A share is not joined, shown, detached or done elsewhere; give --share alone, and --join at the end."
LISTED = 20
"""Things of the list that are printed; `--json` has all of them."""


@app.command("inside")
def inside_command(
    name: Name,
    base: Base = "",
    variant: Variant = "",
    method: Method = "all",
    settings: Set = None,
    texts: Texts = "auto",
    count: Count = None,
    length: Length = None,
    nulls: Nulls = "auto",
    shown: Annotated[bool, typer.Option("--show", help="Print what is there; run nothing.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Open the weights and say what it takes; run nothing.")] = False,
    share: Part = "",
    join: Join = False,
    on: On = "",
    gpus_each: GpusEach = 1.0,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Look into the weights of two checkpoints with several methods, beside pairs in which nothing is to be found.

    With --share K/N this process does one of N shares of the pair and its nulls, beside other machines; --join
    then brings them together. With --on a Ray cluster does it.

    Example: `python -m diffing inside bees --method divergence --set divergence.top=10 --nulls rotated:3`
    """
    from diffing.study.study import Study
    from diffing.whitebox.sight import seen

    study = Study.open(name)
    told = asked(method, settings, texts, count, length, nulls) | {"base": base, "variant": variant}
    if dry_run and not shown:
        _plan(study, told)
        return
    if share:
        _share(study, told, share, join or shown or detach or bool(on), as_json)
        return
    told |= ({"join": True} if join else {}) | ({"on": on, "gpus_each": gpus_each} if on else {})
    if not shown:
        status = do(study, "inside", told, detach, as_json=False)
        if status is None:
            return
    found = seen.of(study, base, variant)
    if as_json:
        tell(plain(found))
        return
    glance(found)


def asked(
    method: str, settings: list[str] | None, texts: str, count: int | None, length: int | None, nulls: str
) -> dict[str, Any]:
    """The step's options from a command's words."""
    from diffing.common.words import between_commas

    own: dict[str, dict[str, Any]] = {}
    for place, value in pairs(settings).items():
        named, dot, setting = place.partition(".")
        if not dot:
            raise UserError(f"'{place}' names no method's setting; write METHOD.SETTING=VALUE.")
        own.setdefault(named, {})[setting] = value_of(value)
    limits = {name: number for name, number in (("count", count), ("length", length)) if number is not None}
    return {
        "methods": between_commas(method),
        "settings": own,
        "texts": {"source": texts} | limits,
        "nulls": between_commas(nulls),
    }


def value_of(text: str) -> Any:
    """A number, a list or the like where it reads as JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _plan(study: Any, told: dict[str, Any]) -> None:
    from diffing.cli.terminal import busy
    from diffing.common.step import checked
    from diffing.whitebox.plan import Options, planned

    with busy("opening the weights"):
        plan = planned(study, checked("inside", Options, told))
        said = plan.told
    paragraph(said)


def _share(study: Any, told: dict[str, Any], text: str, more: bool, as_json: bool) -> None:
    """Do one share, outside the study's jobs."""
    from diffing.common.step import checked
    from diffing.common.words import count
    from diffing.jobs.machines.share import Share
    from diffing.whitebox.plan import Options
    from diffing.whitebox.shares import share as one

    which = Share.parse(text)
    if more:
        raise UserError(ALONE)
    options = checked("inside", Options, told)
    result = alone(study, "inside", lambda progress: one.run(study, options, which, progress))
    if as_json:
        tell(result)
        return
    said = f"Share {which}: {', '.join(result['names']) or 'nothing'}; {result['done']} of it done now."
    for name, why in result["left_out"].items():
        said += f" Left out: {name}: {why}"
    paragraph(f"{said} When {count(which.of, 'share')} are done: the same with --join instead of --share.")


def glance(found: "Inside") -> None:
    """The sentence and the list."""
    paragraph(found.sentence)
    for each in found.methods:
        if each.outdated:
            paragraph(f"{each.title}: {each.outdated} Run it again.")
        if each.lacking:
            paragraph(f"{each.title}: {each.lacking} of the nulls asked for are not there yet.")
    for left_out in found.refused:
        paragraph(left_out.said)
    rows = [
        {
            "what": clue.text + (" (less of it)" if clue.less else ""),
            "above all nulls": "yes" if clue.above else "no",
            "by": ", ".join(clue.methods),
            "figure": f"{clue.figures[0].figure:.3g} ({clue.figures[0].low:.3g} to {clue.figures[0].high:.3g})",
            "nulls": _range(clue.figures[0].null_low, clue.figures[0].null_high),
        }
        for clue in found.clues[:LISTED]
    ]
    show(rows)
    if rows:
        paragraph("A rule made the sentence from these figures; each is its method's own, with a 95 % interval.")


def _range(low: float, high: float) -> str:
    return "–" if low != low else f"{low:.3g} to {high:.3g}"


def plain(found: "Inside") -> dict[str, Any]:
    """All of it as JSON has it."""
    return {
        "study": found.study,
        "base": found.base,
        "variant": found.variant,
        "sentence": found.sentence,
        "by": "rule",
        "methods": [_method(each) for each in found.methods],
        "left_out": [each._asdict() for each in found.refused],
        "clues": [
            {"text": clue.text, "less": clue.less, "above": clue.above, "said": clue.said}
            | {"figures": [_figures(figure._asdict()) for figure in clue.figures]}
            for clue in found.clues
        ],
    }


def _method(each: "Seen") -> dict[str, Any]:
    return {
        "method": each.name,
        "title": each.title,
        "folder": str(each.place),
        "options": each.options,
        "nulls": [null._asdict() for null in each.nulls],
        "lacking": each.lacking,
        "outdated": each.outdated,
        "above": len(each.judged.above),
        "date": each.date,
    }


def _figures(told: dict[str, Any]) -> dict[str, Any]:
    """Numbers that JSON has no word for are left out; of a strength beyond measure it is said that it is."""
    known = {name: None if value != value else value for name, value in told.items()}
    return known | {"strength": "beyond measure" if known["strength"] == float("inf") else known["strength"]}
