"""Everything that an endpoint may do to us, one row each: a reply is read or fails its row, in bounds.

A row is what the server sends and what is wanted of it. One server sends them all.
"""

import asyncio
import json
import tracemalloc
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import NamedTuple

import pytest

from diffing.common.errors import UserError
from diffing.models import faults, inflow, wire
from diffing.models.chat import ChatClient
from diffing.models.providers import Endpoint, Price
from diffing.models.replies import Reply, Request
from tests.fakes.raw_server import (
    RawServer,
    Row,
    chunked,
    completion,
    dripping,
    http,
    listing,
    packed,
    repeated,
)

PATIENT, IMPATIENT = 120.0, 0.5
"""Seconds for a reply that comes, on the busiest machine too, and for one that never does."""


class Wanted(NamedTuple):
    """What a chat row comes to."""

    text: str = ""
    error: str = ""
    """How the error begins."""
    asked: int = 1
    """Requests that it takes, of two at most."""
    cost: float | None = None
    finish: str = "stop"
    stops: bool = False
    """Whether the whole run ends with this sentence."""
    timeout: float = PATIENT
    answered: bool = False


def fine(text: str = "fine", **more: object) -> Wanted:
    return Wanted(text, answered=True, **more)  # type: ignore[arg-type]


def fails(error: str, asked: int = 2, timeout: float = PATIENT) -> Wanted:
    return Wanted(error=error, asked=asked, finish="", timeout=timeout)


def stops(error: str) -> Wanted:
    return Wanted(error=error, finish="", stops=True)


def status(code: int, message: str = "no", **headers: str) -> bytes:
    return http(code, json.dumps({"error": {"message": message}}), **headers)


def usage(**fields: object) -> bytes:
    return http(body=completion(usage=fields))


def said(choice: object) -> bytes:
    return http(body=json.dumps({"choices": [choice]}))


def whole(body: str, way: str, window: int, cut: int = 0) -> bytes:
    packer = zlib.compressobj(wbits=window)
    data = packer.compress(body.encode()) + packer.flush()
    return http(body=data[: len(data) - cut], content_encoding=way)


def headers_of(count: int, length: int) -> bytes:
    first, _, rest = http(body=completion()).partition(b"\r\n")
    many = b"".join(b"x-%d: %s\r\n" % (i, b"a" * length) for i in range(count))
    return first + b"\r\n" + many + rest


def to(place: str, code: int = 307) -> bytes:
    return http(code, location=place)


def bomb(code: int = 200, **headers: str) -> Row:
    return chunked(packed(ZEROS), code, content_encoding="gzip", **headers)


IN_AN_HOUR = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
DEEP = "[" * 100_000 + "]" * 100_000
LONGER = "a" * (wire.LONGEST_ANSWER + 1)
TOO_LONG = "the answer has 1,000,001 characters, more than the 1,000,000 that are kept"
TWO_CHOICES = json.dumps(
    {"choices": [{"message": {"content": name}, "finish_reason": "stop"} for name in ("first", "second")]}
)
MILLION_CHOICES = '{"choices": [' + "{}," * 1_000_000 + "{}]}"
DAMAGED = whole(completion(), "gzip", 31).replace(b"\r\n\r\n\x1f\x8b\x08", b"\r\n\r\n\x1f\x8b\x09")
ZEROS = repeated(b"0" * 1_000_000, 1_000_000_000)
ENDLESS = repeated(b" " * 100_000, 10**9)

