"""Commands that look into the weights of checkpoints: of one study, or of organisms one after the other."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diffing.cli.options import AsJson, Detach, Name
from diffing.cli.terminal import do, pairs, paragraph, say, show, tell
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
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Look into the weights of two checkpoints with several methods, beside pairs in which nothing is to be found.

    Example: `python -m diffing inside bees --method divergence --set divergence.top=10 --nulls rotated:3`
    """
    from diffing.study.study import Study
    from diffing.whitebox.sight import seen

    study = Study.open(name)
    told = asked(method, settings, texts, count, length, nulls) | {"base": base, "variant": variant}
    if dry_run and not shown:
        _plan(study, told)
        return
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
    from diffing.whitebox import inside

    with busy("opening the weights"):
        plan = inside.planned(study, checked("inside", inside.Options, told))
        said = plan.told
    paragraph(said)


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


@app.command("sweep")
def sweep_command(
    organism: Annotated[
        str, typer.Option("--organism", help="Organisms with commas between.", metavar="NAME[:MODEL[:VARIANT]],…")
    ],
    method: Method = "all",
    settings: Set = None,
    texts: Texts = "auto",
    count: Count = None,
    length: Length = None,
    nulls: Nulls = "auto",
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Look into organisms one after the other, each a study of its own, and end in one table.

    What is there is not done again: after a stop the same command goes on. With --detach all of it runs in a
    process of its own, still one organism at a time.

    Example: `python -m diffing sweep --organism fact,style,control --method divergence`
    """
    from diffing.common.words import between_commas
    from diffing.whitebox import organisms
    from diffing.whitebox.sight import seen

    told = asked(method, settings, texts, count, length, nulls)
    found = [organisms.find(text) for text in between_commas(organism)]
    if not found:
        raise UserError("No organism is named; 'organisms' lists them.")
    if detach:
        words = ["--organism", organism, "--method", method, "--texts", texts, "--nulls", nulls]
        words += [word for setting in settings or () for word in ("--set", setting)]
        limits = (("--count", count), ("--length", length))
        words += [word for limit, number in limits if number is not None for word in (limit, str(number))]
        _apart(words, len(found), as_json)
        return
    rows: list[dict[str, Any]] = []
    for each in found:
        try:
            study = organisms.study_of(each)
            do(study, "inside", told, detach=False, as_json=False)
        except UserError as error:
            # One that cannot be had keeps no other from being looked into.
            rows.append({"organism": each.written, "fault": str(error)})
            continue
        rows.append({"organism": each.written, "study": study.name, "seen": seen.of(study)})
    _table(rows, as_json)


def _apart(words: list[str], count: int, as_json: bool) -> None:
    """Sweep in a process that outlives this one, with its table in a log."""
    import os
    import subprocess
    import sys

    from diffing.common import files
    from diffing.common.words import count as counted

    stamp = files.now().replace(":", "").replace("+0000", "")
    path = files.cache_dir("sweeps") / f"{stamp}.log"
    with path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "diffing", "sweep", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # A closed terminal, or Ctrl-C in it, ends its whole session.
            start_new_session=True,
            env=os.environ | {"DIFFING_HOME": str(files.home()), "PYTHONUNBUFFERED": "1"},
        )
    if as_json:
        tell({"process": process.pid, "log": str(path)})
        return
    say(f"Started as process {process.pid}: {counted(count, 'organism')}, one after the other; 'kill' stops it.")
    say(f"Its table will stand in {path}.")


def _table(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        tell([row | ({"seen": plain(row["seen"])} if "seen" in row else {}) for row in rows])
        return
    methods = list(dict.fromkeys(each.name for row in rows if "seen" in row for each in row["seen"].methods))
    show(
        [
            {"organism": row["organism"]} | {name: _cell(row["seen"], name) for name in methods}
            for row in rows
            if "seen" in row
        ]
    )
    for row in rows:
        if "fault" in row:
            paragraph(f"{row['organism']}: {row['fault']}")
        for left_out in row["seen"].refused if "seen" in row else ():
            paragraph(f"{row['organism']}: {left_out.said}")
    if methods:
        say("Each cell: how many things stand above all nulls, and the first of them.")


def _cell(found: "Inside", name: str) -> str:
    """How many things a method has above its nulls, and the first."""
    for each in found.methods:
        if each.name == name:
            above = each.judged.above
            if not each.judged.compared:
                return "not compared"
            return f"{len(above)}: {str(above['text'].iloc[0]).strip()}" if len(above) else "0"
    return "–"
