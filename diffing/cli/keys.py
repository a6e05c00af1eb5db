"""Which key may go where: the command that says so, and the question before a step that would need it.

Whoever types an address and a variable in one command has said so; whoever opens a study has not, and is asked in
a terminal that can be answered. Elsewhere the step itself refuses, with the command that allows it.
"""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from diffing.cli.options import AsJson
from diffing.cli.terminal import errors, say, show, tell, warn
from diffing.common.errors import UserError

if TYPE_CHECKING:
    from diffing.models.providers import Checkpoint, Endpoint

app = typer.Typer()


@app.command("allow")
def allow_command(
    host: Annotated[str, typer.Argument(help="Host that may get a key, with its port where one is written.")] = "",
    variable: Annotated[str, typer.Argument(help="Variable that holds the key.")] = "",
    take_back: Annotated[bool, typer.Option("--take-back", help="Allow it no more.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a key go to a host; without a host, list what is allowed. A provider's own key needs none of this.

    Example: `python -m diffing allow gateway.example.com GATEWAY_KEY`
    """
    from diffing.models import allowed

    if not host:
        rows = [pair._asdict() for pair in allowed.pairs()]
        tell(rows) if as_json else show(rows)
        if not rows and not as_json:
            say("No key may go anywhere but to its provider.")
    elif not variable:
        raise UserError(f"No variable is named for {host}; write 'allow HOST VARIABLE'.")
    elif take_back:
        was = allowed.take_back(host, variable)
        say(f"The key in {variable} may not go to {host}{' any more' if was else ', and might not before'}.")
    else:
        pair = allowed.allow(host, variable)
        say(f"The key in {pair.variable} may go to {pair.host} from now on.")


def typed(points: "Iterable[Endpoint]") -> None:
    """Addresses and variables that stand in the command itself: its author has allowed them."""
    from diffing.models import allowed, providers

    for point in points:
        pair = providers.unsettled(point)
        if pair is not None:
            allowed.allow(*pair)
            warn(f"The key in {pair.variable} may go to {pair.host} from now on ('allow' lists and takes back).")


def typed_model(model: str, key_env: str) -> None:
    """The same for a model to ask, where both were named."""
    from diffing.models import providers

    if model and key_env:
        typed([providers.endpoint(providers.parse(model, "asked", key_env))])


def ask(checkpoints: "Iterable[Checkpoint]") -> None:
    """Ask about each key of a study that would go where it may not go yet, if there is somebody to ask."""
    from diffing.models import allowed, providers

    if not (sys.stdin.isatty() and errors.is_terminal):
        return
    for point in providers.endpoints(checkpoints):
        pair = providers.unsettled(point)
        if pair is None:
            continue
        warn(f"This study would send the key in {pair.variable} to {pair.host}.")
        if typer.confirm("Is that address yours or one that you trust with this key?", default=False, err=True):
            allowed.allow(*pair)