STATUSES: dict[str, tuple[Row, Wanted]] = {
    **{
        f"status-{code}": (status(code), fails(f"Error code: {code} - "))
        for code in (408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529)
    },
    **{
        f"status-{code}": (status(code), fails(f"Error code: {code} - ", 1))
        for code in (400, 403, 405, 413, 415, 418, 422, 451, 501)
    },
    "status-401": (status(401), stops("{url} wants a key; name its variable with --key-env.")),
    "status-402": (status(402, "pay"), stops("{url} wants payment first (Error code: 402 - ")),
    "status-404": (status(404, "gone"), stops("{url} does not serve 'm' (Error code: 404 - ")),
    "quota": (
        http(429, json.dumps({"error": {"message": "q", "code": "insufficient_quota"}})),
        stops("{url} wants payment first (Error code: 429 - "),
    ),
    "filter": (
        http(400, json.dumps({"error": {"message": "x", "code": "content_filter"}})),
        Wanted(finish="content_filter", answered=True),
    ),
    "status-204": (http(204, content_length=""), fails("the reply is not JSON")),
    "status-304": (http(304), fails("Error code: 304", 1)),
    "status-999": (status(999), fails("Error code: 999 - ", 1)),
    "continue-first": (b"HTTP/1.1 100 Continue\r\n\r\n" + http(body=completion()), fine()),
    "wait-0": (status(429, retry_after="0"), fails("Error code: 429 - ")),
    "wait-past": (status(429, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"), fails("Error code: 429 - ")),
    "wait-hour": (status(429, retry_after=IN_AN_HOUR), fails("Error code: 429 - ", 1)),
    "wait-negative": (status(429, retry_after="-5"), fails("Error code: 429 - ")),
    "wait-nan": (status(429, retry_after="nan"), fails("Error code: 429 - ")),
    "wait-inf": (status(429, retry_after="inf"), fails("Error code: 429 - ")),
    "wait-99999": (status(429, retry_after="99999"), fails("Error code: 429 - ", 1)),
    "wait-junk": (status(429, retry_after="soon"), fails("Error code: 429 - ")),
    "wait-digits": (status(429, retry_after="9" * 5000), fails("Error code: 429 - ")),
    "wait-ms-power": (status(429, retry_after_ms="²"), fails("Error code: 429 - ")),
    "wait-ms-digits": (status(429, retry_after_ms="9" * 5000), fails("Error code: 429 - ")),
    "wait-ms-exponent": (status(429, retry_after_ms="1e999"), fails("Error code: 429 - ")),
    "wait-ms-negative": (status(429, retry_after_ms="-1"), fails("Error code: 429 - ")),
}

BODIES: dict[str, tuple[Row, Wanted]] = {
    "plain": (http(body=completion()), fine()),
    "html": (http(body="<html>busy</html>", content_type="text/html"), fails("the reply is not JSON")),
    "html-500": (http(500, "<html>busy</html>"), fails("Error code: 500")),
    "sse": (http(body="data: {}\n\ndata: [DONE]\n\n"), fails("the reply is not JSON")),
    "empty": (http(), fails("the reply is not JSON")),
    "array": (http(body="[]"), fails("the reply is no JSON object")),
    "deep": (http(body=DEEP), fails("the reply is not JSON")),
    "deep-beside": (http(body=completion()[:-1] + ', "x": ' + DEEP + "}"), fails("the reply is not JSON")),
    "big-integer": (http(body=completion()[:-1] + ', "x": ' + "9" * 5000 + "}"), fails("the reply is not JSON")),
    "not-a-number": (http(body=completion()[:-1] + ', "x": NaN}'), fine()),
    "no-choices": (http(body="{}"), fails("the reply holds no choices")),
    "null-choices": (http(body='{"choices": null}'), fails("the reply holds no choices")),
    "empty-choices": (http(body='{"choices": []}'), fails("the reply holds no choices")),
    "choices-object": (http(body='{"choices": {}}'), fails("the reply holds no choices")),
    "no-message": (said({"finish_reason": "stop"}), fails("the reply holds no choices.0.message")),
    "null-message": (said({"message": None}), fails("the reply holds no choices.0.message")),
    "number-as-text": (said({"message": {"content": 7}}), fails("the reply holds no choices.0.message.content")),
    "null-text": (said({"message": {"content": None}, "finish_reason": "stop"}), fine("")),
    "refusal-beside": (said({"message": {"refusal": "I won't."}, "finish_reason": "stop"}), fine("I won't.")),
    "parts": (http(body=completion([{"text": "fi"}, {"text": "ne"}, {"image": 1}])), fine()),
    "nul": (http(body=completion("a\0b")), fine("a\0b")),
    "surrogate": (http(body=completion("a\ud83d")), fine("a\ufffd")),
    "byte-order-mark": (http(body=b"\xef\xbb\xbf" + completion().encode()), fails("the reply is not JSON")),
    "utf-16": (http(body=completion().encode("utf-16")), fails("the reply is not JSON")),
    "latin-1": (http(body=completion("caf~").encode().replace(b"~", b"\xe9")), fine("caf\ufffd")),
    "wrong-type": (http(body=completion(), content_type="image/png"), fine()),
    "error-at-200": (http(body='{"error": {"message": "busy"}}'), fails("busy")),
    "error-as-text": (http(body='{"error": "busy"}'), fails("busy")),
    "two-choices": (http(body=TWO_CHOICES), fine("first")),
    "million-choices": (http(body=MILLION_CHOICES), fails("the reply holds no choices.0.message")),
    "same-key-twice": (http(body='{"choices": 1,' + completion()[1:]), fine()),
    "broken-off": (said({"message": {"content": "ha"}, "finish_reason": "error"}), fails("the provider broke")),
    "odd-finish": (said({"message": {"content": "x"}, "finish_reason": ["stop"]}), fine("x", finish="")),
    "cost": (usage(cost=0.25), fine(cost=0.25)),
    "cost-in-words": (usage(cost="0.25"), fine(cost=0.25)),
    "cost-negative": (usage(cost=-1), fine()),
    "cost-infinite": (http(body=completion(usage={"cost": 0}).replace(" 0}", " 1e999}")), fine()),
    "cost-nan": (http(body=completion(usage={"cost": 0}).replace(" 0}", " NaN}")), fine()),
    "cost-beyond": (usage(cost=1e300), fine()),
    "tokens-negative": (usage(prompt_tokens=-5, completion_tokens=3), fine()),
    "tokens-beyond": (usage(prompt_tokens=2**60, completion_tokens=3), fine()),
    "tokens-priced": (usage(prompt_tokens=100, completion_tokens=10), fine(cost=0.13)),
    "usage-is-text": (http(body=completion(usage="much")), fine()),
}  # fmt: skip

TRANSPORT: dict[str, tuple[Row, Wanted]] = {
    "reset": (b"", fails("")),
    "half-a-header": (b"HTTP/1.1 200 OK\r\nContent-Le", fails("")),
    "cut-body": (http(body=completion())[:-20], fails("")),
    "length-lies": (http(body=completion(), content_length="9"), fails("the reply is not JSON")),
    "length-junk": (http(body=completion(), content_length="many"), fails("")),
    "length-huge": (http(body=completion(), content_length="9" * 30), fails("")),
    "no-http": (b"220 mail.example ESMTP\r\n", fails("")),
    "http-2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", fails("")),
    "bad-chunk": (http(content_length="", transfer_encoding="chunked") + b"zz\r\n", fails("")),
    "chunks": (chunked(lambda: iter([b"{", completion()[1:].encode()])), fine()),
    "no-length": (http(body=completion(), content_length="", connection="close"), fine()),
    "one-huge-header": (headers_of(1, 10_000_000), fails("")),
    "many-headers": (headers_of(20_000, 20), fails("")),
    "silence": (dripping(b"", 0), fails("no reply within 0.5 s", timeout=IMPATIENT)),
    "slow-header": (dripping(http(body=completion()), 4), fails("no reply within 0.5 s", timeout=IMPATIENT)),
    "slow-body": (dripping(http(body=completion()), 80), fails("no reply within 0.5 s", timeout=IMPATIENT)),
    "gzip": (whole(completion(), "gzip", 31), fine()),
    "x-gzip": (whole(completion(), "X-GZip", 31), fine()),
    "deflate": (whole(completion(), "deflate", 15), fine()),
    "identity": (http(body=completion(), content_encoding="identity"), fine()),
    "gzip-that-is-none": (http(body=completion(), content_encoding="gzip"), fails("the reply cannot be unpacked")),
    "gzip-cut": (whole(completion(), "gzip", 31, 30), fails("the reply is not JSON")),
    "gzip-damaged": (DAMAGED, fails("the reply cannot be unpacked")),
    "brotli": (http(body=b"\x0b\x02", content_encoding="br"), fails("the reply is packed as 'br', which")),
    "gzip-twice": (http(body=b"", content_encoding="gzip, gzip"), fails("the reply is packed as 'gzip, gzip'")),
    "bomb": (bomb(), fails("the reply is larger than 12 MB", 1)),
    "bomb-at-500": (bomb(500), fails("the reply is larger than 12 MB", 1)),
    "bomb-on-the-way": (bomb(307, location="/plain/v1/chat/completions"), fails("the reply is larger than", 1)),
    "endless": (chunked(ENDLESS), fails("the reply is larger than 12 MB", 1)),
    "endless-header": (b"HTTP/1.1 200 OK\r\n" + (b"a: " + b"b" * 100_000 + b"\r\n") * 100, fails("")),
    "large": (http(body=b" " * inflow.LARGEST_REPLY), fails("the reply is not JSON")),
    "too-large": (http(body=b" " * (inflow.LARGEST_REPLY + 1)), fails("the reply is larger than 12 MB", 1)),
    "long-answer": (http(body=completion(LONGER[1:])), fine(LONGER[1:])),
    "longer-answer": (http(body=completion(LONGER, usage={"cost": 0.5})), fails(TOO_LONG, 1)._replace(cost=0.5)),
    "long-in-gzip": (whole(completion(LONGER), "gzip", 31), fails(TOO_LONG, 1)),
    "moved": (to("/plain/v1/chat/completions"), fine()),
    "moved-around": (to("/moved-around/v1/chat/completions"), fails("Exceeded maximum allowed redirects")),
    "moved-to-a-file": (to("file:///etc/passwd"), fails("")),
    "moved-nowhere": (to("http://[::1:8715/"), fails("")),
    "moved-to-words": (to("\x01 \x02"), fails("")),
}  # fmt: skip

ROWS = STATUSES | BODIES | TRANSPORT

FREE = Price(0.0, 0.0)
"""What a server without a key is taken to charge where it states nothing."""


def priced(**pricing: object) -> bytes:
    return http(body=listing({"id": "m", "pricing": pricing}))


LISTS: dict[str, tuple[Row, Price | str]] = {
    "list": (http(body=listing("m", "n")), FREE),
    "list-404": (status(404), FREE),
    "list-500": (status(500), FREE),
    "list-html": (http(body="<html>"), FREE),
    "list-junk": (http(body="{]"), FREE),
    "list-array": (http(body="[]"), FREE),
    "list-null": (http(body='{"data": null}'), FREE),
    "list-of-texts": (http(body='{"data": ["m", 7, null, {"id": null}, {"id": {}}]}'), FREE),
    "list-deep": (http(body=DEEP), FREE),
    "list-prefix": (http(body=listing("models/m")), FREE),
    "list-twice": (http(body=listing("m", "m")), FREE),
    "list-without": (http(body=listing("mm", "x")), "{url} does not serve 'm' (any more); use another id (mm)"),
    "list-of-200000": (http(body=listing(*map(str, range(200_000)))), "{url} does not serve 'm' (any more); use"),
    "list-401": (status(401), "{url} wants a key; name its variable with --key-env."),
    "list-closed": (b"", "{url} cannot be reached ("),
    "list-no-http": (b"220 mail\r\n", "{url} cannot be reached ("),
    "list-around": (to("/list-around/v1/models"), "{url} cannot be reached (Exceeded maximum allowed redirects"),
    "list-to-a-file": (to("file:///etc/passwd"), "{url} cannot be reached ("),
    "list-silent": (dripping(b"", 0), "{url} did not send its list of models within 0.5 s; check"),
    "list-header-drips": (dripping(http(body=listing("m")), 4), "{url} did not send its list of models within"),
    "list-body-drips": (dripping(http(body=listing("m")), 90), "{url} did not send its list of models within"),
    "list-bomb": (bomb(), "The list of models of {url} is larger than 8 MB"),
    "list-endless": (chunked(ENDLESS), "The list of models of {url} is larger than 8 MB, which none is; check"),
    "price": (priced(prompt="0.001", completion="0.002"), Price(0.001, 0.002)),
    "price-number": (priced(prompt=0.001, completion=0), Price(0.001, 0.0)),
    "price-minus-1": (priced(prompt="-1", completion="-1"), FREE),
    "price-half-negative": (priced(prompt="0.001", completion="-0.5"), FREE),
    "price-nan": (priced(prompt="nan", completion="nan"), FREE),
    "price-infinite": (priced(prompt="inf", completion="0"), FREE),
    "price-beyond": (priced(prompt="1e300", completion="0"), FREE),
    "price-words": (priced(prompt="cheap", completion="0"), FREE),
    "price-missing": (priced(prompt="0.001"), FREE),
    "price-is-text": (http(body=listing({"id": "m", "pricing": "free"})), FREE),
}  # fmt: skip


@pytest.fixture(scope="module")
def raw() -> Iterator[RawServer]:
    rows = {name: row for name, (row, _) in ROWS.items()} | {name: row for name, (row, _) in LISTS.items()}
    with RawServer(rows) as running:
        yield running


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "FIRST_WAIT", 0.01)


