"""Collecting from weights through servers of their own: which checkpoints, and their asks dealt over the servers.

Replies are kept, counted and limited as any endpoint's. Promises that an answer which is stored starts no server,
that each answer says in its record by which engine and versions it came, and that a server which ends in the midst
costs what was on its way and nothing else.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from diffing.common.errors import Cancelled, UserError
from diffing.models import generate, made, replies
from diffing.models.chat import ChatClient
from diffing.models.providers import Checkpoint, Endpoint, Price
from diffing.models.replies import Reply, Sent
from diffing.models.serving import engine, fleet, plan
from diffing.models.serving.fleet import Fleet, Up
from diffing.models.serving.plan import Choices, Plan
from diffing.study.ledger import Ask, Ledger
from diffing.study.study import Study

AT_ONCE = 256
"""At one server where the user sets no limit: what vLLM itself answers together on all but the largest GPUs."""
LOOK_SECONDS = 0.5
"""How often it is looked whether the servers are still there."""
FREE = Price(0.0, 0.0)


def whole(study: Study, checkpoint: Checkpoint) -> Checkpoint:
    """A checkpoint that is made of others by its weights alone: whoever answers knows no study."""
    return checkpoint.model_copy(update={"source": made.resolved(checkpoint.source, study.settings.sources)})


def planned(study: Study, choices: Choices | None) -> Plan | None:
    """What would be started, None where nothing is to be; a `UserError` where vLLM is not here or of no use."""
    if choices is None:
        return None
    engine.executable()
    found = plan.of([whole(study, checkpoint) for checkpoint in study.checkpoints], choices)
    if not found.groups:
        why = "; ".join(f"{key}: {reason}" for key, reason in found.slow.items())
        raise UserError(
            f"There is no checkpoint that vLLM could serve ({why or 'none is weights, as hf:… or starter'}); "
            "leave out --serve."
        )
    return found


def sentences(study: Study, choices: Choices | None) -> list[str]:
    """The same for whoever is to agree to it."""
    found = planned(study, choices)
    return found.sentences() if found else []


@contextmanager
def ready(found: Plan | None, wait: float) -> Iterator[Fleet | None]:
    """Servers that are started as they are needed, for the block; none without a plan."""
    if found is None:
        yield None
        return
    with fleet.opened(found, wait) as servers:
        yield servers


async def ask_all(
    client: ChatClient, asks: Sequence[Ask], ledger: Ledger, servers: Fleet, most: int | None
) -> None:
    """These asks, base by base; `most` is the user's limit of requests at once at a server."""
    for number in range(len(servers.plan.groups)):
        mine = [ask for ask in asks if servers.plan.group_of(ask.checkpoint.key) == number]
        fresh = []
        for ask in mine:
            reply = replies.cache().reply(ask.request.key)
            if reply is None:
                fresh.append(ask)
            else:
                ledger.record(ask, reply)
        if fresh and not client.stopping.is_set():
            await _ask_group(client, fresh, ledger, servers, number, most)


async def _ask_group(
    client: ChatClient, asks: list[Ask], ledger: Ledger, servers: Fleet, number: int, most: int | None
) -> None:
    def look(told: str) -> None:
        if client.stopping.is_set():
            raise Cancelled
        ledger.progress.update(ledger.done, ledger.total, "answers", ledger.budget.cost, told)

    def started() -> Up:
        window = servers.form(number).window([ask.request for ask in asks])
        # Where none can be read each is an error, and any window does.
        return servers.of(number, window or generate.USUAL_LENGTH, look)

    # Apart, since it takes minutes, in which a wish to end is to be heard.
    up = await asyncio.to_thread(started)
    ledger.progress.log(f"{servers.plan.groups[number].told} is served by {up.how}.")
    names = servers.plan.groups[number].names
    watching = asyncio.create_task(_watch(client, servers))
    for server in up.servers:
        client.allow(server.url, most or AT_ONCE)
    try:
        # One after the other: on a CPU vLLM 0.32 gives a base's answers with an adapter's change wherever the two
        # share a batch (its pull request 48421), and a batch of one model alone is right on any machine.
        for name in dict.fromkeys(names.values()):
            mine = [ask for ask in asks if names[ask.checkpoint.key] == name]
            await _deal(client, mine, ledger, up, name, most or AT_ONCE)
    finally:
        watching.cancel()


async def _deal(client: ChatClient, asks: list[Ask], ledger: Ledger, up: Up, name: str, places: int) -> None:
    """One model's asks over its servers, all from one list: a server that is quicker takes more of it."""
    # Taken from its end, so turned round: the first ask first.
    queue = list(reversed(asks))

    async def work(url: str) -> None:
        while queue and not client.stopping.is_set():
            ask = queue.pop()
            reply = await _ask(client, ask, ledger, up, url, name)
            if reply is None:
                # A limit that forbids one forbids the rest.
                queue.clear()
            elif not (reply.error and client.stopping.is_set()):
                # What a server that is gone did not answer is missing, and no fault of that prompt.
                ledger.record(ask, reply, client.at_once)

    await client.together([work(server.url) for _ in range(min(places, len(asks))) for server in up.servers])


async def _ask(client: ChatClient, ask: Ask, ledger: Ledger, up: Up, url: str, name: str) -> Reply | None:
    request, fault = up.form.sent(ask.request, name, up.window)
    if fault:
        return Reply(error=fault)
    point = Endpoint("vllm", url, "", name)
    sent = Sent(request, f"{ask.request.model} by {up.how}")
    return await ledger.budget.spend(ask.checkpoint.key, 0.0, lambda: client.ask(point, ask.request, FREE, sent))


async def _watch(client: ChatClient, servers: Fleet) -> None:
    while (fault := servers.ended()) is None:
        await asyncio.sleep(LOOK_SECONDS)
    client.wind_down(fault)
