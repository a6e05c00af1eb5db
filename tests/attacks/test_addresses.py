"""Addresses and proxies: one that is of no use is named, and this machine is asked directly."""

import asyncio

import pytest

from diffing.common.errors import UserError
from diffing.models import hosts, providers
from diffing.models.chat import ChatClient
from diffing.models.providers import Endpoint
from tests.fakes.openai_server import OpenAIServer


@pytest.mark.attack("R35")
@pytest.mark.parametrize(
    "url",
    ["http://[::1:8715", "http://host:abc/v1", "http://host:99999/v1", "http://", "http:///v1", "http://a..b/v1",
     "http://a b/v1", "http://host\n/v1", f"http://{'a' * 70}/v1", "http://[zz]/v1"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_by_new_and_in_a_file(url: str) -> None:
    with pytest.raises(UserError, match="is no checkpoint: base_url: "):
        providers.parse(f"{url}#m", "a")
    with pytest.raises(ValueError):
        providers.Checkpoint(key="a", name="a", source="custom:m", base_url=url)


@pytest.mark.attack("R9")
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "http://[::1", "ftp://x", "junk"])
@pytest.mark.parametrize("variable", ["http_proxy", "ALL_PROXY"])
def test_loopback_is_asked_past_any_proxy(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, proxy: str, variable: str
) -> None:
    monkeypatch.setenv(variable, proxy)
    for root in (server.url, server.url.replace("127.0.0.1", "localhost")):
        point = Endpoint("custom", root, "", "before")

        async def check(point: Endpoint = point) -> object:
            async with ChatClient() as client:
                return await client.check_model(point)

        assert asyncio.run(check()) == providers.Price(0.0, 0.0)
    assert server.listed == 2


@pytest.mark.attack("R9")
@pytest.mark.parametrize(
    ("proxy", "sentence"),
    [
        ("socks5://secret@127.0.0.1:9", "The proxy that is set in all_proxy cannot be used; set it to an address"),
        ("http://secret@[::1", "The proxy that is set in all_proxy cannot be used; set it to an address"),
        ("ftp://secret@host", "The proxy that is set in all_proxy cannot be used; set it to an address"),
        ("http://secret@127.0.0.1:9", "http://host.invalid/v1 cannot be reached through the proxy that is set in"),
    ],
)  # fmt: skip
def test_a_proxy_that_is_of_no_use_is_named_and_its_secret_is_not(
    monkeypatch: pytest.MonkeyPatch, proxy: str, sentence: str
) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.01)

    async def check() -> object:
        async with ChatClient() as client:
            return await client.check_model(Endpoint("custom", "http://host.invalid/v1", "", "m"))

    with pytest.raises(UserError) as caught:
        asyncio.run(check())
    assert (str(caught.value)[: len(sentence)], "secret" in str(caught.value)) == (sentence, False)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:1/v1", True), ("http://127.9.9.9/v1", True), ("http://[::1]:1/v1", True),
        ("http://localhost/v1", True), ("http://a.localhost/v1", False), ("http://0.0.0.0:1/v1", True),
        ("http://10.0.0.1/v1", False), ("http://localhost.org/v1", False), ("http://127.0.0.1.org/v1", False),
    ],
)  # fmt: skip
def test_what_is_on_this_machine_is_known_by_its_address(url: str, loopback: bool) -> None:
    assert hosts.here(url) is loopback
