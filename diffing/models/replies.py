"""Requests and replies as they are kept: what a reply hangs on, what it is, and where all of them are stored.

Promises that the key holds all that changes an answer and nothing that does not, and that nothing but JSON is ever
read back.
"""

import logging
import re
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import diskcache
from pydantic import BaseModel, ValidationError

from diffing.common import files
from diffing.common.damage import Damaged
from diffing.common.errors import UserError

logger = logging.getLogger(__name__)


class Request(NamedTuple):
    """All that changes an answer, and so all that its cache key holds."""

    base_url: str
    model: str
    messages: list[dict[str, str]]
    parameters: dict[str, Any]
    """Temperature, max_tokens and whatever else stands in the request's body."""
    draw: int = 0
    replaces: str = ""
    """Date of the stored answer that is deliberately asked again; empty for a first asking."""

    @property
    def key(self) -> str:
        # The number is the key's form: another would ask for everything anew. Twice the usual digits, since two
        # requests that met would give one the other's answer.
        return files.content_hash(["reply", 1, *self], 32)


class Sent(NamedTuple):
    """A request in the words of a server of our own, which knows a model by another name."""

    request: Request
    served: str
    """What stands in the reply's record as the model that answered."""


class Reply(BaseModel):
    """An answer, or the error in its place."""

    text: str = ""
    reasoning: str = ""
    """What the model thought before, where the provider tells."""
    tools: str = ""
    """The tools that it called, as a JSON list."""
    finish_reason: str = ""
    error: str = ""
    model_served: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    """With those of the reasoning, which are billed too."""
    cost: float | None = None
    """Dollars, as the provider reports it, else from its price; None where neither is known."""
    latency: float | None = None
    """Seconds from sending to the whole reply, without waiting and retries."""
    created: str = ""
    cached: bool = False
    """Whether it came from the cache, and so cost nothing this time."""


class RefusingDisk(diskcache.JSONDisk):  # type: ignore[misc]  # diskcache ships no types
    """Stores JSON and reads nothing else: a pickle somebody put there is never loaded."""

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
        if mode == diskcache.core.MODE_PICKLE:
            raise UserError(f"The reply cache in '{self._directory}' holds a pickle; delete that folder.")
        return super().fetch(mode, filename, value, read)


class Replies(diskcache.Cache):  # type: ignore[misc]  # as above
    """A cache in which a damaged row is no row: it is dropped, asked again, and blocks no other."""

    def get(self, key: str, default: Any = None, **how: Any) -> Any:
        with _named(self.directory):
            try:
                value = super().get(key, default=default, **how)
                if value is default or isinstance(value, dict | list):
                    return value
                fault = "it is no reply"
            except (zlib.error, ValueError, EOFError, TypeError) as error:
                fault = str(error)
            logger.warning("A stored reply is damaged (%s); it is dropped and asked again", fault)
            self.delete(key)
            return default

    def reply(self, key: str) -> Reply | None:
        """The stored reply to a request; None where there is none that can be used."""
        stored = self.get(key)
        if stored is None:
            return None
        try:
            return Reply.model_validate(stored | {"cached": True})
        except (ValidationError, TypeError) as error:
            logger.warning("A stored reply is damaged (%s); it is dropped and asked again", error)
            self.delete(key)
            return None

    def __contains__(self, key: object) -> bool:
        # A row that cannot be read is not there: what asks again has to keep its limits.
        return self.get(str(key)) is not None

    def set(self, key: str, value: Any, **how: Any) -> bool:
        with _named(self.directory):
            return bool(super().set(key, value, **how))


@contextmanager
def _named(folder: str) -> Iterator[None]:
    """Say of a database that cannot be read which one it is, and what moving it away costs."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if not re.search("malformed|not a database|no such (table|column)|disk image", str(error)):
            raise
        raise Damaged(
            Path(folder) / "cache.db",
            str(error),
            "move that folder away: replies that no study holds yet will be asked and paid for again",
        ) from error


# Opening takes a database connection; one home is the rule, and tests go through several.
@lru_cache(maxsize=4)
def _open_cache(folder: str) -> Replies:
    # CVE-2025-69872 of diskcache is about pickles in its folder: RefusingDisk loads none. By default it would also
    # throw out replies that were paid for once they take more than a gigabyte.
    with _named(folder):
        return Replies(folder, disk=RefusingDisk, eviction_policy="none", size_limit=2**62)


def cache() -> Replies:
    """All replies ever stored under this home, by request key."""
    return _open_cache(str(files.cache_dir("replies")))
