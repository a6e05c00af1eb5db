"""The one client for OpenAI-compatible endpoints: asks, retries, stores each reply before it is counted.

Used for collecting answers and for every later step that asks a language model. Promises that a reply once
stored is never asked for again, that one request is on its way once however many ask it, that one request's
failure comes back as data, and that no key reaches a file or a message. Raises only where no further request could
do better: a refused key, no credit, an unknown model, an endpoint that refuses everything.
Does not promise that a reply cut off on its way was not billed.
"""

import asyncio
from collections.abc import Awaitable, Coroutine, Iterable
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from rapidfuzz import fuzz, process

from diffing.common import files
from diffing.common.errors import Cancelled, UserError
from diffing.common.step import Progress
from diffing.models import claims, providers
from diffing.models.breaker import Breaker
from diffing.models.faults import Fault
from diffing.models.pace import Pace
from diffing.models.providers import Endpoint, Price
from diffing.models.replies import Reply, Request, Sent, cache

if TYPE_CHECKING:
    from diffing.models.wire import Wire

Outcome = TypeVar("Outcome")

GRACE_SECONDS = 20.0
"""How long a run that is told to stop waits for replies on their way: they may be paid for already. Twice what a
call usually takes; chosen by eye."""
LOOK_SECONDS = 0.2
"""How often a run looks whether it is to end: a person who cancels sees it at once, and a look costs next to
nothing."""
LIKENESS = 40
"""How like an id, of 100, another must be to be named in its place."""


