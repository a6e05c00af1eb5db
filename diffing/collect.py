"""Collecting answers: asks every checkpoint every prompt it has not answered, and stores each reply at once.

A reply lies in the cache before it is counted, so a killed run loses nothing and asks nothing twice; the answer
table is brought up to date every few seconds from what was asked. Promises that limits in dollars and requests
stop the run cleanly, and that one failing prompt costs only itself. Asks again only what is missing or failed,
and on request what came back blocked or empty.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from diffing import chat, files, generate, prompts, providers, responses
from diffing.chat import ChatClient, Reply, Request
from diffing.errors import Cancelled, UserError
from diffing.jobs import Progress
from diffing.providers import Endpoint, Price
from diffing.study import Checkpoint, Study, first_fault

FLUSH_SECONDS = 5.0
USUAL_TOKENS = (60, 500)
"""Tokens in and out assumed of a call before any was made; a pilot replaces them by what it measured."""


class Options(BaseModel):
    """What one run of `collect` is told; none of it changes an answer."""

    model_config = ConfigDict(extra="forbid")

    limit: int | None = None
    """Only this many prompts, chosen by their hash: a pilot."""
    concurrency: int = 32
    """Calls under way at once at each endpoint."""
    timeout: float = 300.0
    """Seconds for one reply."""
    attempts: int = 6
    """Tries for one row before it counts as failed."""
    max_dollars: float | None = None
    max_requests: int | None = None
    retry: list[Literal["blocked", "empty", "truncated", "refusal"]] = []
    """Flags that are asked again although an answer is stored."""


class Ask(NamedTuple):
    """One answer to be had."""

    prompt_id: str
    checkpoint: Checkpoint
    draw: int
    request: Request


class Estimate(NamedTuple):
    """What a run is expected to take."""

    calls: int
    cost: float | None
    """Dollars; None where a price is unknown."""
    seconds: float | None
    """None before any answer gave a latency."""
    measured: bool
    """Whether tokens and latency come from answers already stored rather than from an assumption."""


def wanted(study: Study, options: Options) -> list[tuple[str, str, int]]:
    """The (prompt, checkpoint, draw) that the study asks for and that this run would ask."""
    table = study.prompts()
    ids = table.loc[table["active"], "id"].tolist()
    if options.limit is not None:
        ids = sorted(ids, key=lambda i: files.content_hash(["pilot", i]))[: options.limit]
    stored = study.responses()
    again = {"failed", *options.retry}
    have = set(stored.loc[~stored["flag"].isin(again), responses.KEY].itertuples(index=False, name=None))
    sources = [c.key for c in study.checkpoints if c.source != "import"]
    draws = range(study.settings.sampling.draws)
    # Draw by draw, prompt by prompt: what is stopped half-way still has whole pairs.
    return [(i, k, d) for d in draws for i in ids for k in sources if (i, k, d) not in have]


def plan(study: Study, options: Options) -> list[Ask]:
    """The requests of this run, in order."""
    table = study.prompts().set_index("id")
    stored = study.responses()
    unwelcome = stored[stored["flag"].isin(options.retry)].set_index(responses.KEY)["created"].to_dict()
    sampling = study.settings.sampling
    asks = []
    for prompt_id, key, draw in wanted(study, options):
        checkpoint = study.checkpoint(key)
        row = table.loc[prompt_id]
        messages = prompts.conversation(row["text"], row["messages"])
        if sampling.system:
            messages = [{"role": "system", "content": sampling.system}, *messages]
        parameters = {"temperature": sampling.temperature, "max_tokens": sampling.max_tokens}
        parameters = {k: v for k, v in parameters.items() if v is not None}
        parameters |= sampling.extra_body | checkpoint.extra_body
        if generate.is_local(checkpoint):
            request = generate.request(checkpoint, messages, parameters, draw, study.settings.seed)
        else:
            point = providers.endpoint(checkpoint)
            request = Request(point.base_url, point.model, messages, parameters, draw)
        request = request._replace(replaces=unwelcome.get((prompt_id, key, draw), ""))
        asks.append(Ask(prompt_id, checkpoint, draw, request))
    return asks


def estimate(study: Study, options: Options, prices: dict[str, Price | None] | None = None) -> Estimate:
    """Calls, dollars and time of a run, from the answers stored so far where there are some. Spends nothing."""
    missing = wanted(study, options)
    stored = study.responses()
    fresh = stored[stored["flag"] != "failed"]
    cost: float | None = 0.0
    slowest: float | None = 0.0
    for key in {key for _, key, _ in missing}:
        checkpoint, mine = study.checkpoint(key), fresh[fresh["checkpoint"] == key]
        calls = sum(1 for _, k, _ in missing if k == key)
        if generate.is_local(checkpoint):
            slowest = None
            continue
        mean_cost, latency = mine["cost"].mean(), mine["latency"].mean()
        if pd.isna(mean_cost):
            price = (prices or {}).get(key) or providers.price(checkpoint.source.partition(":")[2])
            mean_cost = price.of(*USUAL_TOKENS) if price else None
        cost = None if cost is None or mean_cost is None else cost + calls * float(mean_cost)
        if slowest is not None:
            slowest = None if pd.isna(latency) else max(slowest, calls * float(latency) / options.concurrency)
    return Estimate(len(missing), cost, slowest if missing else 0.0, bool(len(fresh)))


def run(study: Study, options: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """The job: ask what is missing, endpoints and local models alike."""
    try:
        told = Options.model_validate(options)
    except ValidationError as error:
        raise UserError(f"collect cannot run: {first_fault(error)}.") from error
    asks = plan(study, told)
    if not study.prompts()["active"].any():
        raise UserError(f"Study '{study.name}' has no prompts; add some with 'prompts {study.name} --add FILE'.")
    ledger = Ledger(study, asks, told, progress)
    try:
        remote = [ask for ask in asks if not generate.is_local(ask.checkpoint)]
        if remote:
            asyncio.run(_collect(remote, told, ledger))
        for checkpoint in study.checkpoints:
            mine = [ask for ask in asks if ask.checkpoint.key == checkpoint.key]
            if generate.is_local(checkpoint) and mine:
                for ask, reply in generate.answers(checkpoint, mine, study.settings.seed):
                    ledger.record(ask, reply)
                    progress.check()
    finally:
        ledger.flush()
    return ledger.summary()


class Ledger:
    """Counts a run's replies, keeps its limits, and brings the answer table up to date."""

    def __init__(self, study: Study, asks: Sequence[Ask], options: Options, progress: Progress) -> None:
        self.study = study
        self.options = options
        self.progress = progress
        self.total = len(asks)
        self.done = self.failed = self.requests = self.under_way = 0
        self.cost = 0.0
        self.priced = 0
        self.stopped = ""
        self._rows: list[dict[str, Any]] = []
        self._flushed = time.monotonic()
        self._prices: dict[str, Price | None] = {}

    def may_ask(self, expected: float | None) -> bool:
        """Whether one more call stays inside the limits, counting those under way at their expected cost."""
        limit = self.options
        if limit.max_requests is not None and self.requests >= limit.max_requests:
            self.stopped = self.stopped or f"the limit of {limit.max_requests} requests"
        if limit.max_dollars is not None:
            each = self.cost / self.priced if self.priced else expected
            if each is None and not self.requests:
                # The first call of all shows whether the provider reports a cost.
                return True
            if each is None:
                raise UserError(
                    "The limit in dollars cannot be kept, because neither the provider nor the price table states "
                    "a price; add the model to prices.toml or limit with --max-requests."
                )
            if self.cost + each * (self.under_way + 1) > limit.max_dollars:
                self.stopped = self.stopped or f"the limit of ${limit.max_dollars:g}"
        return not self.stopped

    def record(self, ask: Ask, reply: Reply) -> None:
        self.done += 1
        self.failed += bool(reply.error)
        if reply.cost is not None and not reply.cached:
            self.cost += reply.cost
            self.priced += 1
        row = reply.model_dump(exclude={"cached"})
        row |= {"prompt_id": ask.prompt_id, "checkpoint": ask.checkpoint.key, "draw": ask.draw}
        row["flag"] = responses.flag(reply.text, reply.finish_reason, reply.error)
        self._rows.append(row)
        if reply.error:
            self.progress.log(
                f"failed: prompt {ask.prompt_id}, {ask.checkpoint.key}, draw {ask.draw}: {reply.error}"
            )
        note = f"{self.failed} failed" if self.failed else ""
        cost = self.cost if self.priced else None
        self.progress.update(self.done, self.total, "answers", cost, note)
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        self._flushed = time.monotonic()
        if self._rows:
            rows, self._rows = self._rows, []
            self.study.add_responses(pd.DataFrame(rows))

    def summary(self) -> dict[str, Any]:
        return {
            "asked": self.requests,
            "answered": self.done - self.failed,
            "failed": self.failed,
            "left": self.total - self.done,
            "cost": self.cost if self.priced else None,
            "stopped_by": self.stopped,
        }


