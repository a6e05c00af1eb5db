"""The beginning of a file, by which its format is known: whatever its name says.

Reads no more than a row. Promises to raise nothing on a file of any content: what cannot be told is absent.
"""

import io
import json
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from diffing.common import bounds
from diffing.common.errors import UserError
from diffing.common.json_rows import Document
from diffing.study.logs import zipped

LOOK = 200_000
"""Characters that are looked at for the names in an object: tools write the telling ones first."""


class Head(NamedTuple):
    """What a format is known by."""

    name: str
    names: frozenset[str] = frozenset()
    """Of one JSON object: the names in it, as far as the look goes."""
    first: Any = None
    """Of JSON lines or a JSON list: the first value."""
    entries: frozenset[str] | None = None
    """Of a zip archive: the names of its entries."""


def of(path: Path) -> Head:
    with path.open("rb") as file:
        if file.read(4) == zipped.MAGIC:
            with zipped.opened(path, bounds.limits()) as archive:
                return Head(path.name, entries=frozenset(archive.entries))
    packing = path.suffix.lower() if path.suffix.lower() in bounds.UNPACK else ""
    most = bounds.limits()
    try:
        with bounds.text(path, packing, most, "\n") as stream:
            start = stream.read(LOOK)
            line, _, rest = start.partition("\n")
            # A first line that is longer than the look is taken up to what a row may have.
            line += "" if rest or len(start) < LOOK else stream.readline(most.row)
    except (UserError, UnicodeDecodeError, *bounds.FAULTS):
        return Head(path.name)
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    names, member = _looked_at(path.name, start)
    if value is not None and rest.strip():
        # The first of many lines, whose names are a table's columns.
        names = set()
    return Head(
        path.name, frozenset(names), member if isinstance(value, list) and not rest.strip() else value or member
    )


def _looked_at(name: str, start: str) -> tuple[set[str], Any]:
    """Of one JSON document: the names in an object, or a list's first value."""
    names: set[str] = set()
    # What is cut ends in a fault; what was found till then counts.
    with suppress(UserError):
        whole = Document(io.StringIO(start), name, bounds.limits())
        if whole.kind == "list":
            return names, next((value for _, value in whole.members()), None)
        if whole.kind == "object":
            names.update(path for path, _ in whole.parts({"results"}))
    return names, None
