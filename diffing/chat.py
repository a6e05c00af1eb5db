"""The one client for OpenAI-compatible endpoints: asks, retries, stores each reply before it is counted.

Used for collecting answers and for every later step that asks a language model. Promises that a reply once
stored is never asked for again, that a failure comes back as data, and that no key reaches a file or a message.
Does not promise that a reply cut off on its way was not billed.
"""

import asyncio
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, NamedTuple

import diskcache
import openai
from openai import AsyncOpenAI
from pydantic import BaseModel

from diffing import files, providers, tables
from diffing.errors import UserError
from diffing.providers import Endpoint, Price

RETRIED_STATUS = {408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529}
LONGEST_WAIT = 120.0
"""Seconds; a `Retry-After` beyond it is a failure of this row rather than a silent stall."""


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


class _NotAReply(Exception):
    """The server answered with something that is no chat completion."""


class RefusingDisk(diskcache.JSONDisk):  # type: ignore[misc]  # diskcache ships no types
    """Stores JSON and reads nothing else: a pickle somebody put there is never loaded."""

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
        if mode == diskcache.core.MODE_PICKLE:
            raise UserError(f"The reply cache in '{self._directory}' holds a pickle; delete that folder.")
        return super().fetch(mode, filename, value, read)


@lru_cache(maxsize=4)
def _open_cache(folder: str) -> diskcache.Cache:
    return diskcache.Cache(folder, disk=RefusingDisk, eviction_policy="none", size_limit=2**62)


def cache() -> diskcache.Cache:
    """All replies ever stored under this home, by request key."""
    return _open_cache(str(files.cache_dir("replies")))


class ChatClient:
    """Asks any number of endpoints at once, each with its own bounded concurrency."""

    def __init__(self, concurrency: int = 32, timeout: float = 300.0, attempts: int = 6) -> None:
        self.concurrency = concurrency
        self.timeout = timeout
        self.attempts = attempts
        self._clients: dict[tuple[str, str], AsyncOpenAI] = {}
        self._gates: dict[str, asyncio.Semaphore] = {}

    async def __aenter__(self) -> "ChatClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients.values():
            await client.close()

    async def ask(self, point: Endpoint, request: Request, price: Price | None = None) -> Reply:
        """The stored reply, else a fresh one, which is stored before it is returned; errors come back as data."""
        stored = cache().get(request.key)
        if stored is not None:
            return Reply.model_validate(stored | {"cached": True})
        gate = self._gates.setdefault(point.base_url, asyncio.Semaphore(self.concurrency))
        async with gate:
            reply = await self._ask_with_retries(point, request)
        if (
            reply.cost is None
            and price is not None
            and reply.tokens_in is not None
            and reply.tokens_out is not None
        ):
            reply.cost = price.of(reply.tokens_in, reply.tokens_out)
        if not reply.error:
            cache().set(request.key, reply.model_dump(exclude={"cached"}))
        return reply

    async def models(self, point: Endpoint) -> dict[str, Price | None] | None:
        """Ids the endpoint serves, with prices where it states them; None where it keeps no list."""
        try:
            page = await self._client(point).with_options(timeout=30).models.list()
        except openai.AuthenticationError as error:
            raise UserError(f"{point.base_url} refuses the key in {point.key_env}; set a valid one.") from error
        except openai.APIStatusError:
            return None
        except openai.APIConnectionError as error:
            raise UserError(
                f"{point.base_url} cannot be reached ({_cause(error)}); check the address and your network."
            ) from error
        except (ValueError, TypeError, AttributeError):
            # A list that is not JSON is no list.
            return None
        found: dict[str, Price | None] = {}
        for model in getattr(page, "data", None) or []:
            found[str(model.id).removeprefix("models/")] = _listed_price(getattr(model, "pricing", None))
        return found or None

    async def check_model(self, point: Endpoint) -> Price | None:
        """The model's price after making sure that it is still served; spends nothing."""
        providers.need_key(point)
        served = await self.models(point)
        if served is None:
            return providers.price(point.model)
        if point.model.removeprefix("models/") not in served:
            near = get_close_matches(point.model, served, n=3, cutoff=0.4)
            hint = f"another id ({', '.join(near)})" if near else "another id"
            raise UserError(
                f"{point.base_url} does not serve '{point.model}' (any more); "
                f"use {hint}, or 'import' answers saved earlier."
            )
        return served[point.model.removeprefix("models/")] or providers.price(point.model)

    def _client(self, point: Endpoint) -> AsyncOpenAI:
        where = (point.base_url, point.key_env)
        if where not in self._clients:
            # Retries are ours: the library's own would not cover replies that are no completion.
            self._clients[where] = AsyncOpenAI(
                base_url=point.base_url, api_key=providers.need_key(point), max_retries=0, timeout=self.timeout
            )
        return self._clients[where]

    async def _ask_with_retries(self, point: Endpoint, request: Request) -> Reply:
        for attempt in range(1, self.attempts + 1):
            try:
                return await self._ask_once(point, request)
            except (openai.OpenAIError, _NotAReply) as error:
                if _is_block(error):
                    return Reply(finish_reason="content_filter", created=_now())
                wait = _wait(error, attempt)
                if wait is None or attempt == self.attempts:
                    return Reply(error=_redacted(error, point, attempt), created=_now())
                await asyncio.sleep(wait)
        raise AssertionError("unreachable: the last attempt returns")

    async def _ask_once(self, point: Endpoint, request: Request) -> Reply:
        begun = time.perf_counter()
        body = dict(request.parameters)
        if point.provider == "openrouter":
            # Asks for the cost in the reply's usage.
            body.setdefault("usage", {"include": True})
        try:
            completion = await self._client(point).chat.completions.create(
                model=request.model,
                messages=request.messages,  # type: ignore[arg-type]
                extra_body=body,
            )
        except (ValueError, TypeError) as error:
            raise _NotAReply(f"the reply is no JSON ({error})") from error
        return _reply(completion, time.perf_counter() - begun)


