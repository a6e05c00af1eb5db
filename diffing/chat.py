"""The one client for OpenAI-compatible endpoints: asks, retries, stores each reply before it is counted.

Used for collecting answers and for every later step that asks a language model. Promises that a reply once
stored is never asked for again, that one request's failure comes back as data, and that no key reaches a file
or a message. Raises only where no further request could do better: a refused key, no credit, an unknown model.
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
from diffing.completions import read_completion, read_models
from diffing.errors import UserError
from diffing.providers import Endpoint, Price

RETRIED_STATUS = {408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529}
FIRST_WAIT = 1.0
"""Seconds at most before the second attempt; doubled before each further one."""
LONGEST_WAIT = 120.0
"""Seconds; a `Retry-After` beyond it is a failure of this row rather than a silent stall."""
GRACE_SECONDS = 20.0
"""How long a run that is told to stop waits for replies on their way: they may be paid for already."""


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


class _Fault(Exception):
    """Why one attempt brought no answer."""

    def __init__(self, words: str, status: int = 0, code: str = "", retry_after: float | None = None) -> None:
        super().__init__(words)
        self.words = words
        self.status = status
        """HTTP status; 0 where there was no reply or no completion in it."""
        self.code = code
        self.retry_after = retry_after
        """Seconds that the server asked to wait."""

    @property
    def blocks(self) -> bool:
        """Whether a filter before the model turned the prompt away: an outcome to count, not to retry."""
        filtered = self.code == "content_filter" or "moderation" in self.words.lower()
        return self.status in (400, 403) and filtered

    def wait(self, attempt: int) -> float | None:
        """Seconds before the next attempt, or None where another attempt would not help."""
        if self.status and self.status not in RETRIED_STATUS:
            return None
        if self.retry_after is not None:
            return None if self.retry_after > LONGEST_WAIT else self.retry_after + random.uniform(0, 0.25)
        # Jitter keeps a refused crowd from coming back together.
        return random.uniform(0.5, 1.0) * min(60.0, FIRST_WAIT * 2.0 ** (attempt - 1))


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
    # CVE-2025-69872 of diskcache is about pickles: RefusingDisk refuses them, and keys are never listed.
    return _open_cache(str(files.cache_dir("replies")))


class ChatClient:
    """Asks any number of endpoints at once, each with its own bounded concurrency."""

    def __init__(self, concurrency: int = 32, timeout: float = 300.0, attempts: int = 6) -> None:
        self.concurrency = concurrency
        self.timeout = timeout
        """Seconds for a whole reply; a server that drips bytes does not extend it."""
        self.attempts = attempts
        self.stopping = asyncio.Event()
        self._clients: dict[tuple[str, str], AsyncOpenAI] = {}
        self._gates: dict[str, asyncio.Semaphore] = {}

    async def __aenter__(self) -> "ChatClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients.values():
            await client.close()

    async def ask(self, point: Endpoint, request: Request, price: Price | None = None) -> Reply:
        """The stored reply, else a fresh one, which is stored before it is returned."""
        stored = cache().get(request.key)
        if stored is not None:
            return Reply.model_validate(stored | {"cached": True})
        gate = self._gates.setdefault(point.base_url, asyncio.Semaphore(self.concurrency))
        async with gate:
            reply = await self._ask_with_retries(point, request)
        if reply.error:
            return reply
        if reply.cost is None and price is not None and None not in (reply.tokens_in, reply.tokens_out):
            reply.cost = price.of(reply.tokens_in or 0, reply.tokens_out or 0)
        cache().set(request.key, reply.model_dump(exclude={"cached"}))
        return reply

    def wind_down(self) -> None:
        """Let calls on their way come back, and make no further attempt where one failed."""
        self.stopping.set()

    async def models(self, point: Endpoint) -> dict[str, Price | None]:
        """Ids the endpoint serves, with prices where it states them; empty where it keeps no list."""
        try:
            client = self._client(point).with_options(timeout=30, max_retries=2)
            listed = await client.models.with_raw_response.list()
        except openai.AuthenticationError as error:
            raise UserError(_refused(point)) from error
        except openai.APIStatusError:
            return {}
        except openai.APIConnectionError as error:
            raise UserError(
                f"{point.base_url} cannot be reached ({_cause(error)}); check the address and your network."
            ) from error
        return read_models(listed.http_response.content)

    async def check_model(self, point: Endpoint) -> Price | None:
        """The model's price after making sure that it is still served; spends nothing."""
        served, model = await self.models(point), point.model.removeprefix("models/")
        # A suffix such as ':nitro' chooses among a listed model's servers and is not listed itself.
        listed = next((name for name in (model, model.rpartition(":")[0]) if name in served), None)
        if served and listed is None:
            near = get_close_matches(model, served, n=3, cutoff=0.4)
            hint = f"another id ({', '.join(near)})" if near else "another id"
            raise UserError(
                f"{point.base_url} does not serve '{model}' (any more); "
                f"use {hint}, or 'import' answers saved earlier."
            )
        return (served[listed] if listed else None) or providers.price(point)

    def _client(self, point: Endpoint) -> AsyncOpenAI:
        where = (point.base_url, point.key_env)
        if where not in self._clients:
            # Retries and the time limit are ours: the library's own cover neither replies that are no
            # completion nor servers that send a byte now and then.
            self._clients[where] = AsyncOpenAI(
                base_url=point.base_url, api_key=providers.need_key(point), max_retries=0, timeout=None
            )
        return self._clients[where]

    async def _ask_with_retries(self, point: Endpoint, request: Request) -> Reply:
        attempt = 1
        while True:
            try:
                return await self._ask_once(point, request)
            except _Fault as fault:
                if fault.blocks:
                    return Reply(finish_reason="content_filter", created=files.now())
                _raise_if_hopeless(fault, point)
                wait = fault.wait(attempt)
                if wait is None or attempt == self.attempts or await self._stopped_within(wait):
                    words = f"{fault.words} (after {attempt} attempt{'s' * (attempt > 1)})"
                    return Reply(error=words, created=files.now())
            attempt += 1

    async def _stopped_within(self, seconds: float) -> bool:
        """Wait, but no longer than until the run is to end; true where it is."""
        try:
            async with asyncio.timeout(seconds):
                return await self.stopping.wait()
        except TimeoutError:
            return False

    async def _ask_once(self, point: Endpoint, request: Request) -> Reply:
        body = dict(request.parameters)
        if point.provider == "openrouter":
            # Asks for the cost in the reply's usage.
            body.setdefault("usage", {"include": True})
        if point.provider == "openai" and "max_tokens" in body:
            # Its newer models take the limit under this name only, the older ones under both.
            body["max_completion_tokens"] = body.pop("max_tokens")
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(self.timeout):
                raw = await self._client(point).chat.completions.with_raw_response.create(
                    model=request.model,
                    messages=request.messages,  # type: ignore[arg-type]
                    extra_body=body,
                )
            completion = read_completion(raw.http_response.content)
        except openai.APIStatusError as error:
            told = _retry_after(error.response.headers)
            raise _Fault(_plain(error.message, point), error.status_code, str(error.code or ""), told) from error
        except TimeoutError as error:
            raise _Fault(f"no reply within {self.timeout:g} s") from error
        except (openai.OpenAIError, ValueError) as error:
            raise _Fault(_plain(_cause(error), point)) from error
        choice, usage = completion.choices[0], completion.usage
        return Reply(
            text=choice.message.content or choice.message.refusal or "",
            finish_reason=choice.finish_reason or "",
            model_served=completion.model or "",
            tokens_in=usage.prompt_tokens if usage else None,
            tokens_out=usage.completion_tokens if usage else None,
            cost=usage.cost if usage else None,
            latency=round(time.perf_counter() - begun, 3),
            created=files.now(),
        )


