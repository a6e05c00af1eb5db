"""The command for dictionaries of two checkpoints' activations: trains, judges, lists and shows them."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from diffing.cli.inside import Base, Count, Length, Texts, Variant, value_of
from diffing.cli.options import AsJson, Detach, Name
from diffing.cli.terminal import do, pairs, paragraph, say, show, tell
from diffing.common.errors import UserError

if TYPE_CHECKING:
    from diffing.study.study import Study

app = typer.Typer()

LISTED = 20
"""Latents that are shown."""
SHORT = 60
"""Characters of a passage in the list."""


@app.command("dictionary")
def dictionary_command(
    name: Name,
    called: Annotated[str, typer.Option("--name", help="The dictionary's; its kind unless named.")] = "",
    base: Base = "",
    variant: Variant = "",
    kind: Annotated[
        Literal["crosscoder", "difference"],
        typer.Option(help="Of both models side by side, or of the variant less the base."),
    ] = "crosscoder",
    layer: Annotated[float | None, typer.Option(help="Depth, from 0 to 1; the middle unless told.")] = None,
    latents: Annotated[int | None, typer.Option(help="Eight times the width of a crosscoder, twice else.")] = None,
    k: Annotated[float | None, typer.Option("--k", help="Active latents a token; 64 or 32 unless told.")] = None,
    tokens: Annotated[int | None, typer.Option(help="To train on, each as often as it is read.")] = None,
    texts: Texts = "auto",
    count: Count = None,
    length: Length = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another option of the training; repeatable.", metavar="OPTION=VALUE"),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Print which there are; train nothing.")] = False,
    shown: Annotated[
        str, typer.Option("--show", help="Print what the latents of one do; train nothing.", metavar="NAME")
    ] = "",
    judged: Annotated[
        str, typer.Option("--judge", help="Tell which latents of one are real.", metavar="NAME")
    ] = "",
    nulls: Annotated[
        list[str] | None,
        typer.Option(help="Beside what it is judged, as of `inside`; few: two that fit. Repeatable."),
    ] = None,
    most: Annotated[int | None, typer.Option(help="Latents that are tried in the models when judging.")] = None,
    removed: Annotated[str, typer.Option("--remove", help="Take one away.", metavar="NAME")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Train a dictionary of sparse latents on what two checkpoints compute, and see what they do.

    Example: `python -m diffing dictionary bees --kind difference --tokens 500000 --set seed=1`
    """
    from diffing.study.study import Study

    study = Study.open(name)
    own: dict[str, Any]
    if listed:
        _list(study, as_json)
    elif shown:
        _show(study, shown, as_json)
    elif judged:
        own = {"name": judged, "most": most, "nulls": nulls or None}
        told = {key: value for key, value in own.items() if value is not None}
        _judge(
            study, told | {key: value_of(value) for key, value in pairs(settings).items()}, yes, detach, as_json
        )
    elif removed:
        _remove(study, removed, yes)
    else:
        own = {
            "base": base,
            "variant": variant,
            "name": called,
            "kind": kind,
            "layer": layer,
            "latents": latents,
        }
        limits = {key: number for key, number in (("count", count), ("length", length)) if number is not None}
        own |= {"k": k, "tokens": tokens, "texts": {"source": texts, **limits}}
        told = {key: value for key, value in own.items() if value is not None}
        told |= {key: value_of(value) for key, value in pairs(settings).items()}
        if not yes and not detach and not as_json:
            _agreed(study, told)
        status = do(study, "dictionary", told, detach, as_json)
        if status is not None and status.result is not None and not as_json:
            _show(study, status.result["name"], as_json)


def _agreed(study: "Study", told: dict[str, Any]) -> None:
    """Say what it takes, and ask where somebody is there to answer."""
    from diffing.cli.terminal import busy
    from diffing.common.step import checked
    from diffing.whitebox.dictionaries import job, plan, shelf

    options = checked("dictionary", job.Options, told)
    if shelf.exists(study, options.called):
        return
    with busy("opening the weights"):
        found = plan.planned(study, options)
        said = found.told
    paragraph(said)
    found.check()
    if typer.get_text_stream("stdin").isatty():
        typer.confirm("Train it?", abort=True)


