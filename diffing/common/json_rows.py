"""JSON as it comes in: a list's or an object's members one by one, so that a long file is never held whole.

Promises that a member larger than a row may be, one nested too deeply, or a number too long to read is told as one
sentence with its line, and so is whatever is no JSON.
"""

import json
from collections.abc import Iterator
from typing import IO, Any, Literal

from diffing.common import bounds
from diffing.common.bounds import Limits
from diffing.common.errors import UserError

SPACE = " \t\r\n"
NEAR_END = 16
"""Characters before the end of what is there in which a fault may be no more than a cut: longer than any word or
escape that JSON knows."""
DECODER = json.JSONDecoder()

Kind = Literal["list", "object", "nothing", "value"]


class Document:
    """One JSON document that is read from its beginning on."""

    def __init__(self, stream: IO[str], name: str, most: Limits) -> None:
        self.name, self.most = name, most
        self._stream = stream
        self._buffer, self._at, self._line, self._before = "", 0, 1, 0
        opening = self._next()
        kinds: dict[str, Kind] = {"[": "list", "{": "object", "": "nothing"}
        self.kind: Kind = kinds.get(opening, "value")
        """What the document is as a whole."""

    @property
    def taken(self) -> int:
        """Characters that were read so far."""
        return self._before + self._at

    def members(self) -> Iterator[tuple[str, Any]]:
        """A list's values, each under an empty name, or an object's values under their names."""
        end = "]" if self.kind == "list" else "}"
        self._at += 1
        if self._next() != end:
            while True:
                yield (self._name() if self.kind == "object" else ""), self._value()
                if self._next() != ",":
                    break
                self._at += 1
        self._expect(end)
        if self._next():
            raise self._fault("Extra data", self._at)

    def _name(self) -> str:
        if self._next() != '"':
            raise self._fault("Expecting a name in double quotes", self._at)
        name = str(self._value())
        self._expect(":")
        return name

    def _expect(self, sign: str) -> None:
        if self._next() != sign:
            raise self._fault(f"Expecting '{sign}'", self._at)
        self._at += 1

    def _next(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            while self._at < len(self._buffer):
                if self._buffer[self._at] not in SPACE:
                    return self._buffer[self._at]
                self._at += 1
            if not self._more():
                return ""

    def _value(self) -> Any:
        self._next()
        while True:
            try:
                value, end = DECODER.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or error.pos >= len(self._buffer) - NEAR_END
                if cut and self._more():
                    continue
                raise self._fault(error.msg, error.pos) from error
            except (ValueError, RecursionError) as error:
                raise self._fault(reason(error), self._at) from error
            # A number at the end of what is there may go on.
            if end < len(self._buffer) or not self._more():
                self._at = end
                return value

    def _more(self) -> bool:
        """Take in as much again as is there, at least a piece."""
        self._line += self._buffer.count("\n", 0, self._at)
        self._before += self._at
        rest = self._buffer[self._at :]
        if len(rest) > self.most.row:
            raise bounds.too_long(self.name, self._line, self.most)
        piece = self._stream.read(max(bounds.PIECE, len(rest)))
        self._buffer, self._at = rest + piece, 0
        return bool(piece)

    def _fault(self, message: str, at: int) -> UserError:
        return no_json(self.name, self._line + self._buffer.count("\n", 0, at), message)


def no_json(name: str, line: int, message: str) -> UserError:
    return UserError(f"'{name}' is not JSON at line {line} ({message}); mend it.")


def reason(error: Exception) -> str:
    """What was too much for Python's reader, in words."""
    return "it is nested too deeply" if isinstance(error, RecursionError) else "a number has too many digits"
