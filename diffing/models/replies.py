"""Requests and replies as they are kept: what a reply hangs on, what it is, and where all of them are stored.

Promises that the key holds all that changes an answer and nothing that does not, and that nothing but JSON is ever
read back.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import diskcache
from pydantic import BaseModel

from diffing.common import files
from diffing.common.errors import UserError


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


class Reply(BaseModel):
    """An answer, or the error in its place."""

    text: str = ""
    finish_reason: str = ""
    error: str = ""
    model_served: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
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


# Opening takes a database connection; one home is the rule, and tests go through several.
@lru_cache(maxsize=4)
def _open_cache(folder: str) -> diskcache.Cache:
    # CVE-2025-69872 of diskcache is about pickles in its folder: RefusingDisk loads none. By default it would also
    # throw out replies that were paid for once they take more than a gigabyte.
    return diskcache.Cache(folder, disk=RefusingDisk, eviction_policy="none", size_limit=2**62)


def cache() -> diskcache.Cache:
    """All replies ever stored under this home, by request key."""
    return _open_cache(str(files.cache_dir("replies")))
