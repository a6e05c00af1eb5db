"""Which key may go where beside a provider's own: what the person at this machine allowed, by host and variable.

It stands in `config/keys.json` of the home, outside every study, for its owner's eyes: hosts and names of
variables, never a key. Promises that nothing in a study's folder can add to it. Sends nothing and reads no
variable.
"""

import re
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from diffing.common import files, who
from diffing.common.errors import UserError
from diffing.models import hosts

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
"""What an environment variable may be called; a key with a dash, as OpenAI's and OpenRouter's, is no such name."""


class Pair(NamedTuple):
    """A key's variable and the host that it may go to."""

    host: str
    """`name` or `name:port`; another port of one machine may be another person's server."""
    variable: str


class NotAllowed(UserError):
    """A key that would go where nobody at this machine has let it go."""

    def __init__(self, pair: Pair) -> None:
        super().__init__(
            f"The key in {pair.variable} is not allowed to go to {pair.host}; if you know that address, allow it "
            f"with 'python -m diffing allow {pair.host} {pair.variable}'."
        )
        self.pair = pair


def path() -> Path:
    return files.home() / "config" / "keys.json"


def pairs() -> list[Pair]:
    """All that was allowed."""
    if not path().exists():
        return []
    try:
        told: Any = files.read_json(path())["allowed"]
        return [Pair(str(host), str(variable)) for host, variable in told]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"'{path()}', which says what keys may go where, cannot be read; delete it and allow them again."
        ) from error


def allow(host: str, variable: str) -> Pair:
    """Let a key go to a host from now on; `host` may be a whole address."""
    # The key is the owner's: an editor could send it to a server of their own.
    pair = _pair(host, variable)
    who.needs_owner("Letting a key go somewhere", f"python -m diffing allow {pair.host} {pair.variable}")
    with _held():
        _write([*(each for each in pairs() if each != pair), pair])
    return pair


def take_back(host: str, variable: str) -> bool:
    """Allow it no more; whether it was allowed."""
    pair = _pair(host, variable)
    who.needs_owner(
        "Taking a key back from somewhere", f"python -m diffing allow {pair.host} {pair.variable} --take-back"
    )
    with _held():
        before = pairs()
        if pair in before:
            _write([each for each in before if each != pair])
    return pair in before


def _pair(host: str, variable: str) -> Pair:
    if not VARIABLE.fullmatch(variable):
        # Not repeated here: it may be the key itself, which must not be shown or stored.
        raise UserError("What stands for the key's variable is no variable's name; set the key in one, name that.")
    try:
        return Pair(hosts.host_of(host) if "//" in host else hosts.plain_host(host), variable)
    except ValueError as error:
        raise UserError(f"'{host}' is no host: {error}.") from error


def _held() -> AbstractContextManager[bool]:
    """Held from reading to writing: of two who allow at once neither undoes the other."""
    return files.locked(path().with_suffix(".lock"))


def _write(wanted: list[Pair]) -> None:
    path().parent.chmod(0o700)
    files.write_json(path(), {"allowed": [list(pair) for pair in wanted]})