def ask(raw: RawServer, row: str, timeout: float, times: int = 1) -> list[Reply]:
    """The row's replies, asked for all at once, each a question of its own."""
    point = Endpoint("custom", raw.url(row), "", "m")
    asked = [Request(point.base_url, "m", [{"role": "user", "content": str(i)}], {}) for i in range(times)]

    async def together() -> list[Reply]:
        async with ChatClient(timeout=timeout, attempts=2) as client:
            return await asyncio.gather(*(client.ask(point, one, Price(0.001, 0.003)) for one in asked))

    return asyncio.run(together())


def test_the_table_is_as_long_as_it_says() -> None:
    assert len(ROWS) + len(LISTS) >= 88


@pytest.mark.attack("R5")
@pytest.mark.attack("R16")
@pytest.mark.parametrize("row", ROWS)
def test_an_answer_is_read_or_fails_its_row(raw: RawServer, row: str) -> None:
    wanted, before = ROWS[row][1], raw.asked[row]
    if wanted.stops:
        with pytest.raises(UserError) as caught:
            ask(raw, row, wanted.timeout)
        text, error, cost, finish = "", str(caught.value), None, ""
    else:
        [reply] = ask(raw, row, wanted.timeout)
        text, error, cost, finish = reply.text, reply.error, reply.cost, reply.finish_reason
    begins = wanted.error.format(url=raw.url(row))
    assert (text, error[: len(begins)], error == "", cost, finish) == (
        wanted.text,
        begins,
        wanted.answered,
        wanted.cost,
        wanted.finish,
    )
    assert "\n" not in error and "Traceback" not in error and len(error) < 700
    # A request that is moved is asked twice, and one that is given up at once may never arrive.
    if "moved" not in row and wanted.timeout == PATIENT:
        assert raw.asked[row] - before == wanted.asked


