"""Keeps a run of paid calls inside its limits in dollars and requests.

Money is set aside for each call before it is made: the most it can cost where that is known, or the dearest call
so far where that was more. Promises that spending stays under the limit where prices and the longest answer are
known and kept to; elsewhere the calls under way may pass it by what they cost more than the dearest before them. A
request is one answer asked for, with its retries.
"""

import asyncio
from collections.abc import Awaitable, Callable

from diffing.common.errors import Cancelled, UserError
from diffing.models.replies import Reply


class Budget:
    """One run's limits; made for one event loop."""

    def __init__(self, max_dollars: float | None = None, max_requests: int | None = None) -> None:
        self.max_dollars = max_dollars
        self.max_requests = max_requests
        self.requests = 0
        self.cost: float | None = None
        """Dollars spent so far; None before any reply told its cost."""
        self.stopped_by = ""
        """The limit that forbade a call, in words."""
        self._set_aside = 0.0
        self._under_way = 0
        self._dearest: dict[str, float] = {}
        self._scouts: set[str] = set()
        self._returned = asyncio.Condition()

    async def spend(self, who: str, most: float | None, call: Callable[[], Awaitable[Reply]]) -> Reply | None:
        """Make a call that costs at most this much, once there is room for it; None where a limit forbids it.

        `who` tells apart what differs in price; where `most` is unknown or nothing, the first call of each goes
        alone under a limit in dollars, to see what is billed. A reply that another run has paid for meanwhile
        counts for nothing.
        """
        async with self._returned:
            # Calls under way may give back some of what they set aside; without any there is nothing to wait for.
            await self._returned.wait_for(lambda: self._fits(who, most) or not self._under_way)
            if not self._fits(who, most):
                limit = f"{self.max_requests} requests" if self._requests_used_up() else f"${self.max_dollars:g}"
                self.stopped_by = f"the limit of {limit}"
                return None
            amount = self._amount(who, most)
            scouts = not most and who not in self._dearest
            if scouts:
                # Nothing is known of its price yet: the others wait for what this one turns out to cost.
                self._scouts.add(who)
            self._set_aside += amount
            self._under_way += 1
            self.requests += 1
        reply = None
        try:
            reply = await call()
        except Cancelled:
            # The run ended before it was sent.
            self.requests -= 1
            raise
        finally:
            # Also where the call was cancelled or raised: what was set aside would be lost to the others.
            async with self._returned:
                self._set_aside -= amount
                self._under_way -= 1
                if scouts:
                    self._scouts.discard(who)
                if reply is not None and reply.cached:
                    self.requests -= 1
                elif reply is not None and reply.cost is not None:
                    self.cost = (self.cost or 0.0) + reply.cost
                    self._dearest[who] = max(reply.cost, self._dearest.get(who, 0.0))
                self._returned.notify_all()
        # A call that failed or was blocked may well cost nothing; an answer costs something, and nobody knows
        # what.
        answered = not reply.error and reply.finish_reason != "content_filter"
        if self.max_dollars is not None and answered and reply.cost is None:
            raise UserError(
                "The limit in dollars cannot be kept, because neither the provider nor the price table states "
                f"a price for '{who}'; add its model to prices.toml or limit with --max-requests."
            )
        return reply

    def _amount(self, who: str, most: float | None) -> float:
        """What to set aside: a provider may bill more than it states, and bill for what it states to be free."""
        dearest = self._dearest.get(who, max(self._dearest.values(), default=0.0))
        return max(most or 0.0, dearest)

    def _requests_used_up(self) -> bool:
        return self.max_requests is not None and self.requests >= self.max_requests

    def _fits(self, who: str, most: float | None) -> bool:
        if self._requests_used_up():
            return False
        if self.max_dollars is None:
            return True
        if self._scouts:
            # Nothing was set aside for it, so whatever else were begun now could be one too many.
            return False
        spent = self.cost or 0.0
        # Where nothing is known yet, a call is made as long as anything is left.
        left = most is not None or spent < self.max_dollars
        return left and spent + self._set_aside + self._amount(who, most) <= self.max_dollars
