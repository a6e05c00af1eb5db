"""Which key may go where beside a provider's own: what the person at this machine allowed, by host and variable.

It stands in `config/keys.json` of the home, outside every study, for its owner's eyes: hosts and names of
variables, never a key. Promises that nothing in a study's folder can add to it, and that an address is read in one
way only: what is not plainly `http(s)://host[:port]/path` is no address. Sends nothing and reads no variable.
"""

import ipaddress
import re
from pathlib import Path
from typing import Any, NamedTuple

from diffing.common import files
from diffing.common.errors import UserError

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
HOST = re.compile(r"(?P<name>[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
ADDRESS = re.compile(r"(?P<scheme>https?)://(?P<host>[^/]+)(?:/[A-Za-z0-9._~%/+:,=-]*)?")
USUAL_PORTS = {"http": "80", "https": "443"}


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


def host_of(address: str) -> str:
    """Host and port of an address as people would compare them; a `ValueError` for all that is no plain one.

    Stricter than any library: two that read an odd address in two ways would send the key to one host and ask
    about another.
    """
    parts = ADDRESS.fullmatch(address)
    if parts is None:
        raise ValueError("this is no plain address; write http(s)://host[:port]/path, other hosts in punycode")
    host = plain_host(parts["host"])
    name, _, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "")
    return name if name and port == USUAL_PORTS[parts["scheme"]] else host


def plain_host(text: str) -> str:
    """A host, with its port where it has one; a `ValueError` for what is none."""
    parts = HOST.fullmatch(text.lower())
    if parts is None:
        raise ValueError("this is no host; write it as in an address, 'name' or 'name:port'")
    if parts["port"] and not 0 < int(parts["port"]) < 2**16:
        raise ValueError("a port is a number from 1 to 65535; correct it")
    if parts["name"].startswith("["):
        # Raises a ValueError of its own where it is none.
        return f"[{ipaddress.ip_address(parts['name'][1:-1])}]" + text.lower()[parts.end("name") :]
    return text.lower()


def private(address: str) -> bool:
    """Whether nobody on the way can read what is sent: it is encrypted, or does not leave this machine."""
    if address.startswith("https://"):
        return True
    name = re.sub(r":[0-9]+$", "", host_of(address)).strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        # A name, of which only this one is sure to be this machine.
        return name == "localhost"


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
    pair = _pair(host, variable)
    _write([*(each for each in pairs() if each != pair), pair])
    return pair


def take_back(host: str, variable: str) -> bool:
    """Allow it no more; whether it was allowed."""
    pair, before = _pair(host, variable), pairs()
    if pair in before:
        _write([each for each in before if each != pair])
    return pair in before


def _pair(host: str, variable: str) -> Pair:
    if not VARIABLE.fullmatch(variable):
        # Not repeated here: it may be the key itself, which must not be shown or stored.
        raise UserError("What stands for the key's variable is no variable's name; set the key in one, name that.")
    try:
        return Pair(host_of(host) if "//" in host else plain_host(host), variable)
    except ValueError as error:
        raise UserError(f"'{host}' is no host: {error}.") from error


def _write(wanted: list[Pair]) -> None:
    with files.locked(path().with_suffix(".lock")):
        path().parent.chmod(0o700)
        files.write_json(path(), {"allowed": [list(pair) for pair in wanted]})