def _reply(completion: Any, latency: float) -> Reply:
    """A completion's fields, checked one by one: compatible servers leave out or misspell many."""
    inside = getattr(completion, "error", None)
    choices = getattr(completion, "choices", None)
    if not choices:
        reason = inside.get("message") if isinstance(inside, Mapping) else None
        raise _NotAReply(str(reason or "the reply holds no choices"))
    if getattr(choices[0], "finish_reason", None) == "error":
        raise _NotAReply("the provider broke off the reply")
    message = choices[0].message
    usage = getattr(completion, "usage", None)
    text = getattr(message, "content", None) or getattr(message, "refusal", None) or ""
    cost = getattr(usage, "cost", None)
    return Reply(
        text=tables.clean(str(text)),
        finish_reason=str(getattr(choices[0], "finish_reason", "") or ""),
        model_served=str(getattr(completion, "model", "") or ""),
        tokens_in=getattr(usage, "prompt_tokens", None),
        tokens_out=getattr(usage, "completion_tokens", None),
        cost=float(cost) if isinstance(cost, int | float) else None,
        latency=round(latency, 3),
        created=_now(),
    )


def _wait(error: Exception, attempt: int) -> float | None:
    """Seconds before the next attempt, or None where another attempt would not help."""
    # Full jitter keeps a refused crowd from coming back together.
    backoff = random.uniform(0.5, 1.0) * min(60.0, 2.0 ** (attempt - 1))
    if isinstance(error, openai.APIStatusError):
        if error.status_code not in RETRIED_STATUS or _code(error) == "insufficient_quota":
            return None
        told = _retry_after(error.response.headers)
        if told is not None:
            return None if told > LONGEST_WAIT else told + random.uniform(0, 0.25)
    return backoff


def _code(error: openai.APIStatusError) -> str:
    return str(error.code or "")


def _is_block(error: Exception) -> bool:
    """Whether a filter before the model turned the prompt away: an outcome to count, not a failure to retry."""
    if not isinstance(error, openai.APIStatusError) or error.status_code not in (400, 403):
        return False
    return _code(error) == "content_filter" or "moderation" in error.message.lower()


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait, from any of the three forms the header takes."""
    if headers.get("retry-after-ms", "").isdigit():
        return int(headers["retry-after-ms"]) / 1000
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        then = datetime.strptime(value, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return None
    return max(0.0, (then - datetime.now(UTC)).total_seconds())


def _redacted(error: Exception, point: Endpoint, attempts: int) -> str:
    """What went wrong in one line, without the key that some servers repeat in their message."""
    if isinstance(error, openai.APIStatusError):
        words = f"HTTP {error.status_code}: {error.message}"
    elif isinstance(error, openai.APITimeoutError):
        words = "no reply in time"
    else:
        words = _cause(error)
    key = providers.key_of(point.key_env) if point.key_env else None
    if key:
        words = words.replace(key, "[key]")
    return f"{tables.clean(' '.join(words.split()))[:500]} (after {attempts} attempt{'s' * (attempts > 1)})"


def _cause(error: BaseException) -> str:
    """The innermost reason: the outer one of a connection error only says 'Connection error.'."""
    inner = error
    while inner.__cause__ is not None:
        inner = inner.__cause__
    return str(inner) or type(inner).__name__


def _listed_price(pricing: Any) -> Price | None:
    """OpenRouter states dollars a token as text in its model list."""
    try:
        return Price(float(pricing["prompt"]), float(pricing["completion"]))
    except (TypeError, KeyError, ValueError):
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