def _list(study: "Study", as_json: bool) -> None:
    from diffing.whitebox.dictionaries import shelf

    rows = []
    for name in shelf.names(study):
        facts = shelf.facts(study, name)
        rows.append({"name": name, **facts.model_dump(mode="json"), "outdated": shelf.outdated(study, name)})
    begun = shelf.begun(study)
    if as_json:
        tell({"dictionaries": rows, "begun": begun})
        return
    show(
        [
            {"name": row["name"], "kind": row["kind"], "of": f"{row['base']}, {row['variant']}"}
            | {"layer": f"{row['layer']} of {row['layers']}", "latents": row["latents"], "tokens": row["tokens"]}
            | {"date": row["date"][:10]}
            for row in rows
        ]
    )
    for row in rows:
        if row["outdated"]:
            paragraph(f"{row['name']}: {row['outdated']} Train it again under another name, or remove it first.")
    for each in begun:
        paragraph(f"{each}: its training is under way, or was stopped; the same command goes on with it.")
    if not rows and not begun:
        say("No dictionary yet.")


def _show(study: "Study", name: str, as_json: bool) -> None:
    from diffing.whitebox.dictionaries import judged, shelf, told

    facts, curves = shelf.facts(study, name), shelf.curves(study, name)
    rows = told.first(study, name, LISTED)
    found = judged.of(study, name)
    if as_json:
        last = curves.iloc[-1].to_dict() if len(curves) else {}
        latents = [row.figures | {"writes": list(row.writes), "passage": row.passage} for row in rows]
        shown = {"name": name, **facts.model_dump(mode="json"), "learnt": last, "latents": latents}
        if found is not None:
            shown["judged"] = {"sentence": found.sentence, "outdated": found.outdated, "nulls": found.counted}
            shown["judged"] |= {"latents": found.rows(LISTED)}
        tell(shown)
        return
    kind = "Crosscoder" if facts.kind == "crosscoder" else "SAE on the difference"
    paragraph(
        f"{kind} of {facts.base} and {facts.variant}, {facts.latents:,} latents at layer {facts.layer} of "
        f"{facts.layers}, trained on {facts.tokens:,} tokens of {facts.documents:,} texts."
    )
    explained = [f"{row.share:.0%} of the {row.of}" for row in shelf.table(study, name, "explained").itertuples()]
    dead = f"; {curves['dead'].iloc[-1]:.0%} of latents are dead" if len(curves) else ""
    paragraph(f"Of texts that were not learnt from it explains {', '.join(explained)}{dead}.")
    if why := shelf.outdated(study, name):
        paragraph(f"{why} Train it again under another name, or remove it first.")
    show(
        [
            {"latent": row.latent, "share": f"{row.share:.2%}", "fires": f"{row.frequency:.2%}"}
            | {"base has": row.beta("base"), "variant has": row.beta("variant")}
            | {"writes": " ".join(row.writes[:5]), "strongest in": row.passage[:SHORT]}
            for row in rows
        ]
    )
    paragraph(told.CAUTION)
    if found is None:
        paragraph(f"Which of them are real: python -m diffing dictionary {study.name} --judge {name}")
    else:
        _show_judged(study, name)


def _judge(study: "Study", told: dict[str, Any], yes: bool, detach: bool, as_json: bool) -> None:
    """Say what judging takes, ask, do it, and show what it came to."""
    from diffing.cli.terminal import busy
    from diffing.common.step import checked
    from diffing.whitebox.dictionaries import judged, judging

    options = checked("latents", judging.Options, told)
    if not yes and not detach and not as_json:
        with busy("opening the weights and trying some steps"):
            found = judging.planned(study, options)
            there = judged.about(study, options.name)
            said = "" if there is not None and there.key == found.key else found.told
        if said:
            paragraph(said)
            if typer.get_text_stream("stdin").isatty():
                typer.confirm("Judge them?", abort=True)
    status = do(study, "latents", told, detach, as_json)
    if status is not None and status.result is not None and not as_json:
        _show_judged(study, options.name)


def _show_judged(study: "Study", name: str) -> None:
    from diffing.whitebox.dictionaries import judged

    found = judged.needed(study, name)
    paragraph(found.sentence)
    if found.outdated:
        paragraph(f"{found.outdated} Judge it again.")
    show(found.counted)
    show(found.rows(LISTED))
    if not len(found.first):
        paragraph("No latent came as far as being tried in the models.")


def _remove(study: "Study", name: str, yes: bool) -> None:
    from diffing.whitebox.dictionaries import shelf

    if not yes and typer.get_text_stream("stdin").isatty():
        typer.confirm(f"Take away dictionary '{name}' of study '{study.name}'?", abort=True)
    elif not yes:
        raise UserError(f"Nobody is there to ask; say --yes to take away dictionary '{name}'.")
    shelf.remove(study, name)
    say(f"Dictionary '{name}' is gone.")
