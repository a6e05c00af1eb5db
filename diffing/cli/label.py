"""The command that imports, writes and scores labels."""

import asyncio
import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diffing.cli import keys
from diffing.cli.options import After, AsJson, Before, Detach, DryRun, KeyEnv, MaxDollars, MaxRequests, Name
from diffing.cli.terminal import do, say, show, tell
from diffing.common.errors import UserError

if TYPE_CHECKING:
    from diffing.study.study import Study

app = typer.Typer()


@app.command()
def label(
    name: Name,
    top: Annotated[
        int | None, typer.Option(help="Leads of the families that differ most; 50 unless --features.", min=1)
    ] = None,
    features: Annotated[str, typer.Option(help="Features by number, with commas.", metavar="N,N,…")] = "",
    behaviour: Annotated[
        int | None, typer.Option(help="This behaviour alone, by its number in `answer --json`.", min=1)
    ] = None,
    words_for: Annotated[
        str, typer.Option("--name", help="Your own name for that behaviour: what an answer does.", metavar="WORDS")
    ] = "",
    author: Annotated[str, typer.Option(help="Whose name it is; your user name unless named.")] = "",
    score: Annotated[bool, typer.Option("--score", help="Have a judge score labels blind.")] = False,
    import_from: Annotated[
        str,
        typer.Option(
            "--import",
            help="neuronpedia[:MODEL/SOURCE], hf[:OWNER/REPO/FILE] or a file; only imports, for --features "
            "alone where they are named, unless --top, --model, --score or --rewrite asks for more.",
            metavar="SOURCE",
        ),
    ] = "",
    refresh: Annotated[bool, typer.Option("--refresh", help="Download again what was kept.")] = False,
    rewrite: Annotated[bool, typer.Option("--rewrite", help="Write anew what a machine wrote.")] = False,
    model: Annotated[str, typer.Option(help="Who writes, as PROVIDER:MODEL or URL#MODEL.")] = "",
    judge: Annotated[str, typer.Option(help="Who scores; of another family than the author unless named.")] = "",
    key_env: KeyEnv = "",
    a: Before = "",
    b: After = "",
    max_dollars: MaxDollars = None,
    max_requests: MaxRequests = None,
    detach: Detach = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Say what behaviours and features mean: have a model name those that lack words, have another score that.

    Without --top or --features only behaviours are asked about, ten to fifteen calls instead of fifty.

    Example: `python -m diffing label flash --score --max-dollars 1`
    """
    from diffing.common import words
    from diffing.common.step import checked
    from diffing.labels import expected, plan
    from diffing.study.study import Study

    opened = Study.open(name)
    if words_for:
        _name(opened, (a, b), behaviour, words_for, author)
        return
    only_import = bool(import_from) and top is None and not (model or score or rewrite)
    alone = top is None and not features and not only_import
    what: dict[str, Any] = dict(
        a=a, b=b, features=numbers(features) if features else None, import_from=import_from
    )
    what |= dict(behaviours=alone and behaviour is None, behaviour=behaviour)
    how = dict(write=not only_import, rewrite=rewrite, score=score, refresh=refresh)
    asking = dict(judge=judge, key_env=key_env, max_dollars=max_dollars, max_requests=max_requests)
    # Left out, they take the step's own defaults.
    named: dict[str, Any] = {option: value for option, value in (("top", top), ("model", model)) if value}
    if alone or (behaviour is not None and top is None):
        named["top"] = 0
    options = checked("label", plan.Options, what | how | asking | named)
    for asked in (model, judge):
        keys.typed_model(asked, key_env)
    if dry_run:
        foreseen = expected.estimate(opened, options, asyncio.run(expected.prices(options)))
        tell(foreseen._asdict()) if as_json else say(foreseen.in_words(words.dollars(foreseen.cost)))
        return
    status = do(opened, "label", options, detach, as_json)
    if status is not None and not as_json:
        told(opened, status.state, status.result or {})


def _name(study: "Study", sides: tuple[str, str], behaviour: int | None, words_for: str, author: str) -> None:
    """Keep a person's name."""
    from diffing import diff
    from diffing.labels import behaviours

    if behaviour is None:
        raise UserError("A name is of one behaviour; say which with --behaviour N (`answer --json` has numbers).")
    stored = diff.load(study, *study.sides(*sides))
    record = behaviours.name(study, stored, behaviour, words_for, author or getpass.getuser())
    say(f"Behaviour {behaviour} is called “{record.label}” from now on, by {record.author}.")


def told(opened: "Study", state: str, result: dict[str, Any]) -> None:
    """What a run did, for a person."""
    from diffing import labels
    from diffing.common import words
    from diffing.labels import history

    imported = result.get("imported")
    if imported:
        say(f"{imported['source']}: {imported['labels']:,} labels of {imported['features']:,} features.")
    if "import_error" in result:
        say(result["import_error"])
    if "behaviours" in result:
        named(opened, state, result)
    if "written" not in result:
        return
    say(
        f"{state}: {result['written']} labels written, {result['scored']} scored, {result['failed']} failed, "
        f"{result['calls']:,} calls, {words.dollars(result['cost'])}."
    )
    if not result["features"]:
        say("No family of features differs; name features with --features.")
    for feature, reason in result["errors"].items():
        say(f"failed: feature {feature}: {reason}")
    if result["stopped_by"]:
        say(f"Stopped by {result['stopped_by']}; run it again to go on.")
    current = labels.current(opened)
    standing = [(feature, current[feature]) for feature in result["features"] if feature in current]
    found = [history.scores(one.score) for _, one in standing]
    columns = dict.fromkeys((name for one in found for name in one), "")
    show(
        [
            {"feature": feature, "label": one.label, "by": one.author, **columns, **score}
            for (feature, one), score in zip(standing, found, strict=True)
        ]
    )
    for flag in [flag for flag in result["contradictions"] if "behaviour" not in flag]:
        say(f"Look at feature {flag['feature']} ({flag['label']}): {flag['words']}.")


def named(opened: "Study", state: str, result: dict[str, Any]) -> None:
    """What became of behaviours, for a person."""
    from diffing.common import words

    counted = result["behaviours"]
    say(
        f"{state}: {counted['written']} behaviours named, {counted['scored']} scored, {counted['failed']} failed, "
        f"{result['calls']:,} calls, {words.dollars(result['cost'])}."
    )
    if not counted["written"] and not counted["scored"] and not counted["failed"]:
        say("No behaviour is without words or a name; --behaviour N asks for one, --top N for features.")
    for number, reason in counted["errors"].items():
        say(f"failed: behaviour {number}: {reason}")
    for flag in [flag for flag in result["contradictions"] if "behaviour" in flag]:
        say(f"Not used: behaviour {flag['behaviour']} “{flag['label']}”: {flag['words']}.")
    if result["stopped_by"] and "written" not in result:
        say(f"Stopped by {result['stopped_by']}; run it again to go on.")
    say(f"`python -m diffing answer {opened.name}` shows the names.")


def numbers(text: str) -> list[int]:
    from diffing.common import tables

    read = []
    for part in filter(None, map(str.strip, text.split(","))):
        number = tables.number(part)
        if number is None:
            raise UserError(f"'{part}' is no feature's number; write them as in --features 12,40.")
        read.append(number)
    return read