async def _collect(asks: list[Ask], options: Options, ledger: Ledger) -> None:
    """All endpoints at once; a queue of workers each, so that a slow one holds up no other."""
    async with ChatClient(options.concurrency, options.timeout, options.attempts) as client:
        points = {ask.checkpoint.key: providers.endpoint(ask.checkpoint) for ask in asks}
        prices = await _check_models(client, points)
        ledger.progress.update(0, ledger.total, "answers")
        queues: dict[str, list[Ask]] = {}
        for ask in reversed(asks):
            queues.setdefault(points[ask.checkpoint.key].base_url, []).append(ask)
        one = partial(_ask_one, client, points, prices, ledger)
        if options.max_dollars is not None and None in prices.values():
            # A limit in dollars needs a cost to go by before calls are made side by side.
            await one(next(iter(queues.values())).pop())
        jobs = [
            asyncio.create_task(_work(queue, one))
            for queue in queues.values()
            for _ in range(min(options.concurrency, len(queue)))
        ]
        watcher = asyncio.create_task(_watch(jobs, ledger.progress))
        try:
            await asyncio.gather(*jobs)
        except asyncio.CancelledError:
            # A reply on its way when the user stops is dropped; it is asked again by the next run.
            raise Cancelled from None
        finally:
            for task in (*jobs, watcher):
                task.cancel()
            await asyncio.gather(*jobs, watcher, return_exceptions=True)


