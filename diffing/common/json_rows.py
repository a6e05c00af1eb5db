"""JSON as it comes in: a list's or an object's members one by one, so that a long file is never held whole.

Promises that a member larger than a row may be, one nested too deeply, or a number too long to read is told as one
sentence with its line, and so is whatever is no JSON.
"""

import json
import re
from collections.abc import Collection, Iterator
from typing import IO, Any, Literal

from diffing.common import bounds
from diffing.common.bounds import Limits
from diffing.common.errors import UserError

SPACE = " \t\r\n"
SPACES = re.compile(r"[ \t\r\n]*")
NEAR_END = 16
"""Characters before the end of what is there in which a fault may be no more than a cut: longer than any word or
escape that JSON knows."""
DECODER = json.JSONDecoder()
MARK = re.compile(r'[\[\]{}"]')
"""What opens or closes a value that is passed over."""
IN_TEXT = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
"""A text's characters up to its end, or to an escape that is cut."""

SHORT = 100_000
"""Characters of a document that is read at one stroke."""

Kind = Literal["list", "object", "nothing", "value"]


class Document:
    """One JSON document that is read from its beginning on."""

    def __init__(self, stream: IO[str], name: str, most: Limits) -> None:
        self.name, self.most = name, most
        self._stream = stream
        self._buffer, self._at, self._line, self._before, self._passed = "", 0, 1, 0, 0
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

    def parts(self, opened: Collection[str], passed: Collection[str] = ()) -> Iterator[tuple[str, Any]]:
        """The values under their paths, as `a.b` and `list[]`: those at `opened` paths are given member by member.

        What stands at `passed` paths is passed over unread, however long it is.
        """
        yield from self._parts("", opened, passed)
        if self._next():
            raise self._fault("Extra data", self._at)

    def only_object(self, passed: Collection[str] = ()) -> dict[str, Any]:
        """The object that the document is, without the members that are passed over; no larger than a row."""
        value = self._at_once(passed)
        if value is None:
            value = self._without("", passed)
        if self._next():
            raise self._fault("Extra data", self._at)
        return value

    def _at_once(self, passed: Collection[str]) -> dict[str, Any] | None:
        """The same of a short document, ten times as fast; None where it is long, or wrong somewhere."""
        if len(self._buffer) > SHORT or self._more():
            return None
        try:
            value, self._at = DECODER.raw_decode(self._buffer, self._at)
        except (ValueError, RecursionError):
            # Perhaps in what is passed over.
            return None
        return {name: part for name, part in value.items() if name not in passed}

    def _parts(self, path: str, opened: Collection[str], passed: Collection[str]) -> Iterator[tuple[str, Any]]:
        a_list = self._next() == "["
        end = "]" if a_list else "}"
        self._at += 1
        if self._next() != end:
            while True:
                here = f"{path}[]" if a_list else f"{path}.{self._name()}".removeprefix(".")
                opening = self._next()
                if here in passed:
                    self._pass()
                elif here in opened and opening and opening in "[{":
                    yield from self._parts(here, opened, passed)
                elif opening == "{" and any(other.startswith(f"{here}.") for other in passed):
                    yield here, self._without(here, passed)
                else:
                    yield here, self._value()
                if self._next() != ",":
                    break
                self._at += 1
        self._expect(end)

    def _without(self, path: str, passed: Collection[str]) -> dict[str, Any]:
        """An object without what is passed over in it."""
        start, value = self.taken - self._passed, {}
        for name, part in self._parts(path, (), passed):
            value[name.removeprefix(f"{path}.")] = part
            if self.taken - self._passed - start > self.most.row:
                raise bounds.too_long(self.name, self._line, self.most)
        return value

    def _pass(self) -> None:
        """Go behind a value without taking it in."""
        if self._next() not in ("[", "{", '"'):
            self._value()
            return
        start, depth, in_text = self.taken, 0, False
        while True:
            match = IN_TEXT.match(self._buffer, self._at) if in_text else MARK.search(self._buffer, self._at)
            self._at = match.end() if match else len(self._buffer)
            sign = self._buffer[self._at : self._at + 1] if in_text else match[0] if match else ""
            if not sign or sign == "\\":
                if not self._more():
                    raise self._fault("Unterminated value", self._at)
            elif sign == '"':
                self._at += in_text
                in_text = not in_text
            else:
                depth += 1 if sign in "[{" else -1
            if sign and sign != "\\" and not in_text and not depth:
                self._passed += self.taken - start
                return

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
            # Most often there is none.
            if self._at < len(self._buffer) and self._buffer[self._at] not in SPACE:
                return self._buffer[self._at]
            self._at = SPACES.match(self._buffer, self._at).end()  # type: ignore[union-attr]  # it matches nothing, too
            if self._at < len(self._buffer):
                return self._buffer[self._at]
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