def _raise_if_hopeless(fault: _Fault, point: Endpoint) -> None:
    """Stop where every further request would meet the same: a person has to put it right first."""
    if fault.status == 401:
        raise UserError(_refused(point)) from fault
    if fault.status == 402 or fault.code == "insufficient_quota":
        raise UserError(
            f"{point.base_url} wants payment first ({fault.words}); add credit and run it again, "
            "what was answered is stored."
        ) from fault
    if fault.status == 404:
        raise UserError(
            f"{point.base_url} does not serve '{point.model}' ({fault.words}); "
            "use another id, or 'import' answers saved earlier."
        ) from fault


def _refused(point: Endpoint) -> str:
    if not point.key_env:
        return f"{point.base_url} wants a key; name its variable with --key-env."
    return f"{point.base_url} refuses the key in {point.key_env}; set a valid one."


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


def _plain(words: str, point: Endpoint) -> str:
    """One line without the key, which some servers repeat in their message."""
    key = providers.key_of(point.key_env) if point.key_env else None
    return tables.clean(" ".join(words.replace(key, "[key]").split() if key else words.split()))[:500]


def _cause(error: BaseException) -> str:
    """The innermost reason of a connection error; the outer one only says 'Connection error.'."""
    inner = error
    while isinstance(error, openai.APIConnectionError) and inner.__cause__ is not None:
        inner = inner.__cause__
    return str(inner) or type(inner).__name__