async def _check_models(client: ChatClient, points: dict[str, Endpoint]) -> dict[str, Price | None]:
    """Prices by checkpoint, after making sure that every model is served; nothing was spent yet if one is not."""
    found = await asyncio.gather(*(client.check_model(point) for point in points.values()))
    return dict(zip(points, found, strict=True))


async def _work(queue: list[Ask], one: Callable[[Ask], Awaitable[bool]]) -> None:
    while queue:
        if not await one(queue.pop()):
            return


async def _ask_one(
    client: ChatClient,
    points: dict[str, Endpoint],
    prices: dict[str, Price | None],
    ledger: Ledger,
    ask: Ask,
) -> bool:
    """Have one answer recorded; false once a limit forbids another call."""
    price = prices[ask.checkpoint.key]
    if ask.request.key in chat.cache():
        reply = await client.ask(points[ask.checkpoint.key], ask.request, price)
    else:
        if not ledger.may_ask(price.of(*USUAL_TOKENS) if price else None):
            return False
        ledger.requests += 1
        ledger.under_way += 1
        try:
            reply = await client.ask(points[ask.checkpoint.key], ask.request, price)
        finally:
            ledger.under_way -= 1
    ledger.record(ask, reply)
    return True


async def _watch(jobs: list["asyncio.Task[None]"], progress: Progress) -> None:
    """Cancel all calls under way as soon as the user asks to stop."""
    while True:
        try:
            progress.check()
        except Cancelled:
            for job in jobs:
                job.cancel()
            return
        await asyncio.sleep(0.2)


async def check(study: Study) -> dict[str, Price | None]:
    """Make sure that every endpoint answers and still serves its model; prices by checkpoint. Spends nothing."""
    remote = [c for c in study.checkpoints if c.source != "import" and not generate.is_local(c)]
    async with ChatClient() as client:
        return await _check_models(client, {c.key: providers.endpoint(c) for c in remote})
