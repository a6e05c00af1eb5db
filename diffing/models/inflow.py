"""How much of a reply is taken in: read as a stream, counted after unpacking, given up beyond a limit.

Promises that no reply, whatever it claims of its length and however it is packed, takes more memory than its
limit, and that many large ones at once take no more than a few. Reads nothing of what a reply says.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import httpx2

LARGEST_REPLY = 12_000_000
"""Bytes of a chat completion. An answer of a million characters fits, each of them escaped; the worst JSON of this
size (objects inside each other) takes 0.45 GB while it is read."""
LARGEST_LIST = 8_000_000
"""Bytes of a model list: ten times what OpenRouter's takes."""
SMALL = 1_000_000
"""Bytes that any reply may have; what grows beyond them waits for one of a few places."""
LARGE_AT_ONCE = 4
WAYS = {"": 0, "identity": 0, "gzip": 47, "x-gzip": 47, "deflate": 47}
"""How a reply may be packed, with zlib's window (47: with either header); it is told that no other is taken."""


class TooLarge(Exception):
    """A reply beyond the limit, in half a sentence."""


class Inflow:
    """Holds every reply of one run to its limit."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(LARGE_AT_ONCE)

    async def bound(self, response: httpx2.Response) -> None:
        """A hook on each response, redirects too, before its body is read."""
        limit = LARGEST_LIST if response.request.method == "GET" else LARGEST_REPLY
        way = response.headers.get("content-encoding", "").strip().lower()
        if way not in WAYS:
            raise httpx2.DecodingError(f"the reply is packed as '{way[:40]}', which was not asked for")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Bounded(response.stream, WAYS[way], limit, self._places)
        # Unpacked by the stream itself from here on.
        response.headers.pop("content-encoding", None)


class _Bounded(httpx2.AsyncByteStream):
    """A body's bytes, unpacked, up to a limit."""

    def __init__(self, body: httpx2.AsyncByteStream, window: int, limit: int, places: asyncio.Semaphore) -> None:
        self._body = body
        self._unpacker = zlib.decompressobj(window) if window else None
        self._limit = limit
        self._places = places

    async def __aiter__(self) -> AsyncIterator[bytes]:
        arrived = size = 0
        async with AsyncExitStack() as place:
            async for packed in self._body:
                arrived += len(packed)
                for piece in self._unpacked(packed):
                    before, size = size, size + len(piece)
                    if max(arrived, size) > self._limit:
                        raise TooLarge(f"the reply is larger than {self._limit / 1e6:g} MB")
                    if before <= SMALL < size:
                        await place.enter_async_context(self._places)
                    yield piece

    def _unpacked(self, packed: bytes) -> Iterator[bytes]:
        """What a piece unpacks to, in pieces that are small themselves: a thousand times as much may be in it."""
        if self._unpacker is None:
            yield packed
            return
        try:
            while packed:
                yield self._unpacker.decompress(packed, SMALL)
                packed = self._unpacker.unconsumed_tail
        except zlib.error:
            # zlib's own words name a number and no reply.
            raise httpx2.DecodingError("the reply cannot be unpacked") from None

    async def aclose(self) -> None:
        await self._body.aclose()
