"""How many requests are on their way at once at one endpoint: more while it answers, fewer once it is too many.

Begins small, grows by one with each answer until the endpoint first says that it is too many (429, an overload, no
reply in time), and from then on by one a round; each such word takes a quarter off, once for all requests that
were on their way together. Promises never to pass the limit that it was given, and never to stand still: one is
always let through. Knows no time of waiting: `faults` has that.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from diffing.models.faults import Fault

FIRST = 8
"""At once before anything is known: few enough for a small server, and three rounds of answers make it 32."""
KEPT = 0.75
"""Share that is kept when it was too many. With a limit of N the endpoint then has from three quarters of N to N
under way; half, as in TCP, would leave more of it idle."""


class Pace:
    """One endpoint's places, for one event loop."""

    def __init__(self, most: int) -> None:
        self.most = most
        """The user's limit."""
        self.now = min(FIRST, most)
        """At once at present."""
        self._on_way = self._waiting = self._answered = self._cuts = 0
        self._free = asyncio.Condition()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """One request's, for one attempt; what became of it sets the pace."""
        async with self._free:
            self._waiting += 1
            try:
                await self._free.wait_for(lambda: self._on_way < self.now)
            finally:
                self._waiting -= 1
            self._on_way += 1
            cuts = self._cuts
        try:
            yield
            self._went_well()
        except Fault as fault:
            # Of several that were refused together only the first one says anything new.
            if fault.crowded and cuts == self._cuts:
                self.now = max(1, int(self.now * KEPT))
                self._cuts, self._answered = self._cuts + 1, 0
            raise
        finally:
            self._on_way -= 1
            # Nobody holds it for long: a request that is dropped gets here too.
            async with self._free:
                self._free.notify(max(1, self.now - self._on_way))

    def _went_well(self) -> None:
        # With places to spare an answer says nothing of how many more there could be.
        if not self._waiting and self._on_way < self.now:
            return
        self._answered += 1
        if not self._cuts or self._answered >= self.now:
            self.now, self._answered = min(self.most, self.now + 1), 0
