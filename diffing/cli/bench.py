"""Commands of the benchmark: agents run over pairs whose truth is known, the table of what came of it, its viewer.

Nothing is asked before a model is named, and `--dry-run` says what a run takes.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from diffing.cli.options import AsJson, DryRun, finite
from diffing.cli.terminal import paragraph, say, show, tell, warn
from diffing.common.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(
    no_args_is_help=True,
    help="Which way of looking finds a known change, and which invents one where there is none? "
    "Example: `python -m diffing bench run --model openrouter:openai/gpt-4o-mini --dry-run`",
)

Logs = Annotated[str, typer.Argument(help="Name of a run; the latest unless named.", metavar="NAME")]


def needed() -> None:
    """What the benchmark needs beside the rest is there."""
    if find_spec("inspect_ai") is None or find_spec("mcp") is None:
        raise UserError("The benchmark needs packages that are not installed; install them with 'make extras'.")


@app.command()
def organisms(as_json: AsJson = False) -> None:
    """List the pairs whose truth is known.

    Example: `python -m diffing bench organisms`
    """
    from diffing.agents.benchmark import truth

    rows = [
        {
            "organism": each.name,
            "tier": each.tier,
            "kind": each.kind,
            "made by": each.made.by,
            "strengths": ", ".join(each.made.strengths),
            "changes": len(each.items),
            "truth": each.sentence,
        }
        for each in truth.known().values()
    ]
    if as_json:
        tell(rows)
        return
    show(rows)


@app.command()
def run(
    model: Annotated[str, typer.Option(help="The agent, as PROVIDER:MODEL or URL#MODEL.")] = "",
    judge: Annotated[
        str,
        typer.Option(help="Who says which change a claim means where that cannot be counted; of another family."),
    ] = "",
    arm: Annotated[
        list[str] | None,
        typer.Option(
            help="blackbox, answers, notebook, inside:METHOD, inside:all, battery, plain or human; repeatable. "
            "blackbox, answers, battery and plain unless given."
        ),
    ] = None,
    tier: Annotated[
        list[int] | None,
        typer.Option(help="0 ships, 1 asks an endpoint, 2 needs weights; repeatable.", min=0, max=2),
    ] = None,
    organism: Annotated[
        list[str] | None, typer.Option(help="Only these, as NAME or NAME:STRENGTH; repeatable.")
    ] = None,
    epochs: Annotated[int, typer.Option(help="Runs of each arm on each pair.", min=1, max=100)] = 5,
    framing: Annotated[
        Literal["neutral", "presupposing"],
        typer.Option(help="Whether an agent is told that nothing may differ, or that something does."),
    ] = "neutral",
    messages: Annotated[int, typer.Option(help="Of a run, at most.", min=4, max=1000)] = 80,
    tokens: Annotated[int, typer.Option(help="Of a run, at most.", min=1000)] = 300_000,
    max_dollars: Annotated[float, typer.Option(help="Of a run, at most.", min=0.001, callback=finite)] = 1.0,
    minutes: Annotated[float, typer.Option(help="Of a run, at most.", min=0.1, callback=finite)] = 30.0,
    verifier: Annotated[
        str, typer.Option(help="Who judges claims on held-out, that is new, prompts where they cannot be counted.")
    ] = "",
    pairs_from: Annotated[
        str, typer.Option(help="The endpoint whose answers pairs of tier 1 are made of, as PROVIDER:MODEL.")
    ] = "",
    prompts: Annotated[int, typer.Option(help="That it is asked for each pair.", min=20, max=300)] = 130,
    pair_dollars: Annotated[
        float | None, typer.Option(help="Of collecting one pair, at most.", min=0.001, callback=finite)
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides which side is called A.", min=0)] = 0,
    name: Annotated[str, typer.Option(help="Of the run; one of that name goes on where it stands.")] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Run agents over pairs whose truth is known, and over a pair in which nothing changed.

    Example: `python -m diffing bench run --model openrouter:openai/gpt-4o-mini --arm answers --arm blackbox`
    """
    from diffing.agents.benchmark import asked, running
    from diffing.common.step import checked
    from diffing.common.words import dollars

    told: dict[str, Any] = {"model": model, "judge": judge, "verifier": verifier, "epochs": epochs, "seed": seed}
    told |= {
        "framing": framing,
        "messages": messages,
        "tokens": tokens,
        "dollars": max_dollars,
        "minutes": minutes,
    }
    told |= {"name": name, "organisms": organism or [], "pairs_from": pairs_from, "prompts": prompts}
    told |= {"pair_dollars": pair_dollars}
    told |= ({"arms": arm} if arm else {}) | ({"tiers": tier} if tier else {})
    options = checked("bench run", running.Options, told)
    if dry_run:
        prices = (asked.priced(each) if each else None for each in (model, judge, pairs_from))
        taking = running.taking(options, *prices)
        if as_json:
            tell(vars(taking))
            return
        cost = dollars(taking.dollars)
        say(f"{taking.runs:,} runs: at most {taking.calls:,} calls, {taking.tokens:,} tokens, {cost}.")
        for each in taking.left_out:
            say(f"{each} has nothing to look at in some of these pairs and leaves them out.")
        return
    needed()
    if not model:
        raise UserError("No model is named; name the agent with --model, or look at what it takes with --dry-run.")
    if not judge:
        warn("No --judge: a claim that cannot be counted stays unjudged.")
    folder = running.run(options)
    say(f"The logs are in '{folder.name}'.")
    _table(folder.name, as_json)


