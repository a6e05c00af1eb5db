"""Commands that make, fill, show and export a study."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from diffing.cli import glance, keys
from diffing.cli import organism as cli_organism
from diffing.cli.options import After, AsJson, Before, Columns, Name, Reader
from diffing.cli.read import choice as named_reader
from diffing.cli.terminal import do, pairs, paragraph, say, show, tell
from diffing.common.errors import UserError
from diffing.common.paths import expanded

if TYPE_CHECKING:
    from diffing.diff.stored import Diff
    from diffing.models.providers import Checkpoint
    from diffing.overview import Overview
    from diffing.study.study import Study

app = typer.Typer()


@app.command()
def new(
    name: Name,
    checkpoints: Annotated[
        list[str] | None,
        typer.Argument(
            help="PROVIDER:MODEL, URL#MODEL, hf:MODEL[+ADAPTER], starter, what is made of others (amplify:a,b,2; "
            "docs/inside.md), or import; 'Name=' before it names it."
        ),
    ] = None,
    preset: Annotated[str, typer.Option(help="A known case: gemini-flash, gemini-flash-living.")] = "",
    organism: Annotated[
        str,
        typer.Option(
            help="A variant whose change is known, against its base: 'organisms' lists them; or NAME:STRENGTH of "
            "one that is planted in --model (docs/organisms.md).",
            metavar="NAME[:MODEL[:VARIANT]]",
        ),
    ] = "",
    model: Annotated[
        str, typer.Option(help="Of several models of the organism, this one; of a planted one, who answers.")
    ] = "",
    variant: Annotated[str, typer.Option(help="Of several variants of the organism, this one.")] = "",
    prompt_file: Annotated[
        Path | None, typer.Option("--prompts", help="Own prompts, else the bundled set.")
    ] = None,
    draws: Annotated[int, typer.Option(help="Answers sampled to each prompt.", min=1)] = 1,
    temperature: Annotated[float | None, typer.Option(help="Sampling temperature.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Longest answer in tokens.", min=1)] = None,
    system: Annotated[str, typer.Option(help="System prompt.")] = "",
    reasoning_tag: Annotated[
        str,
        typer.Option(help="Tag of reasoning in a model's text, such as think; else all is text.", metavar="TAG"),
    ] = "",
    extra_body: Annotated[str, typer.Option(help="JSON object sent with every request.", metavar="JSON")] = "",
    key_env: Annotated[str, typer.Option(help="Variable that holds the key of URL#MODEL checkpoints.")] = "",
    reader: Reader = "",
    held_out: Annotated[
        float,
        typer.Option(help="Share of prompts held out of discovery: the new prompts that findings are tested on."),
    ] = 0.3,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Make a study and say what it would cost. Spends nothing.

    Example: `python -m diffing new mini openai:gpt-4o-mini openai:gpt-4o --draws 2`
    """
    from diffing import status as statuses
    from diffing.common import words
    from diffing.common.step import checked
    from diffing.models import providers
    from diffing.reader import presets
    from diffing.study import collect, known_cases, prompts
    from diffing.study.settings import ReaderChoice, Sampling
    from diffing.study.study import Study

    sampling, choice, note = Sampling(), ReaderChoice(), ""
    written = list(checkpoints or [])
    if preset:
        known = known_cases.case(preset)
        written, sampling, choice, note = (
            written or list(known.checkpoints),
            known.sampling,
            known.reader,
            known.note,
        )
    asked: dict[str, Any] = {"draws": draws, "system": system, "extra_body": json_object(extra_body)}
    asked |= {"reasoning_tag": reasoning_tag}
    asked |= {k: v for k, v in {"temperature": temperature, "max_tokens": max_tokens}.items() if v is not None}
    named = [providers.parse(text, providers.nth_key(i), key_env) for i, text in enumerate(written)]
    truth = ""
    if organism:
        named, truth = _organism(organism, model, variant, named, key_env)
    parsed = providers.with_plain(named)
    table = prompts.load(prompt_file) if prompt_file else prompts.bundled()
    chosen = presets.check(named_reader(reader, "", choice))
    sampling = checked("new", Sampling, sampling.model_dump() | asked)
    told: dict[str, Any] = {"note": note, "held_out": held_out, "seed": seed, "organism": truth}
    made = Study.create(name, parsed, table, sampling=sampling, reader=chosen, **told)
    # Whoever typed the address and the variable has said where that key may go.
    keys.typed(providers.endpoints(parsed))
    status = statuses.of(made)
    estimate = collect.estimate(made, collect.Options())
    if as_json:
        tell(status | {"estimate": estimate._asdict()})
        return
    say(f"Made study '{name}': " + " against ".join(f"{c.key} = {c.name}" for c in made.checkpoints) + ".")
    for extra in parsed[len(named) :]:
        say(f"{extra.key} = {extra.name} is asked too: findings about what is made of it are verified on it.")
    power = statuses.power_in_words(status["detectable"])
    say(f"{estimate.calls:,} calls, {words.about(estimate.cost)}. {power}")
    if note:
        say(note)
    if organism and parsed[0].source != parsed[1].source:
        say(f"Next: python -m diffing inside {name}   (looks into the weights; nothing is asked)")
    else:
        say(f"Next: python -m diffing collect {name} --limit 20   (a pilot that projects cost and time)")


