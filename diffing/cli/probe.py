"""Commands about a study's own probes: add, try, list, ask, remove, and take to another study.

`probe list` without a study lists the built-in ones. Nothing is paid for without `--yes`: without it a question
costs nothing and what it would cost is said.
"""

import getpass
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diffing.cli import keys
from diffing.cli.options import After, AsJson, Before, Detach, KeyEnv, MaxDollars, MaxRequests, Name
from diffing.cli.terminal import do, say, show, tell
from diffing.common.errors import UserError
from diffing.common.paths import expanded

if TYPE_CHECKING:
    import pandas as pd

    from diffing.diff.own import Line
    from diffing.findings import asking
    from diffing.study.study import Study


app = typer.Typer(
    no_args_is_help=True,
    help="A study's own probes: what you count yourself, or have a judge answer. "
    'Example: `python -m diffing probe add sample --name "says sorry" --words sorry,apologies`',
)

File = Annotated[Path, typer.Argument(help="A JSON file.", metavar="FILE")]
OF_FAMILY = "Own probes are corrected for among themselves: q of rules over rules, of questions over questions."


@app.command()
def add(
    name: Name,
    called: Annotated[str, typer.Option("--name", help="What the probe is called.")],
    words_: Annotated[str, typer.Option("--words", help="Whole words in any case, with commas between.")] = "",
    phrase: Annotated[str, typer.Option(help="Text as it is written, letter by letter.")] = "",
    regex: Annotated[str, typer.Option(help="A regular expression; ^ and $ at every line.")] = "",
    question: Annotated[str, typer.Option(help="A question about each answer, for a judge: yes or no.")] = "",
    judge: Annotated[str, typer.Option(help="Who answers the question, as PROVIDER:MODEL.")] = "",
    says: Annotated[str, typer.Option(help="What an answer does that shows it: 'apologises'.")] = "",
    held_out: Annotated[
        bool, typer.Option("--held-out-seen", help="You have looked at answers to held-out, that is new, prompts.")
    ] = False,
    a: Before = "",
    b: After = "",
    trial: Annotated[
        bool, typer.Option("--try", help="Show what it counts on discovery prompts; keep nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Put the question now, and pay for it.")] = False,
    key_env: KeyEnv = "",
    max_dollars: MaxDollars = None,
    author: Annotated[str, typer.Option(help="Who says so; your user name unless named.")] = "",
    as_json: AsJson = False,
) -> None:
    """Keep a probe of your own with the study, and say at once what it shows on both sides.

    Example: `python -m diffing probe add sample --name "says sorry" --words sorry,apologies --says apologises`
    """
    from diffing.diff import own, summary
    from diffing.probes import own_probes
    from diffing.study.study import Study

    study = Study.open(name)
    rule = own_probes.rule_of(words_, phrase, regex)
    asked = {"text": question, "judge": judge} if question else None
    if question and not judge:
        raise UserError("No judge is named to answer the question; name one with --judge.")
    if question and trial:
        raise UserError("A question is tried by asking it; leave --try out, nothing is paid without --yes.")
    who = author or getpass.getuser()
    told: dict[str, Any] = {"says": says, "author": who, "held_out_seen": held_out}
    probe = own_probes.made(called, rule=rule, question=asked, **told)
    a, b = study.sides(a, b)
    read = None if question else own.answers(study, a, b)
    # Whoever still words a probe is not told of held-out prompts.
    tested = read and own.test(own.discovery(read) if trial else read, [probe])
    if tested is not None and tested.table["fault"][0]:
        raise UserError(str(tested.table["fault"][0]))
    if not trial:
        own_probes.add(study, probe)
    if question:
        # Who typed both here has allowed it; a judge that stands in the study may have come from elsewhere.
        keys.typed_model(judge, key_env)
        _ask(study, _options([called], a, b, key_env, max_dollars), yes, False, as_json)
        return
    assert read is not None and tested is not None
    # Among the others, whose correction it changes.
    table = tested.table if trial else own.test(read, own_probes.load(study)).table
    row = table[table["probe"] == probe.name]
    if as_json:
        tell(summary.plain(_plain(row)[0]))
        return
    say(f"{'Would be kept' if trial else 'Kept'} as '{probe.name}': {probe.shown}.")
    _figures(row)
    for side in ("a", "b"):
        for line in own.lines(read, tested.places[probe.name], side):
            say(f"  {side.upper()}  {_line(line)}")


@app.command("list")
def list_command(
    name: Annotated[str, typer.Argument(help="A study; without one the built-in probes.", metavar="[STUDY]")] = "",
    a: Before = "",
    b: After = "",
    as_json: AsJson = False,
) -> None:
    """List a study's own probes with their figures; without a study the built-in probes.

    Example: `python -m diffing probe list sample`
    """
    from diffing.findings import asking
    from diffing.probes.probes import ALL
    from diffing.study.study import Study

    if not name:
        rows = [{"probe": probe.name, "what is counted": probe.description} for probe in ALL]
        tell(rows) if as_json else show(rows)
        return
    study = Study.open(name)
    table = asking.table(study, a, b)
    if as_json:
        tell(_plain(table))
        return
    if table.empty:
        say(f"Study '{name}' has no probe of its own; 'probe add {name} --help' shows how to add one.")
        return
    _figures(table)
    say(OF_FAMILY)