@pytest.mark.attack("R1")
@pytest.mark.attack("R5")
@pytest.mark.attack("R6")
@pytest.mark.parametrize("row", LISTS)
def test_a_model_list_is_read_passed_over_or_named(
    raw: RawServer, row: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = LISTS[row][1]
    monkeypatch.setattr(wire, "LIST_SECONDS", IMPATIENT if "within" in str(wanted) else PATIENT)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)

    async def check() -> Price | None:
        async with ChatClient() as client:
            return await client.check_model(Endpoint("custom", raw.url(row), "", "m"))

    if isinstance(wanted, Price):
        assert asyncio.run(check()) == wanted
        return
    with pytest.raises(UserError) as caught:
        asyncio.run(check())
    begins = wanted.format(url=raw.url(row))
    assert str(caught.value)[: len(begins)] == begins


@pytest.mark.attack("R5")
@pytest.mark.parametrize("row", ["bomb", "endless", "large"])
def test_many_huge_replies_at_once_take_little_memory(raw: RawServer, row: str) -> None:
    ask(raw, "plain", PATIENT)
    tracemalloc.start()
    replies = ask(raw, row, PATIENT, times=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len({reply.error for reply in replies} - {""}) == 1
    # Four at once: all ten would be 120 MB. What is read to its end stands a moment in two pieces of memory, which
    # on a busy machine may be so of all four.
    assert peak < (150e6 if row == "large" else 110e6)