@app.command()
def table(name: Logs = "", as_json: AsJson = False) -> None:
    """What came of a run: arms with nulls first, what each found, what it cost, and how arms compare.

    Example: `python -m diffing bench table`
    """
    needed()
    _table(name, as_json)


@app.command()
def view(
    name: Logs = "",
    port: Annotated[
        int, typer.Option(help="Where the viewer listens, on this machine only.", min=1, max=65535)
    ] = 7575,
) -> None:
    """Open a run's transcripts in Inspect's own viewer, until Ctrl-C.

    Example: `python -m diffing bench view`
    """
    needed()
    from inspect_ai._view.view import view as viewer

    from diffing.agents.benchmark import results, running

    folder = running.logs(results.named(name))
    say(f"Transcripts of '{folder.name}' on http://127.0.0.1:{port}")
    # Models wrote what is in them: shown as plain text.
    viewer(log_dir=str(folder), port=port, trust_content=False)


def _table(name: str, as_json: bool) -> None:
    from diffing.agents.benchmark import results
    from diffing.agents.benchmark import table as tables
    from diffing.agents.benchmark.statistics import ordered

    runs, claims = results.of(results.named(name))
    arms, against = tables.arms(runs, claims), tables.comparisons(runs)
    model = ordered(tables.graded(runs))
    if as_json:
        tell(
            {
                "arms": _plain(arms),
                "comparisons": _plain(against),
                "ordered": vars(model),
                "calibration": _plain(tables.calibration(claims)),
                "verification": tables.against_q(claims),
                "runs": _plain(runs.drop(columns=["grades", "found"])),
            }
        )
        return
    show(_rows(arms, tables.SHOWN))
    for row in _plain(against):
        paragraph(tables.compared_in_words(row))
    paragraph(tables.ordered_in_words(model))
    verified = tables.against_q(claims)
    paragraph(
        "Our held-out verification against the truth: "
        + ", ".join(f"{key} {many}" for key, many in verified.items())
    )
    for row in _plain(runs[~runs["handed"]]):
        say(f"{row['arm']} on {row['task']}, epoch {row['epoch']}: {row['why']}")


def _plain(table: "pd.DataFrame") -> list[dict[str, Any]]:
    """Rows as plain values, None where nothing is known."""
    from diffing.agents.benchmark import table as tables

    return [tables.plain(row) for row in table.to_dict("records")]


def _rows(table: "pd.DataFrame", shown: dict[str, str]) -> list[dict[str, str]]:
    """Some columns as text."""
    return [
        {name: "–" if row[name] is None else format(row[name], form) for name, form in shown.items()}
        for row in _plain(table)
    ]
