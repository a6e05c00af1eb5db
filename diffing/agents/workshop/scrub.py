"""Keys taken out of what a kernel shows, in the forms in which they come by accident.

Promises that a key does not stand in an output as it is, nor quoted for an address, in base64, in hexadecimal
digits or backwards. Whoever has a key and wants to tell it can: letter by letter, or in a picture. So a key that
must not be told is not exposed.
"""

import base64
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from typing import Any

from diffing.common.escape import throughout

GONE = "[key]"
SHORTEST = 6
"""Characters of a form that is looked for: shorter ones stand in texts by chance."""


class Scrub:
    """Takes these values out of texts."""

    def __init__(self, values: Iterable[str]) -> None:
        forms = {form for value in values if value for form in _forms(value) if len(form) >= SHORTEST}
        self.longest = max(map(len, forms), default=0)
        """Characters: so many at the edge of a text that was cut may be a part of one."""
        # The longest first, so that none is left in part.
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def text(self, text: str) -> str:
        return self._pattern.sub(GONE, text) if self._pattern else text

    def everywhere(self, value: Any) -> Any:
        """A value as JSON has it with every text in it searched."""
        return throughout(self.text, value) if self._pattern else value


def _forms(value: str) -> Iterator[str]:
    data = value.encode()
    plain = (value, urllib.parse.quote(value, safe=""), urllib.parse.quote_plus(value), repr(value)[1:-1])
    encoded = (data.hex(), data.hex().upper(), base64.b32encode(data).decode().rstrip("="))
    for form in (*plain, *encoded, *_base64(data)):
        yield form
        yield form[::-1]


def _base64(data: bytes) -> Iterator[str]:
    """What stands in the base64 of any text that holds the data: at each of three offsets without its edges."""
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + data).decode()
        # The first and the last letters also hold bits of what stands beside.
        first = -(-before * 8 // 6)
        last = (before + len(data)) * 8 // 6
        yield from (whole[first:last], whole[first:last].translate(str.maketrans("+/", "-_")))