class ChatClient:
    """Asks any number of endpoints at once, each with its own pace and never more than `concurrency` together.

    Six attempts wait for half a minute in all at most, where the server names no time of its own.
    """

    def __init__(self, concurrency: int = 32, timeout: float = 300.0, attempts: int = 6) -> None:
        self.concurrency = concurrency
        self.timeout = timeout
        """Seconds for a whole reply; a server that drips bytes does not extend it."""
        self.attempts = attempts
        self.stopping = asyncio.Event()
        self.fault: Exception | None = None
        """What made the run stop, where no person did."""
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._paces: dict[str, Pace] = {}
        self._most: dict[str, int] = {}
        self._breakers: dict[tuple[str, str], Breaker] = {}
        self._progress: Progress | None = None

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

    def allow(self, base_url: str, most: int) -> None:
        """Ask another number at once at one endpoint; to be said before it is asked for the first time."""
        self._most[base_url] = most

    def _most_at(self, base_url: str) -> int:
        return self._most.get(base_url, self.concurrency)

    @property
    def at_once(self) -> str:
        """How many requests each endpoint has at once, as half a sentence; empty before any was asked."""
        told = [f"{pace.now}" for pace in self._paces.values()]
        return f"{' + '.join(told)} at once" if told else ""

    async def ask(
        self, point: Endpoint, request: Request, price: Price | None = None, sent: Sent | None = None
    ) -> Reply:
        """The stored reply, else a fresh one, which is stored before it is returned; `sent` is what goes to the
        endpoint where that is not the request under which the reply is kept."""
        reply = cache().reply(request.key)
        if reply is None:
            # By address, since an endpoint's limits hold for all its models together. Whoever waits between two
            # attempts keeps a place here and has none in `Pace`: it is not on its way.
            gate = self._gates.setdefault(point.base_url, asyncio.Semaphore(self._most_at(point.base_url)))
            async with gate:
                reply = await self._ask_alone(point, request, price, sent)
        if self._progress is not None and reply.cost:
            # A reply of no use is asked for again under the same key, and then billed again.
            self._progress.billed(request.key + (reply.error and reply.created), reply.cost)
        return reply

    async def _ask_alone(self, point: Endpoint, request: Request, price: Price | None, sent: Sent | None) -> Reply:
        """Ask once nobody else on this machine is asking the same; who waits takes the other's reply."""
        while (claim := claims.take(request.key)) is None:
            if await self._stopped_within(claims.LOOK_SECONDS):
                raise Cancelled
        try:
            if (reply := cache().reply(request.key)) is not None:
                return reply
            reply = await self._ask_with_retries(point, request if sent is None else sent.request)
            if sent is not None and reply.model_served:
                reply.model_served = sent.served
            # Part of what is stored, at the price of the day: a price list that changes later changes no past.
            if reply.cost is None and price is not None and None not in (reply.tokens_in, reply.tokens_out):
                reply.cost = price.of(reply.tokens_in or 0, reply.tokens_out or 0)
            if not reply.error:
                cache().set(request.key, reply.model_dump(exclude={"cached"}))
            return reply
        finally:
            claim.release()

    def wind_down(self, fault: Exception | None = None) -> None:
        """Let calls on their way come back, and make no further attempt where one failed."""
        if not self.stopping.is_set():
            self.fault = fault
        self.stopping.set()

    async def together(self, workers: Iterable[Awaitable[None]]) -> None:
        """All of them at once; where one cannot go on, the others finish what they began and begin no more."""

        async def guarded(worker: Awaitable[None]) -> None:
            try:
                await worker
            except Exception as fault:
                self.wind_down(fault)

        await asyncio.gather(*map(guarded, workers))
        if self.fault is not None:
            raise self.fault

    async def heed(self, work: Coroutine[Any, Any, Outcome], progress: Progress) -> Outcome:
        """Do a run's work, its first look at the network too, with an eye on whether it is to end.

        Then replies on their way get some time to come in, and after that are dropped.
        """
        self._progress, loop = progress, asyncio.get_running_loop()
        task, end, told = asyncio.create_task(work), float("inf"), False
        while not task.done():
            await asyncio.wait([task], timeout=LOOK_SECONDS)
            try:
                progress.check()
            except Cancelled:
                told = True
                self.wind_down()
            if self.stopping.is_set():
                end = min(end, loop.time() + GRACE_SECONDS)
            if loop.time() > end:
                end = float("inf") if task.cancel() else end
        if task.cancelled() or told:
            fault = self.fault if task.cancelled() else task.exception()
            raise fault or Cancelled()
        return task.result()

    async def models(self, point: Endpoint) -> dict[str, Price | None]:
        """Ids the endpoint serves, with prices where it states them; empty where it keeps no list."""
        asked = asyncio.create_task(self._wire.models(point))
        ended = asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait([asked, ended], return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                # Nothing is paid for on this way, so nothing is waited for.
                raise Cancelled
            return asked.result()
        finally:
            for task in (asked, ended):
                task.cancel()
                with suppress(asyncio.CancelledError, UserError):
                    await task

    async def check_model(self, point: Endpoint) -> Price | None:
        """The model's price after making sure that it is still served; spends nothing."""
        # Google's ids may be written with this prefix; the list of models is kept without it.
        served, model = await self.models(point), point.model.removeprefix("models/")
        # A suffix such as ':nitro' chooses among a listed model's servers and is not listed itself.
        listed = next((name for name in (model, model.rpartition(":")[0]) if name in served), None)
        if served and listed is None:
            found = process.extract(model, served.keys(), limit=3, scorer=fuzz.ratio, score_cutoff=LIKENESS)
            near = [name for name, *_ in found]
            hint = f"another id ({', '.join(near)})" if near else "another id"
            raise UserError(
                f"{point.base_url} does not serve '{model}' (any more); "
                f"use {hint}, or 'import' answers saved earlier."
            )
        return (served[listed] if listed else None) or providers.price(point)

    async def _ask_with_retries(self, point: Endpoint, request: Request) -> Reply:
        breaker = self._breakers.setdefault((point.base_url, point.model), Breaker())
        pace = self._paces.setdefault(point.base_url, Pace(self._most_at(point.base_url)))
        attempt = 1
        while True:
            try:
                async with pace.place():
                    # It may have waited for its place: a run that ends sends no more.
                    if self.stopping.is_set():
                        raise Cancelled
                    reply = await self._wire.ask(point, request, self.timeout)
                breaker.answered()
                return reply
            except Fault as fault:
                if fault.blocks:
                    breaker.answered()
                    return Reply(finish_reason="content_filter", created=files.now())
                fault.raise_if_hopeless(point)
                wait = fault.wait(attempt)
                if wait is None or attempt == self.attempts or await self._stopped_within(wait):
                    if not self.stopping.is_set():
                        breaker.failed(fault, point)
                    words = f"{fault.words} (after {attempt} attempt{'s' * (attempt > 1)}){fault.wish}"
                    return (fault.billed or Reply()).model_copy(update={"error": words, "created": files.now()})
            attempt += 1

    async def _stopped_within(self, seconds: float) -> bool:
        """Wait, but no longer than until the run is to end; true where it is."""
        try:
            async with asyncio.timeout(seconds):
                return await self.stopping.wait()
        except TimeoutError:
            return False