def _organism(
    name: str, model: str, variant: str, written: "list[Checkpoint]", key_env: str
) -> "tuple[list[Checkpoint], str]":
    """Both checkpoints of an organism, and what the study's settings say of one that the registry has."""
    from diffing.whitebox import organisms

    if written:
        raise UserError("An organism names both checkpoints; leave the others out, or leave out --organism.")
    parts = [*name.split(":"), "", ""]
    if parts[0] not in organisms.registry() and not variant:
        return cli_organism.pair(name, model, key_env), ""
    found = organisms.find(":".join([parts[0], model or parts[1], variant or parts[2]]).rstrip(":"))
    return organisms.checkpoints(found), found.written


@app.command("prompts")
def prompts_command(
    name: Name,
    add: Annotated[Path | None, typer.Option(help="Add prompts from CSV, JSONL, TXT, …")] = None,
    columns: Columns = None,
    write: Annotated[str, typer.Option(help="Have an LLM write prompts on what you want to know.")] = "",
    category: Annotated[list[str] | None, typer.Option(help="Categories to write for.")] = None,
    count: Annotated[int, typer.Option(help="Prompts to write in each category.", min=1)] = 10,
    model: Annotated[str, typer.Option(help="Who writes, as PROVIDER:MODEL or URL#MODEL.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show a study's prompts, or add some.

    Example: `python -m diffing prompts flash --add mine.csv --column text=question`
    """
    from diffing import status as statuses
    from diffing.common import words
    from diffing.study import prompts
    from diffing.study.study import Study

    opened = Study.open(name)
    if add:
        found = opened.add_prompts(prompts.load(add, pairs(columns)))
        say(f"Added {len(found.table)} prompts; {len(found.duplicates)} were there already.")
        for fresh, old, percent in found.near:
            say(f"  {percent} % alike, kept: {fresh[:70]!r} and {old[:70]!r}")
        return
    if write:
        if not model:
            raise UserError("No model is named to write prompts; add --model PROVIDER:MODEL.")
        told = dict(description=write, model=model, categories=category or [], count=count)
        status = do(opened, "prompts", told, detach=False, as_json=False)
        result = (status.result if status else None) or {}
        for fault in result["faults"]:
            say(fault)
        say(f"Writing took {words.dollars(result['cost'])}.")
        say(f"Added {result['added']} prompts; {result['turned_away']} were there already.")
        return
    table = opened.prompts()
    if as_json:
        tell(table.to_dict("records"))
        return
    split = table.groupby(["category", "split"]).size().unstack(fill_value=0)
    show([{"category": k, **{s: int(v) for s, v in row.items()}} for k, row in split.iterrows()])
    if power := statuses.power_in_words(statuses.of(opened)["detectable"]):
        say(power)


@app.command("status")
def status_command(name: Name, as_json: AsJson = False) -> None:
    """What is done, what is missing, what to do next.

    Example: `python -m diffing status flash`
    """
    from diffing import status as statuses
    from diffing.study.study import Study

    opened = Study.open(name)
    status = statuses.of(opened)
    if as_json:
        tell(status)
        return
    show(_counts(status))
    show([_asked_at(checkpoint) for checkpoint in status["checkpoints"] if checkpoint["host"]])
    _steps(status["steps"])
    stored = opened.responses()
    for row in stored.loc[stored["flag"] == "failed"].head(5).itertuples():
        say(f"failed: prompt {row.prompt_id}, {row.checkpoint}, draw {row.draw}: {row.error}")
    if power := statuses.power_in_words(status["detectable"]):
        paragraph(power)
    compared = _compared(opened)
    if compared is not None:
        say()
        glance.answer(opened, compared)
    if status["inside"]:
        paragraph(f"Seen from inside: {status['inside']}")
    if status["next"]:
        say(f"Next: {status['next']['how']}")


def _counts(status: dict[str, Any]) -> list[dict[str, Any]]:
    """Answers of each checkpoint; of what went wrong with some, only what did."""
    named = {c["key"]: c for c in status["checkpoints"]}
    wrong = [kind for kind in TROUBLES if any(counts[kind] for counts in status["responses"].values())]
    return [
        {"checkpoint": f"{key} = {named[key]['name']}", "answers": f"{counts['stored']:,}"}
        | {kind: f"{counts[kind]:,}" for kind in wrong}
        for key, counts in status["responses"].items()
    ]


TROUBLES = ("missing", "failed", "blocked", "empty", "truncated", "refusal")
"""Of answers, as the status counts them."""


def _steps(steps: list[dict[str, str]]) -> None:
    """What is done in one line, and each step that is not, with what it says."""
    done = [step["step"] for step in steps if step["state"] == "done"]
    if done:
        say(f"Done: {', '.join(done)}.")
    for step in steps:
        if step["state"] != "done":
            state = "" if step["state"] == "open" else f"{step['state']}, "
            paragraph(f"{step['step'].capitalize()}: {state}{step['detail']}.")


def _compared(study: "Study") -> "Diff | None":
    """The diff of the study's first two checkpoints, where there is one that can be read."""
    from diffing.common.errors import UserError
    from diffing.diff import stored

    try:
        return stored.load(study, *study.sides())
    except UserError:
        return None


def _asked_at(checkpoint: dict[str, str]) -> dict[str, str]:
    key = (
        f"{checkpoint['key_env']}: {checkpoint['key_state']}" if checkpoint["key_env"] else checkpoint["key_state"]
    )
    return {"checkpoint": checkpoint["key"], "asked at": checkpoint["host"], "key": key}


@app.command("list")
def list_command(as_json: AsJson = False) -> None:
    """List the studies with what each says, the last changed first.

    Example: `python -m diffing list`
    """
    from diffing import overview

    found = overview.every()
    if as_json:
        tell([_listed(each) for each in found])
        return
    for each in found:
        told = _listed(each)
        paragraph(f"{told['study']}: {told['checkpoints']}{', ' if told['changed'] else ''}{told['changed']}")
        paragraph(told["says"])
        if told["inside"]:
            paragraph(f"Seen from inside: {told['inside']}")
        say()
    if not found:
        say("No studies yet; 'python -m diffing new --help' shows how to make one.")


def _listed(each: "Overview") -> dict[str, str]:
    from diffing.common import words

    sides = [checkpoint.name for checkpoint in each.study.checkpoints] if each.study else []
    return {
        "study": each.name,
        "checkpoints": f"does not open: {each.fault}" if each.fault else " against ".join(sides),
        "changed": words.moment(each.changed) if each.changed else "",
        "says": each.sentence or (f"{each.next} ({each.how})" if each.next else ""),
        "next": each.step,
        "inside": each.inside,
    }


@app.command()
def export(
    name: Name,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path(),
    encodings: Annotated[
        Path | None, typer.Option(help="Write documents × features instead: a .npz, .pkl or .parquet file.")
    ] = None,
    to: Annotated[
        Literal["csv", "inspect", "docent", "hf", "comparator"],
        typer.Option("--to", help="The tool that is to open it; csv is everything as tables."),
    ] = "csv",
    a: Before = "",
    b: After = "",
) -> None:
    """Write a study's prompts, answers and labels as CSV, labels as JSON, all records as they stand; or encodings.

    With --to its answers as other tools open them: a log a checkpoint for Inspect, agent runs for Docent, a folder
    for `datasets.load_dataset` (hf), pairs for LLM Comparator.

    Example: `python -m diffing export flash --to inspect --out logs`
    """
    from diffing.reader.encodings import Encodings
    from diffing.report import exports, logs
    from diffing.study.study import Study

    opened = Study.open(name)
    if encodings is not None:
        exports.write_encodings(Encodings.open(opened), expanded(encodings))
        say(f"Wrote {encodings}")
        return
    folder = expanded(out)
    for path in exports.write_study(opened, folder) if to == "csv" else logs.write(opened, to, folder, a, b):
        say(f"Wrote {path}")


def json_object(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"'{text[:80]}' is not JSON ({error}); write an object such as '{{\"reasoning\": …}}'."
        ) from error
    if not isinstance(value, dict):
        raise UserError(f"'{text[:80]}' is no JSON object; write one such as '{{\"reasoning\": …}}'.")
    return value
