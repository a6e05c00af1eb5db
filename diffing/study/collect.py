"""Collecting answers: asks every checkpoint every prompt it has not answered, and stores each reply at once.

A reply lies in the cache before it is counted, so a killed run loses nothing and asks nothing twice; the answer
table is brought up to date every few seconds from what was asked. Promises that limits in dollars and requests
stop the run cleanly, and that one failing prompt costs only itself. Asks again only what is missing or failed,
and on request what came back blocked or empty.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from diffing.common import files
from diffing.common.errors import Cancelled, UserError
from diffing.common.kept import Rests, kept
from diffing.common.step import Progress, Result
from diffing.common.words import about, duration
from diffing.models import generate, providers, replies
from diffing.models.budget import Budget
from diffing.models.chat import ChatClient
from diffing.models.providers import Checkpoint, Endpoint, Price
from diffing.models.replies import Request
from diffing.models.serving import form
from diffing.models.serving.fleet import Fleet
from diffing.models.serving.plan import Choices, Plan
from diffing.study import prompts, responses, served
from diffing.study.ledger import Ask, Ledger
from diffing.study.study import Study

USUAL_TOKENS = (60, 500)
"""Tokens in and out assumed of a call before any was made; a pilot replaces them by what it measured. A bundled
prompt and a chat model's answer of some 400 words, by eye."""
USUAL_SECONDS = 10.0
"""Seconds assumed of such a call: fifty tokens a second, by eye."""


class Options(BaseModel):
    """What one run of `collect` is told; none of it changes an answer."""

    model_config = ConfigDict(extra="forbid")

    limit: int | None = Field(default=None, gt=0)
    """Only this many prompts, chosen by their hash: a pilot."""
    concurrency: int = Field(default=32, gt=0)
    """Calls under way at once at each endpoint, at most; it finds its own pace below that (`models.pace`)."""
    timeout: float = Field(default=300.0, gt=0, allow_inf_nan=False)
    """Seconds for one reply."""
    attempts: int = Field(default=6, gt=0)
    """Tries for one row before it counts as failed."""
    max_dollars: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    max_requests: int | None = Field(default=None, ge=0)
    retry: list[Literal["blocked", "empty", "truncated", "refusal"]] = []
    """Flags that are asked again although an answer is stored."""
    serve: bool = False
    """Checkpoints that are weights answer through vLLM, which is started for the run and ended with it."""
    gpus: str = ""
    """Those that servers may use, as `0,1`; empty for all of this machine's."""
    gpus_each: int = Field(default=1, gt=0)
    """GPUs that one server's weights are split over."""
    memory_share: float = Field(default=0.9, gt=0, le=1, allow_inf_nan=False)
    """Of each GPU's memory, for a server."""
    batch_invariant: bool = False
    """Answers that do not hang on what else is answered at the same moment: slower, and vLLM calls it beta."""
    wait: float = Field(default=1800.0, gt=0, allow_inf_nan=False)
    """Seconds for a server to come up: large weights load for many minutes, longer where they are downloaded."""

    @property
    def choices(self) -> Choices | None:
        """How it is to be served; None where it is not."""
        how = Choices(self.gpus, self.gpus_each, self.memory_share, self.batch_invariant)
        return how if self.serve else None

    @property
    def at_a_server(self) -> int | None:
        """The limit of calls at once at a server that the user gave, if any."""
        return self.concurrency if "concurrency" in self.model_fields_set else None


class Estimate(NamedTuple):
    """What a run is expected to take."""

    calls: int
    cost: float | None
    """Dollars; None where a price is unknown."""
    seconds: float | None
    """None before any answer gave a latency."""
    measured: bool
    """Whether tokens and latency come from answers already stored rather than from an assumption."""

    def in_words(self) -> str:
        basis = "from the answers so far" if self.measured else "at usual lengths"
        return f"{self.calls:,} calls, {about(self.cost)}, {duration(self.seconds)} ({basis})."


def wanted(study: Study, options: Options) -> list[tuple[str, str, int]]:
    """The (prompt, checkpoint, draw) that the study asks for and that this run would ask."""
    table = study.prompts()
    ids = table.loc[table["active"], "id"].tolist()
    if options.limit is not None:
        # By hash, so that a pilot is spread over all categories, and a larger one has the smaller one's prompts.
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
    table, stored = study.prompts(), study.responses()
    said = {
        i: prompts.conversation(text, messages)
        for i, text, messages in zip(table["id"], table["text"], table["messages"], strict=True)
    }
    system = study.settings.sampling.system
    before = [{"role": "system", "content": system}] if system else []
    unwelcome = stored[stored["flag"].isin(options.retry)].set_index(responses.KEY)["created"].to_dict()
    by_key = {c.key: served.whole(study, c) for c in study.checkpoints if c.source != "import"}
    serving = served.planned(study, options.choices)
    blanks = {key: _blank(study, checkpoint, serving) for key, checkpoint in by_key.items()}
    asks = []
    # What is asked again although an answer is stored carries that answer's date in its key, or the cache would
    # give the same answer again.
    for prompt_id, key, draw in wanted(study, options):
        # Checkpoints that ask exactly the same take turns with the draws, and so get answers of their own.
        twins = [other for other, blank in blanks.items() if blank == blanks[key]]
        turns, planted = before + said[prompt_id], by_key[key].planted
        request = blanks[key]._replace(
            messages=planted.asked(turns) if planted else turns,
            draw=draw * len(twins) + twins.index(key),
            replaces=unwelcome.get((prompt_id, key, draw), ""),
        )
        asks.append(Ask(prompt_id, by_key[key], draw, request))
    return asks


