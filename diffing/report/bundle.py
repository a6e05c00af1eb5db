"""A report's folder while it is being filled: whatever goes in as text is searched for keys.

Promises that no key that this program knows stands in a file that it wrote, and counts what it took out.
"""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import pandas as pd

from diffing.common import outfile, tables
from diffing.common.keys import holds_key, known_key, looks_like_key
from diffing.models import providers
from diffing.models.providers import Checkpoint

GONE = "[key]"
"""What stands where a key was."""
T = TypeVar("T")


class Bundle:
    """The folder being filled; whatever goes in as text is searched for keys."""

    def __init__(self, folder: Path, hidden: list[str]) -> None:
        self.folder = folder
        self.hidden = hidden
        self.scrubbed: dict[str, int] = {}
        """By file how often a key was taken out of it."""

    def data(self, name: str, content: bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    def clean(self, value: T) -> T:
        """A value with the keys taken out of every text in it."""
        return cast(T, _throughout(self._without, value))

    def _without(self, text: str) -> str:
        for key in self.hidden:
            text = text.replace(key, GONE)
        return text

    def text(self, name: str, content: str) -> None:
        for key in self.hidden:
            times = content.count(key)
            if times:
                content = content.replace(key, GONE)
                self.scrubbed[name] = self.scrubbed.get(name, 0) + times
        self.data(name, tables.clean(content).encode())

    def json(self, name: str, value: Any) -> None:
        self.text(name, json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False) + "\n")

    def csv(self, name: str, table: pd.DataFrame) -> None:
        path = self.folder / name
        tables.write_csv(path, outfile.harmless_cells(table))
        self.text(name, path.read_text(encoding="utf-8"))


def _throughout(change: Callable[[str], str], value: Any) -> Any:
    """A value of named tuples, tuples and lists with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if not isinstance(value, list | tuple):
        return value
    parts = [_throughout(change, part) for part in value]
    return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)


def secrets(checkpoints: Sequence[Checkpoint]) -> list[str]:
    """Values of this machine's keys, the longest first, so that none is left in part.

    A checkpoint's variable counts where its key may be sent: else a study could name any variable and learn from
    the gaps in its report what it holds.
    """
    points = [point for point in providers.endpoints(checkpoints) if providers.unsettled(point) is None]
    named = {each.key_env for each in providers.PROVIDERS.values()} | {point.key_env for point in points}
    known = {providers.key_of(name) or "" for name in (named | {"HF_TOKEN"}) - {""}}
    # And whatever looks like one by its variable's name too: an error may quote a key of another service.
    alike = {value for name, value in os.environ.items() if holds_key(name) and looks_like_key(value)}
    return sorted({key for key in known if known_key(key)} | alike, key=lambda key: (-len(key), key))
