"""The client: trouble is asked through or named, a reply is paid once, and no secret is repeated."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from diffing.common.errors import UserError
from diffing.models import allowed, faults, providers
from diffing.models.chat import ChatClient
from diffing.models.providers import Endpoint, Price
from diffing.models.replies import Reply, Request
from tests.fakes.openai_server import Behaviour, Call, OpenAIServer, failure, in_turn


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "FIRST_WAIT", 0.01)


def endpoint(server: OpenAIServer, model: str = "before", key_env: str = "") -> Endpoint:
    if key_env:
        allowed.allow(server.url, key_env)
    return Endpoint("custom", server.url, key_env, model)


def request(server: OpenAIServer, text: str = "Hello", draw: int = 0, **parameters: Any) -> Request:
    return Request(server.url, "before", [{"role": "user", "content": text}], parameters, draw)


def ask(server: OpenAIServer, *asked: Request, price: Price | None = None, **settings: Any) -> list[Reply]:
    """Replies to these requests, put all at once by one client."""

    async def together() -> list[Reply]:
        async with ChatClient(**settings) as client:
            return await asyncio.gather(*(client.ask(endpoint(server), one, price) for one in asked))

    return asyncio.run(together())


def test_a_reply_carries_what_the_server_said(server: OpenAIServer) -> None:
    server.reply = lambda _: Behaviour("Hi.", model="before-001", usage={"prompt_tokens": 7, "cost": 0.25})
    [reply] = ask(server, request(server, temperature=0.5, max_tokens=9))
    assert reply == Reply(
        text="Hi.",
        finish_reason="stop",
        model_served="before-001",
        tokens_in=7,
        tokens_out=1,
        cost=0.25,
        latency=reply.latency,
        created=reply.created,
    )
    assert server.calls[0].body == {
        "model": "before",
        "messages": [{"role": "user", "content": "Hello"}],
        "temperature": 0.5,
        "max_tokens": 9,
    }


@pytest.mark.parametrize(
    "trouble",
    [
        failure(429),
        failure(429, retry_after="0"),
        failure(500),
        failure(503, retry_after_ms="1"),
        Behaviour(cut="before"),
        Behaviour(cut="within"),
        Behaviour(body=b"{not JSON"),
        Behaviour(body=b""),
        Behaviour(body=b"\xff\xfe"),
        Behaviour(body=["choices"]),
        Behaviour(body={"choices": []}),
        Behaviour(body={"choices": [{"finish_reason": "stop"}]}),
        Behaviour(body={"error": {"message": "upstream is busy", "code": 502}}),
        Behaviour("half an ans", finish_reason="error"),
    ],
)
def test_passing_trouble_is_asked_through(server: OpenAIServer, trouble: Behaviour) -> None:
    server.reply = in_turn(trouble, trouble, "fine")
    [reply] = ask(server, request(server))
    assert (reply.text, reply.error, len(server.calls)) == ("fine", "", 3)


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (failure(500, "boom"), "Error code: 500 - boom (after 2 attempts)"),
        (failure(400, "no such field"), "Error code: 400 - no such field (after 1 attempt)"),
        (failure(429, "later", retry_after="3600"), "Error code: 429 - later (after 1 attempt)"),
        (Behaviour(body={"choices": []}), "the reply holds no choices (after 2 attempts)"),
        (Behaviour(body=b"<html>"), "the reply is not JSON (after 2 attempts)"),
        (Behaviour(body={"error": {"message": "busy"}}), "busy (after 2 attempts)"),
        (Behaviour("slow", delay=9), "no reply within 3 s (after 2 attempts)"),
        (Behaviour("slow", drip=0.5), "no reply within 3 s (after 2 attempts)"),
    ],
)
def test_lasting_trouble_is_an_error_and_not_stored(server: OpenAIServer, trouble: Behaviour, error: str) -> None:
    server.reply = lambda call: trouble if call.prompt == "Hello" else "fine"
    failed, fine = ask(server, request(server), request(server, "Other"), attempts=2, timeout=3)
    assert (failed.text, error in failed.error, fine.text) == ("", True, "fine")
    server.reply = lambda _: "now it works"
    assert [r.text for r in ask(server, request(server), request(server, "Other"))] == ["now it works", "fine"]


def test_a_named_wait_is_kept(server: OpenAIServer) -> None:
    server.reply = in_turn(failure(429, retry_after_ms="300"), "fine")
    ask(server, request(server))
    first, second = server.calls
    assert first.answered and second.received - first.answered >= 0.3


def test_retry_after_is_read_in_every_form() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    told = [{"retry-after-ms": "1500"}, {"retry-after": "2.5"}, {"retry-after": "-1"}, {"retry-after": "soon"}, {}]
    assert [faults.retry_after(headers) for headers in told] == [1.5, 2.5, 0.0, None, None]
    assert 55 < (faults.retry_after({"retry-after": soon}) or 0) <= 60


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        (failure(401, "Incorrect key"), "refuses the key in SOME_KEY; set a valid one."),
        (
            failure(402, "No credit"),
            "wants payment first (Error code: 402 - No credit); add credit",
        ),
        (failure(429, "Quota", "insufficient_quota"), "wants payment first (Error code: 429 - Quota)"),
        (
            failure(404, "No such model"),
            "does not serve 'before' (Error code: 404 - No such model); use",
        ),
    ],
)
def test_what_no_other_request_could_better_is_said_at_once(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, trouble: Behaviour, sentence: str
) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-some")
    server.reply = lambda _: trouble

    async def one() -> Reply:
        async with ChatClient() as client:
            return await client.ask(endpoint(server, key_env="SOME_KEY"), request(server))

    with pytest.raises(UserError) as caught:
        asyncio.run(one())
    assert sentence in str(caught.value)
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    "filtered",
    [
        failure(400, "The prompt was filtered.", "content_filter"),
        failure(403, "The model requires moderation and your input was flagged."),
        Behaviour(None, finish_reason="content_filter"),
    ],
)
def test_a_content_filter_is_an_outcome_and_not_a_failure(server: OpenAIServer, filtered: Behaviour) -> None:
    server.reply = lambda _: filtered
    [reply] = ask(server, request(server))
    assert (reply.text, reply.finish_reason, reply.error, len(server.calls)) == ("", "content_filter", "", 1)


def test_the_key_is_cut_out_of_what_the_server_says(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-very-secret")
    server.reply = lambda call: failure(400, f"What a key: {call.key}!")

    async def one() -> Reply:
        async with ChatClient() as client:
            return await client.ask(endpoint(server, key_env="SOME_KEY"), request(server))

    assert asyncio.run(one()).error == "Error code: 400 - What a key: [key]! (after 1 attempt)"
    assert server.calls[0].key == "sk-very-secret"


def test_a_key_with_a_line_break_is_refused_without_being_shown(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-first\nsk-second")
    with pytest.raises(UserError, match="SOME_KEY holds characters that no key has") as caught:
        providers.need_key(endpoint(server, key_env="SOME_KEY"))
    assert "sk-" not in str(caught.value)


def test_a_stored_reply_is_never_asked_for_again(server: OpenAIServer) -> None:
    first, second = (
        ask(server, request(server)),
        ask(server, request(server), timeout=5, concurrency=1, attempts=1),
    )
    assert second == [first[0].model_copy(update={"cached": True})]
    assert len(server.calls) == 1


def test_draws_parameters_and_messages_are_part_of_what_is_stored(server: OpenAIServer) -> None:
    numbers = iter(range(10))
    server.reply = lambda _: str(next(numbers))
    asked = [
        request(server),
        request(server, draw=1),
        request(server, temperature=0.1),
        request(server, "Bye"),
        request(server)._replace(replaces="2026-01-01"),
    ]
    first, second = ask(server, *asked), ask(server, *asked)
    assert sorted(r.text for r in first) == ["0", "1", "2", "3", "4"]
    assert [r.text for r in second] == [r.text for r in first]
    assert len(server.calls) == 5


def test_no_more_calls_are_under_way_than_allowed(server: OpenAIServer) -> None:
    four, under_way, most = threading.Barrier(4, timeout=300), set[int](), list[int]()

    def meet(call: Call) -> str:
        under_way.add(call.number)
        four.wait()
        most.append(len(under_way))
        four.wait()
        under_way.discard(call.number)
        return "met"

    server.reply = meet
    replies = ask(server, *(request(server, str(i)) for i in range(16)), concurrency=4)
    assert ({r.text for r in replies}, max(most)) == ({"met"}, 4)


def test_each_provider_is_asked_in_its_own_words(server: OpenAIServer) -> None:
    async def one(provider: str) -> None:
        async with ChatClient() as client:
            await client.ask(Endpoint(provider, server.url, "", "before"), request(server, provider, max_tokens=9))

    for provider in ("openai", "openrouter", "custom"):
        asyncio.run(one(provider))
    beside = [{k: v for k, v in call.body.items() if k not in ("messages", "model")} for call in server.calls]
    assert beside == [
        {"max_completion_tokens": 9},
        {"max_tokens": 9, "usage": {"include": True}},
        {"max_tokens": 9},
    ]


def test_a_price_stands_in_where_no_cost_is_reported(server: OpenAIServer) -> None:
    server.reply = lambda _: Behaviour("Hi.", usage={"prompt_tokens": 100, "completion_tokens": 10})
    [reply] = ask(server, request(server), price=Price(0.5, 2.0))
    assert reply.cost == 70.0


def test_the_model_list_gives_prices_and_names_what_is_gone(server: OpenAIServer) -> None:
    server.models, server.prices = ("maker/model-2.5-flash", "other"), {"other": (0.001, 0.002)}

    async def check(model: str) -> Price | None:
        async with ChatClient() as client:
            return await client.check_model(endpoint(server, model))

    assert asyncio.run(check("other")) == asyncio.run(check("other:nitro")) == Price(0.001, 0.002)
    with pytest.raises(UserError, match=r"does not serve 'maker/model-2.0-flash'.*\(maker/model-2.5-flash\)"):
        asyncio.run(check("maker/model-2.0-flash"))
    server.models = None
    assert asyncio.run(check("whatever")) == Price(0.0, 0.0)
    assert server.calls == []


def test_an_unreachable_host_is_named() -> None:
    async def check() -> Price | None:
        async with ChatClient() as client:
            return await client.check_model(Endpoint("custom", "http://127.0.0.1:9/v1", "", "m"))

    with pytest.raises(UserError, match="http://127.0.0.1:9/v1 cannot be reached"):
        asyncio.run(check())
