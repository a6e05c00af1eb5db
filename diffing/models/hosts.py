"""How an address is read: the host it names, and whether that is this machine.

Promises that an address is read in one way only: what is not plainly `http(s)://host[:port]/path` is no address.
Connects to nothing.
"""

import ipaddress
import re

LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
HOST = re.compile(rf"(?P<name>{LABEL}(?:\.{LABEL}){{0,126}}|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?")
ADDRESS = re.compile(r"(?P<scheme>https?)://(?P<host>[^/]+)(?:/[A-Za-z0-9._~%/+:,=-]*)?")
USUAL_PORTS = {"http": "80", "https": "443"}


def host_of(url: str) -> str:
    """Host and port of an address as people would compare them; a `ValueError` for all that is no plain one.

    Stricter than any library: two that read an odd address in two ways would send the key to one host and ask
    about another.
    """
    parts = ADDRESS.fullmatch(url)
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


def here(url: str) -> bool:
    """Whether an address is on this machine: no proxy stands between, and nobody on the way reads what is sent."""
    name = re.sub(r":[0-9]+$", "", host_of(url)).strip("[]")
    try:
        number = ipaddress.ip_address(name)
    except ValueError:
        # A name, of which only this one is sure to be this machine.
        return name == "localhost"
    # Whoever connects to the address of all interfaces reaches this machine.
    return number.is_loopback or number.is_unspecified


def private(url: str) -> bool:
    """Whether nobody on the way can read what is sent: it is encrypted, or does not leave this machine."""
    return url.startswith("https://") or here(url)
