"""The command that looks into organisms, one after the other or on several machines, and ends in one table."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from diffing.cli.inside import Count, Length, Method, Nulls, Set, Texts, asked, plain
from diffing.cli.options import AsJson, Detach, GpusEach, Join, On, Part
from diffing.cli.terminal import busy, do, paragraph, say, show, tell, warn
from diffing.common.errors import UserError

if TYPE_CHECKING:
    from diffing.jobs.machines.on_ray import Ray
    from diffing.whitebox.organisms import Found
    from diffing.whitebox.sight.seen import Inside
    from diffing.whitebox.sweep import Row

app = typer.Typer()


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
    share: Part = "",
    join: Join = False,
    on: On = "",
    gpus_each: GpusEach = 1.0,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Look into organisms one after the other, each a study of its own, and end in one table.

    What is there is not done again: after a stop the same command goes on. With --detach all of it runs in a
    process of its own, still one organism at a time.

    With --share K/N this process looks into one of N shares of the organisms, and so may others at the same time;
    --join then ends in the table of all, and computes nothing. With --on a Ray cluster does it.

    Example: `python -m diffing sweep --organism fact,style,control --method divergence`
    """
    from diffing.common.words import between_commas
    from diffing.jobs.machines.on_ray import Ray
    from diffing.jobs.machines.share import Share
    from diffing.whitebox import organisms, sweep

    told = asked(method, settings, texts, count, length, nulls)
    found = [organisms.find(text) for text in between_commas(organism)]
    if not found:
        raise UserError("No organism is named; 'organisms' lists them.")
    if (bool(share) + join + bool(on) + detach) > 1:
        raise UserError("--share, --join, --on and --detach are four ways to sweep; choose one.")
    if detach:
        words = ["--organism", organism, "--method", method, "--texts", texts, "--nulls", nulls]
        words += [word for setting in settings or () for word in ("--set", setting)]
        limits = (("--count", count), ("--length", length))
        words += [word for limit, number in limits if number is not None for word in (limit, str(number))]
        _apart(words, len(found), as_json)
        return
    if share:
        mine = Share.parse(share).cards(each.written for each in found)
        found = [each for each in found if each.written in mine]
    if join:
        rows = [sweep.of(each) for each in found]
    elif on:
        rows = _swept_on(found, Ray(on, sweep.WORK, {"options": told}, gpus_each))
    else:
        rows = [_swept(each, told) for each in found]
    _table(rows, as_json)


def _swept(each: "Found", told: dict[str, Any]) -> "Row":
    """One organism looked into here; one that cannot be had keeps no other from it."""
    from diffing.whitebox import organisms, sweep

    try:
        do(organisms.study_of(each), "inside", told, detach=False, as_json=False)
    except UserError as error:
        return sweep.Row(each.written, fault=str(error))
    return sweep.of(each)


def _swept_on(found: "list[Found]", runner: "Ray") -> "list[Row]":
    """All looked into by a cluster; told as each ends, and in the order in which they were named."""
    from diffing.whitebox import sweep

    rows: dict[str, Row] = {}
    with busy(f"Looking into {len(found)} organisms on a Ray cluster"):
        for outcome, row in sweep.run(found, runner, lambda: None):
            rows[outcome.key] = row
            again = f", begun again {outcome.again} times" if outcome.again else ""
            how = "failed" if row.fault else "done"
            warn(f"{outcome.key}: {how} on {outcome.worker} in {outcome.seconds:.0f} s{again}")
    return [rows[each.written] for each in found]


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


def _table(rows: "list[Row]", as_json: bool) -> None:
    if as_json:
        tell([_row(row) for row in rows])
        return
    there = [(row.organism, row.seen) for row in rows if row.seen is not None]
    methods = list(dict.fromkeys(each.name for _, found in there for each in found.methods))
    show([{"organism": name} | {each: _cell(found, each) for each in methods} for name, found in there])
    for row in rows:
        if row.fault:
            paragraph(f"{row.organism}: {row.fault}")
    for name, found in there:
        for left_out in found.refused:
            paragraph(f"{name}: {left_out.said}")
        if not found.methods:
            paragraph(f"{name}: {found.sentence}")
        for each in found.methods:
            if each.lacking:
                paragraph(f"{name}, {each.title}: {each.lacking} of the nulls asked for are not there yet.")
    if methods:
        say("Each cell: how many things stand above all nulls, and the first of them.")


def _row(row: "Row") -> dict[str, Any]:
    """One organism as JSON has it."""
    told = {"organism": row.organism} | ({"study": row.study} if row.study else {})
    told |= {"fault": row.fault} if row.fault else {}
    return told | ({"seen": plain(row.seen)} if row.seen else {})


def _cell(found: "Inside", name: str) -> str:
    """How many things a method has above its nulls, and the first."""
    for each in found.methods:
        if each.name == name:
            above = each.judged.above
            if not each.judged.compared:
                return "not compared"
            return f"{len(above)}: {str(above['text'].iloc[0]).strip()}" if len(above) else "0"
    return "–"
