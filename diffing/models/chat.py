"""The one client for OpenAI-compatible endpoints: asks, retries, stores each reply before it is counted.

Used for collecting answers and for every later step that asks a language model. Promises that a reply once
stored is never asked for again, that one request's failure comes back as data, and that no key reaches a file
or a message. Raises only where no further request could do better: a refused key, no credit, an unknown model.
Does not promise that a reply cut off on its way was not billed.
"""

import asyncio
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING

from diffing.common import files
from diffing.common.errors import UserError
from diffing.models import providers
from diffing.models.faults import Fault
from diffing.models.providers import Endpoint, Price
from diffing.models.replies import Reply, Request, cache

if TYPE_CHECKING:
    from diffing.models.wire import Wire

GRACE_SECONDS = 20.0
"""How long a run that is told to stop waits for replies on their way: they may be paid for already. Twice what a
call usually takes; chosen by eye."""


class ChatClient:
    """Asks any number of endpoints at once, each with its own bounded concurrency.

    Six attempts wait for half a minute in all at most, where the server names no time of its own.
    """

    def __init__(self, concurrency: int = 32, timeout: float = 300.0, attempts: int = 6) -> None:
        self.concurrency = concurrency
        self.timeout = timeout
        """Seconds for a whole reply; a server that drips bytes does not extend it."""
        self.attempts = attempts
        self.stopping = asyncio.Event()
        self._gates: dict[str, asyncio.Semaphore] = {}

    @cached_property
    def _wire(self) -> "Wire":
        # Over a second to import, and a run whose answers are all stored asks nothing.
        from diffing.models.wire import Wire

        return Wire()

    async def __aenter__(self) -> "ChatClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        # Where nothing was asked there is nothing to close, and looking for it would import it.
        if "_wire" in vars(self):
            await self._wire.close()

    async def ask(self, point: Endpoint, request: Request, price: Price | None = None) -> Reply:
        """The stored reply, else a fresh one, which is stored before it is returned."""
        stored = cache().reply(request.key)
        if stored is not None:
            return stored
        # By address, since an endpoint's limits hold for all its models together.
        gate = self._gates.setdefault(point.base_url, asyncio.Semaphore(self.concurrency))
        async with gate:
            reply = await self._ask_with_retries(point, request)
        if reply.error:
            return reply
        # Part of what is stored, at the price of the day: a price list that changes later changes no past.
        if reply.cost is None and price is not None and None not in (reply.tokens_in, reply.tokens_out):
            reply.cost = price.of(reply.tokens_in or 0, reply.tokens_out or 0)
        cache().set(request.key, reply.model_dump(exclude={"cached"}))
        return reply

    def wind_down(self) -> None:
        """Let calls on their way come back, and make no further attempt where one failed."""
        self.stopping.set()

    async def models(self, point: Endpoint) -> dict[str, Price | None]:
        """Ids the endpoint serves, with prices where it states them; empty where it keeps no list."""
        return await self._wire.models(point)

    async def check_model(self, point: Endpoint) -> Price | None:
        """The model's price after making sure that it is still served; spends nothing."""
        # Google's ids may be written with this prefix; the list of models is kept without it.
        served, model = await self.models(point), point.model.removeprefix("models/")
        # A suffix such as ':nitro' chooses among a listed model's servers and is not listed itself.
        listed = next((name for name in (model, model.rpartition(":")[0]) if name in served), None)
        if served and listed is None:
            # Laxer than difflib's own 0.6, as a successor may share half its name only; chosen by eye.
            near = get_close_matches(model, served, n=3, cutoff=0.4)
            hint = f"another id ({', '.join(near)})" if near else "another id"
            raise UserError(
                f"{point.base_url} does not serve '{model}' (any more); "
                f"use {hint}, or 'import' answers saved earlier."
            )
        return (served[listed] if listed else None) or providers.price(point)

    async def _ask_with_retries(self, point: Endpoint, request: Request) -> Reply:
        attempt = 1
        while True:
            try:
                return await self._wire.ask(point, request, self.timeout)
            except Fault as fault:
                if fault.blocks:
                    return Reply(finish_reason="content_filter", created=files.now())
                fault.raise_if_hopeless(point)
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
