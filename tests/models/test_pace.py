"""How many are asked at once: near what the endpoint takes, never beyond what the user allowed."""

import asyncio
import threading
from collections.abc import Iterator

import pandas as pd
import pytest

from diffing import jobs
from diffing.jobs.job import JobStatus
from diffing.models import faults, providers
from diffing.models.chat import ChatClient
from diffing.models.faults import Fault
from diffing.models.pace import FIRST, Pace
from diffing.models.providers import Endpoint
from diffing.models.replies import Reply, Request
from diffing.study.study import Study
from tests.fakes.raw_server import RawServer, completion, http

SECONDS = 0.1
"""That an answer takes: long beside what the client itself needs, so that they are on their way together."""


class Narrow:
    """A row of the raw server that takes so many at once, and refuses whoever comes beyond."""

    def __init__(self, width: int, status: int = 429) -> None:
        self.width, self.status = width, status
        self.now = self.refused = 0
        self.each: list[int] = []
        """How many were on their way as each one came, itself among them."""
        self._lock = threading.Lock()

    def __call__(self, over: threading.Event) -> Iterator[bytes]:
        with self._lock:
            self.now += 1
            self.each.append(self.now)
            taken = self.now <= self.width
            self.refused += not taken
        if taken:
            over.wait(SECONDS)
        with self._lock:
            # Before the other side can know it: nobody is refused a place that is free.
            self.now -= 1
        yield http(body=completion()) if taken else http(self.status, "{}")


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "FIRST_WAIT", 0.02)


def ask(row: Narrow, many: int, most: int) -> tuple[list[Reply], str]:
    """The replies to so many questions, and the pace at the end."""
    with RawServer({"m": row}) as raw:
        point = Endpoint("custom", raw.url("m"), "", "m")
        asked = [Request(point.base_url, "m", [{"role": "user", "content": str(i)}], {}) for i in range(many)]

        async def together() -> tuple[list[Reply], str]:
            async with ChatClient(concurrency=most) as client:
                return await asyncio.gather(*(client.ask(point, one) for one in asked)), client.at_once

        return asyncio.run(together())


@pytest.mark.parametrize("status", [429, 503])
def test_it_settles_near_what_the_endpoint_takes(status: int) -> None:
    row = Narrow(12, status)
    replies, told = ask(row, 300, most=64)
    assert {(reply.text, reply.error) for reply in replies} == {("fine", "")}
    assert len(row.each) == 300 + row.refused
    # Now and then it looks for more, by one, and one more may have gone before the word of it is there.
    settled = row.each[len(row.each) // 3 :]
    assert max(settled) <= 12 + 2
    assert int(told.removesuffix(" at once")) in range(9, 12 + 3)
    assert row.refused < 0.1 * 300


def test_it_never_passes_the_users_limit() -> None:
    row = Narrow(1000)
    replies, told = ask(row, 100, most=20)
    assert max(row.each) <= 20
    assert (row.refused, told, len(replies)) == (0, "20 at once", 100)


def test_every_answer_is_collected_once_and_the_pace_is_shown() -> None:
    rows, notes = {"a": Narrow(5), "b": Narrow(1000)}, set[str]()

    def watch(status: JobStatus) -> None:
        notes.add(status.note)

    with RawServer(rows) as raw:
        sides = [providers.parse(f"{raw.url(key)}#m", key) for key in "ab"]
        study = Study.create("s", sides, pd.DataFrame({"text": [f"Prompt {i}" for i in range(40)]}))
        status = jobs.run_here(study, "collect", {"concurrency": 24}, watch)
    assert status.result is not None and (status.state, status.result["answered"]) == ("done", 80)
    assert not study.responses().duplicated(["prompt_id", "checkpoint", "draw"]).any()
    # Each address was asked for its list of models too.
    assert len(rows["b"].each) == 40 + 1 and len(rows["a"].each) == 40 + 1 + rows["a"].refused
    assert any(note.endswith(" at once") and " + " in note for note in notes), notes


def test_the_first_word_of_a_crowd_counts_and_the_rest_of_it_does_not() -> None:
    async def crowd() -> list[int]:
        pace, seen = Pace(100), list[int]()
        together = asyncio.Barrier(FIRST)

        async def one(fault: Fault | None) -> None:
            try:
                async with pace.place():
                    await together.wait()
                    if fault is not None:
                        raise fault
            except Fault:
                seen.append(pace.now)

        await asyncio.gather(*(one(Fault("too many", 429)) for _ in range(FIRST)))
        return seen

    assert asyncio.run(crowd()) == [6] * FIRST


def test_a_fault_of_one_request_slows_nobody() -> None:
    async def faults_of_all_kinds() -> int:
        pace = Pace(4)
        for fault in (Fault("no", 400), Fault("broken", 500), Fault("", 401), Fault("the connection broke")):
            with pytest.raises(Fault):
                async with pace.place():
                    raise fault
        return pace.now

    assert asyncio.run(faults_of_all_kinds()) == 4


def test_one_is_always_let_through() -> None:
    async def refused(times: int) -> int:
        pace = Pace(32)
        for _ in range(times):
            with pytest.raises(Fault):
                async with pace.place():
                    raise Fault("no reply within 1 s", code=faults.LATE)
        return pace.now

    assert asyncio.run(refused(50)) == 1