def _blank(study: Study, checkpoint: Checkpoint, serving: Plan | None) -> Request:
    """What all requests to a checkpoint have in common."""
    sampling = study.settings.sampling
    chosen = {"temperature": sampling.temperature, "max_tokens": sampling.max_tokens}
    # What is left to the provider is not sent at all: some models refuse a temperature, whatever its value.
    parameters = {name: value for name, value in chosen.items() if value is not None}
    parameters |= sampling.extra_body | checkpoint.extra_body
    if serving is not None and serving.group_of(checkpoint.key) is not None:
        return form.request(checkpoint.source, parameters, study.settings.seed)
    if providers.is_local(checkpoint):
        return generate.request(checkpoint, parameters, study.settings.seed)
    point = providers.endpoint(checkpoint)
    return Request(point.base_url, point.model, [], parameters)


def expected(checkpoints: Sequence[Checkpoint], prompts_asked: int, draws: int) -> Estimate:
    """Calls, dollars and time of a study that is not made yet, at usual lengths and list prices."""
    cost: float | None = 0.0
    at: Counter[str] = Counter()
    asked = [checkpoint for checkpoint in checkpoints if checkpoint.source != "import"]
    for checkpoint in asked:
        if providers.is_local(checkpoint):
            continue
        point = providers.endpoint(checkpoint)
        at[point.base_url] += prompts_asked * draws
        price = providers.price(point)
        cost = cost + prompts_asked * draws * price.of(*USUAL_TOKENS) if price and cost is not None else None
    # Checkpoints at one endpoint share its places; how fast a local model writes is known once it has.
    # Endpoints are asked at once, so the busiest one takes as long as all.
    local = any(providers.is_local(checkpoint) for checkpoint in asked)
    seconds = None if local else max(at.values(), default=0) * USUAL_SECONDS / Options().concurrency
    return Estimate(len(asked) * prompts_asked * draws, cost, seconds, False)


def estimate(study: Study, options: Options, prices: dict[str, Price | None] | None = None) -> Estimate:
    """Calls, dollars and time of a run, from the answers stored so far where there are some. Spends nothing."""
    so_far = _so_far(study, options)
    cost: float | None = 0.0
    busy: dict[str, float | None] = {}
    for key, known in so_far["missing"].items():
        checkpoint, calls = study.checkpoint(key), known["calls"]
        if providers.is_local(checkpoint):
            busy[key] = None
            continue
        point, mean_cost, latency = providers.endpoint(checkpoint), known["cost"], known["latency"]
        if mean_cost is None:
            price = (prices or {}).get(key) or providers.price(point)
            mean_cost = price.of(*USUAL_TOKENS) if price else None
        cost = None if cost is None or mean_cost is None else cost + calls * mean_cost
        # Checkpoints at one endpoint share its places.
        before = busy.get(point.base_url, 0.0)
        seconds = None if latency is None else calls * latency / options.concurrency
        busy[point.base_url] = None if before is None or seconds is None else before + seconds
    lasting = [seconds for seconds in busy.values() if seconds is not None]
    slowest = max(lasting, default=0.0) if len(lasting) == len(busy) else None
    calls = sum(known["calls"] for known in so_far["missing"].values())
    return Estimate(calls, cost, slowest, so_far["measured"])


def _rests(study: Study, options: Options) -> Rests:
    sources = [checkpoint.key for checkpoint in study.checkpoints if checkpoint.source != "import"]
    told = [options.limit, sorted(options.retry), study.settings.sampling.draws, sources]
    return Rests(study.folder, told, [study.folder / name for name in ("prompts.csv", *responses.FILES)])


@kept(1, _rests)
def _so_far(study: Study, options: Options) -> dict[str, Any]:
    """Calls to make of each checkpoint, and the mean of its answers' dollars and seconds, None where unknown."""
    missing = Counter(key for _, key, _ in wanted(study, options))
    stored = study.responses()
    fresh = stored[stored["flag"] != "failed"]
    found: dict[str, Any] = {}
    for key, calls in missing.items():
        mine = fresh[fresh["checkpoint"] == key]
        means = {name: float(mine[name].mean()) for name in ("cost", "latency")}
        known = {name: None if math.isnan(mean) else mean for name, mean in means.items()}
        found[key] = {"calls": calls, **known}
    return {"missing": found, "measured": bool(len(fresh))}


