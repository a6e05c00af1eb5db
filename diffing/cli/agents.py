"""The command that serves agents: on standard input and output, or beside the dashboard."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from diffing.cli import serve
from diffing.cli.options import finite
from diffing.cli.terminal import say, warn
from diffing.common.errors import UserError
from diffing.common.paths import expanded

app = typer.Typer()


@app.command()
def agents(
    http: Annotated[
        bool, typer.Option("--http/--stdio", help="Beside the dashboard, or on standard input and output.")
    ] = False,
    port: Annotated[int, typer.Option(help="The dashboard's, with --http.", min=1, max=65535)] = serve.PORT,
    may: Annotated[
        list[str] | None,
        typer.Option(help="Paid steps that agents may start: collect,label,draft,baseline,verify,ask."),
    ] = None,
    max_dollars: Annotated[
        float,
        typer.Option(help="What agents may spend in this home in all, restarts included.", min=0, callback=finite),
    ] = 5.0,
    refill: Annotated[bool, typer.Option("--refill", help="Count their spending anew from now on.")] = False,
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model they may name beside openrouter's, openai's and gemini's; repeatable."),
    ] = None,
    workspace: Annotated[
        Path | None,
        typer.Option(help="A TOML file: where their code runs, and what packages, files and secrets it has."),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Let their code run where no wall can be put up around it.")
    ] = False,
    held_out: Annotated[
        bool,
        typer.Option(
            "--held-out", help="Let them read held-out, that is new, prompts; every later claim says so."
        ),
    ] = False,
) -> None:
    """Serve agents by the Model Context Protocol: they read, compare and claim, and spend only what they may.

    Example: `python -m diffing agents --may collect,verify --max-dollars 5`
    """
    if find_spec("mcp") is None:
        raise UserError("Agents need packages that are not installed; install them with 'make extras'.")
    from diffing.agents.purse import Purse
    from diffing.agents.terms import Terms
    from diffing.common.words import dollars

    place = ""
    if workspace is not None:
        from diffing.agents.workshop.workspace import load

        # Read here, so that a slip in it is told before anything is served.
        place = str(expanded(workspace).resolve())
        load(Path(place))
    asked: dict[str, Any] = {"held_out": held_out, "workspace": place, "unwalled": plain}
    terms = Terms.told(may or [], max_dollars=max_dollars, models=tuple(model or ()), **asked)
    purse = Purse(terms.max_dollars)
    if refill:
        purse.refill()
    told = purse.standing()
    spent = f"Agents have spent {dollars(told.spent)} here since {told.since[:10]}; {dollars(told.left)} is left."
    if not http:
        # Standard output is the client's; a client's log shows the rest.
        warn(spent)
        from diffing.agents import server

        server.over_stdio(terms)
        return
    running, ran_already = serve.start(port, agents=terms.plain())
    say(f"Agents are served{' already' if ran_already else ''} on http://127.0.0.1:{port}/agents/mcp")
    say(f"with the header   Authorization: Bearer {(running.agents or {})['token']}")
    say(f"Watch them on     {running.addresses[0]}")
    say(spent)
    say(f"Give the token to the agent alone; 'python -m diffing dashboard --port {port} --stop' ends both.")