@app.command()
def ask(
    name: Name,
    probe: Annotated[list[str] | None, typer.Argument(help="Only these questions.", metavar="[NAME]...")] = None,
    a: Before = "",
    b: After = "",
    key_env: KeyEnv = "",
    max_dollars: MaxDollars = None,
    max_requests: MaxRequests = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask, and pay for it.")] = False,
    detach: Detach = False,
    as_json: AsJson = False,
) -> None:
    """Put questions to their judges, about each answer of both sides; without --yes only say what it would cost.

    Example: `python -m diffing probe ask flash refuses --max-dollars 2 --yes`
    """
    from diffing.study.study import Study

    options = _options(probe or [], a, b, key_env, max_dollars, max_requests)
    _ask(Study.open(name), options, yes, detach, as_json)


@app.command()
def remove(
    name: Name,
    probe: Annotated[str, typer.Argument(help="The probe's name.", metavar="NAME")],
    author: Annotated[str, typer.Option(help="Who says so; your user name unless named.")] = "",
) -> None:
    """Count a probe no more; a question's answers stay paid for.

    Example: `python -m diffing probe remove sample "says sorry"`
    """
    from diffing.probes import own_probes
    from diffing.study.study import Study

    gone = own_probes.remove(Study.open(name), probe, author or getpass.getuser())
    say(f"Removed '{gone.name}' ({gone.shown}).")


@app.command("export")
def export_command(name: Name, file: File) -> None:
    """Write a study's own probes into a file, for another study.

    Example: `python -m diffing probe export sample probes.json`
    """
    from diffing.common import words
    from diffing.probes import own_probes
    from diffing.study.study import Study

    count = own_probes.export(Study.open(name), expanded(file))
    say(f"Wrote {words.count(count, 'probe')} to {file}.")


@app.command("import")
def import_command(name: Name, file: File) -> None:
    """Take in the probes of a file that the study lacks: all of them, or none where one cannot be kept.

    Example: `python -m diffing probe import flash probes.json`
    """
    from diffing.common import words
    from diffing.probes import own_probes
    from diffing.study.study import Study

    taken = own_probes.take(Study.open(name), expanded(file))
    say(f"Took in {words.count(len(taken), 'probe')}{': ' if taken else ''}{', '.join(p.name for p in taken)}.")


def _options(
    names: Sequence[str], a: str, b: str, key_env: str, dollars: float | None, most: int | None = None
) -> Any:
    from diffing.common.step import checked
    from diffing.findings import asking

    told = dict(probes=list(names), a=a, b=b, key_env=key_env, max_dollars=dollars, max_requests=most)
    return checked("ask", asking.Options, told)


def _ask(study: "Study", options: "asking.Options", yes: bool, detach: bool, as_json: bool) -> None:
    """Say what questions would cost, or put them."""
    from diffing.common import words
    from diffing.findings import asking

    if not yes:
        told = asking.estimate(study, options)
        if as_json:
            tell(told.__dict__)
            return
        who = ", ".join(_whom(judge, options.key_env) for judge in asking.judges(study, options))
        cost = words.dollars(told.cost)
        say(
            f"{told.calls:,} answers would be sent to {who}: about {told.tokens_in:,} tokens in and "
            f"{told.tokens_out:,} out, {cost}. Nothing was asked; --yes asks."
        )
        return
    status = do(study, "ask", options, detach, as_json)
    if status is None or as_json:
        return
    result = status.result or {}
    spent = words.dollars(result.get("cost")) if result.get("calls") else "nothing paid"
    say(f"{status.state}: {result.get('calls', 0):,} calls, {spent}, {result.get('failed', 0)} without an answer.")
    if result.get("stopped_by"):
        say(f"Stopped by {result['stopped_by']} with {result.get('left', 0):,} left; the same command goes on.")
    table = asking.table(study, options.a, options.b)
    _figures(table[table["kind"] == "question"])


def _whom(judge: str, key_env: str) -> str:
    from diffing.models import hosts, providers

    point = providers.endpoint(providers.parse(judge, "asked", key_env))
    return f"{point.model} at {hosts.host_of(point.base_url)}"


def _figures(table: "pd.DataFrame") -> None:
    """Probes as the terminal shows them, and what is wrong with those that have no figures."""
    from diffing.diff import selection
    from diffing.findings import asking

    order = selection.judged(table) if len(table) else table
    show([_brief(row) for row in order[order["fault"] == ""].to_dict("records")])
    for row in order.to_dict("records"):
        if row["fault"]:
            say(f"{row['probe']}: {row['fault']}")
        elif row["kind"] == "question":
            say(f"{row['probe']}: {asking.counted_words(row)}")


def _brief(row: dict[str, Any]) -> dict[str, Any]:
    from diffing.common import words

    shares = dict(zip("AB", words.shares(row["frequency_a"], row["frequency_b"]), strict=True))
    figure, name, ends = words.points, "delta", "ci"
    if row["judged_by"] == "amount":
        # Nearly every answer shows it, so that only how often can tell.
        shares = {side: f"{row[f'mean_{side.lower()}']:,.1f} each" for side in "AB"}
        figure, name, ends = words.change, "change", "change"
    change = f"{figure(row[name])} [{figure(row[f'{ends}_low'])}, {figure(row[f'{ends}_high'])}]"
    held = words.ab(row["frequency_a_heldout"], row["frequency_b_heldout"])
    return {
        "probe": row["probe"],
        "what": row["says"],
        **shares,
        "B-A": change,
        "q": words.small(row["q_judged"]),
        "L random tokens": words.points(row["delta_rarefied"]),
        "new prompts A → B": held,
        "new prompts q": words.small(row["q_heldout"]),
    }


def _line(line: "Line") -> str:
    return line.excerpt.plain


def _plain(table: "pd.DataFrame") -> list[dict[str, Any]]:
    from diffing.diff import summary

    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [summary.plain(row) for row in rows]