def run(study: Study, options: Options, progress: Progress) -> Result:
    """The job: ask what is missing, endpoints and local models alike."""
    if not study.prompts()["active"].any():
        raise UserError(f"Study '{study.name}' has no prompts; add some with 'prompts {study.name} --add FILE'.")
    asks = plan(study, options)
    return in_batches(study, options, progress, [asks], len(asks))


def in_batches(
    study: Study, options: Options, progress: Progress, batches: Iterable[Sequence[Ask]], total: int
) -> Result:
    """Ask batch after batch, inside one limit; each is stored before the next one is asked for.

    `total` is how many asks there are at most.
    """
    ledger = Ledger(study, total, Budget(options.max_dollars, options.max_requests), progress)
    serving = served.planned(study, options.choices)
    for line in serving.sentences() if serving else []:
        progress.log(line)
    try:
        with served.ready(serving, options.wait) as servers:
            asyncio.run(_collect(batches, options, ledger, servers))
        progress.check()
    except (Cancelled, KeyboardInterrupt) as stop:
        raise Cancelled(ledger.summary()) from stop
    finally:
        # Also of a run that was cancelled or failed: what was answered is to be seen.
        ledger.close()
    return ledger.summary()


async def _collect(
    batches: Iterable[Sequence[Ask]], options: Options, ledger: Ledger, servers: Fleet | None
) -> None:
    async with ChatClient(options.concurrency, options.timeout, options.attempts) as client:
        await client.heed(_ask_batches(client, batches, options, ledger, servers), ledger.progress)


async def _ask_batches(
    client: ChatClient,
    batches: Iterable[Sequence[Ask]],
    options: Options,
    ledger: Ledger,
    servers: Fleet | None,
) -> None:
    """Endpoints, then what is served, then local models; a batch may hang on what became of the one before."""
    prices: dict[str, Price | None] = {}
    for asks in batches:
        remote = [ask for ask in asks if not providers.is_local(ask.checkpoint)]
        if remote:
            await _ask_all(client, remote, options, ledger, prices)
        if servers is not None:
            await served.ask_all(client, asks, ledger, servers, options.at_a_server)
            asks = [ask for ask in asks if servers.plan.group_of(ask.checkpoint.key) is None]
        if client.stopping.is_set():
            return
        for checkpoint in {ask.checkpoint.key: ask.checkpoint for ask in asks}.values():
            mine = [ask for ask in asks if ask.checkpoint.key == checkpoint.key]
            if providers.is_local(checkpoint):
                requests = [ask.request for ask in mine]
                for place, reply in generate.answers(checkpoint, requests, ledger.progress.check):
                    ledger.record(mine[place], reply)
        ledger.flush()
        if ledger.budget.stopped_by:
            return


async def _ask_all(
    client: ChatClient, asks: Sequence[Ask], options: Options, ledger: Ledger, prices: dict[str, Price | None]
) -> None:
    """All endpoints at once, each with its own queue and workers, so that a slow one holds up no other.

    `prices` gains those of checkpoints that were not looked up before.
    """
    points = {ask.checkpoint.key: providers.endpoint(ask.checkpoint) for ask in asks}
    prices |= await _check_models(client, {key: point for key, point in points.items() if key not in prices})
    ledger.progress.update(ledger.done, ledger.total, "answers")
    # Taken from their ends, so turned round: the first ask first.
    queues: dict[str, list[Ask]] = {}
    for ask in reversed(asks):
        queues.setdefault(points[ask.checkpoint.key].base_url, []).append(ask)

    async def work(queue: list[Ask]) -> None:
        while queue and not client.stopping.is_set():
            ask = queue.pop()
            key, price = ask.checkpoint.key, prices[ask.checkpoint.key]
            call = partial(client.ask, points[key], ask.request, price)
            # What is stored costs nothing, and so must not wait for room in the budget or use up a request.
            stored = ask.request.key in replies.cache()
            reply = await (call() if stored else ledger.budget.spend(key, most(ask, price), call))
            if reply is None:
                return
            ledger.record(ask, reply, client.at_once)

    await client.together(
        work(queue) for queue in queues.values() for _ in range(min(options.concurrency, len(queue)))
    )


def most(ask: Ask, price: Price | None) -> float | None:
    """The most that a call can cost, where that is known."""
    longest = ask.request.parameters.get("max_tokens")
    if price is None or not isinstance(longest, int):
        return None
    # A token covers at least one byte of the conversation as it is sent.
    return price.of(len(files.canonical(ask.request.messages)), longest)


async def _check_models(client: ChatClient, points: dict[str, Endpoint]) -> dict[str, Price | None]:
    """Prices by checkpoint, after making sure that every model is served; nothing was spent yet if one is not."""
    prices = await asyncio.gather(*(client.check_model(point) for point in points.values()))
    return dict(zip(points, prices, strict=True))


async def check(study: Study) -> dict[str, Price | None]:
    """Make sure that every endpoint answers and still serves its model; prices by checkpoint. Spends nothing."""
    remote = [c for c in study.checkpoints if c.source != "import" and not providers.is_local(c)]
    async with ChatClient() as client:
        return await _check_models(client, {c.key: providers.endpoint(c) for c in remote})
