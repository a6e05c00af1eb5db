"""The command that imports, writes and scores labels."""

import asyncio
from typing import Annotated, Any

import typer

from diffing import labels
from diffing.cli import keys
from diffing.cli.options import After, AsJson, Before, Detach, DryRun, KeyEnv, MaxDollars, MaxRequests, Name
from diffing.cli.terminal import do, say, show, tell
from diffing.common import tables, words
from diffing.common.errors import UserError
from diffing.common.step import checked
from diffing.labels import history, plan
from diffing.study.study import Study

app = typer.Typer()


@app.command()
def label(
    name: Name,
    top: Annotated[
        int | None, typer.Option(help="Leads of the families that differ most; 50 unless --features.", min=1)
    ] = None,
    features: Annotated[str, typer.Option(help="Features by number, with commas.", metavar="N,N,…")] = "",
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
    """Say what features mean: import labels, have a model write those that lack, have another score them.

    Example: `python -m diffing label flash --top 50 --score --max-dollars 2`
    """
    opened = Study.open(name)
    only_import = bool(import_from) and top is None and not (model or score or rewrite)
    what = dict(a=a, b=b, features=numbers(features) if features else None, import_from=import_from)
    how = dict(write=not only_import, rewrite=rewrite, score=score, refresh=refresh)
    asking = dict(judge=judge, key_env=key_env, max_dollars=max_dollars, max_requests=max_requests)
    # Left out, they take the step's own defaults.
    named = {option: value for option, value in (("top", top), ("model", model)) if value}
    options = checked("label", plan.Options, what | how | asking | named)
    for asked in (model, judge):
        keys.typed_model(asked, key_env)
    if dry_run:
        expected = plan.estimate(opened, options, asyncio.run(plan.prices(options)))
        if as_json:
            tell(expected._asdict())
        else:
            say(
                f"{expected.labels} labels to write, {expected.scores} to score: {expected.calls:,} calls, "
                f"about {expected.tokens_in:,} tokens in and {expected.tokens_out:,} out, "
                f"{words.dollars(expected.cost)}."
            )
        return
    status = do(opened, "label", options, detach, as_json)
    if status is not None and not as_json:
        told(opened, status.state, status.result or {})


def told(opened: Study, state: str, result: dict[str, Any]) -> None:
    """What a run did, for a person."""
    imported = result.get("imported")
    if imported:
        say(f"{imported['source']}: {imported['labels']:,} labels of {imported['features']:,} features.")
    if "import_error" in result:
        say(result["import_error"])
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
    for flag in result["contradictions"]:
        say(f"Look at feature {flag['feature']} ({flag['label']}): {flag['words']}.")


def numbers(text: str) -> list[int]:
    read = []
    for part in filter(None, map(str.strip, text.split(","))):
        number = tables.number(part)
        if number is None:
            raise UserError(f"'{part}' is no feature's number; write them as in --features 12,40.")
        read.append(number)
    return read
