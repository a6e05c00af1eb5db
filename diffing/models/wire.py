"""One request over the network, through the `openai` library: what is sent, and what came back.

Promises that whatever a server does becomes a reply or a `Fault`, in bounded time and memory, that no key stands
in its words, and that an endpoint on this machine is asked through no proxy. Retries nothing and stores nothing:
`chat` does. The library is slow to import, so `chat` opens this module when it first asks.
"""

import asyncio
import time
import urllib.request
from typing import Any

import httpx2
import openai
from openai import AsyncOpenAI

from diffing.common import files, tables
from diffing.common.errors import UserError
from diffing.models import hosts, providers
from diffing.models.completions import read_completion, read_models
from diffing.models.faults import LATE, Fault, refused, retry_after
from diffing.models.inflow import LARGEST_LIST, Inflow, TooLarge
from diffing.models.providers import Endpoint, Price
from diffing.models.replies import Reply, Request

LIST_SECONDS = 30
"""How long a server has for its list of models, which is small: for all of it, with retries; chosen by eye."""
LONGEST_ANSWER = 1_000_000
"""Characters of an answer with its reasoning: twice what the longest output of today's models comes to. No reader
reads more."""


OPENAI = hosts.host_of(providers.PROVIDERS["openai"].base_url)


class Plain(AsyncOpenAI):
    """The client for everybody but OpenAI: sends the key that it was given and nothing of its own accord.

    The library takes an organisation, a project and whole headers from the environment for any host, and such a
    header may hold another key.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.organization = self.project = self.admin_api_key = None
        self._custom_headers = {}


class Wire:
    """Open connections, one client for each address and key."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str], AsyncOpenAI] = {}
        self._inflow = Inflow()

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()

    async def models(self, point: Endpoint) -> dict[str, Price | None]:
        """Ids the endpoint serves, with prices where it states them; empty where it keeps no list."""
        try:
            async with asyncio.timeout(LIST_SECONDS):
                # The library's own two retries do here, where nothing is paid for.
                client = self._client(point).with_options(max_retries=2)
                listed = await client.models.with_raw_response.list()
        except openai.AuthenticationError as error:
            raise UserError(refused(point)) from error
        except openai.APIStatusError:
            # Some servers answer questions and keep no list.
            return {}
        except TimeoutError as error:
            raise UserError(
                f"{point.base_url} did not send its list of models within {LIST_SECONDS} s; check the address, "
                "or run it again."
            ) from error
        except TooLarge as error:
            raise UserError(
                f"The list of models of {point.base_url} is larger than {LARGEST_LIST / 1e6:g} MB, which none is; "
                "check the address."
            ) from error
        except openai.APIConnectionError as error:
            raise UserError(
                f"{point.base_url} cannot be reached{_through(point)} ({_cause(error)[:500]}); "
                "check the address and your network."
            ) from error
        return read_models(listed.http_response.content)

    async def ask(self, point: Endpoint, request: Request, timeout: float) -> Reply:
        """The reply to one attempt, or a `Fault`; `timeout` covers all of it, dripping bytes or none."""
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(timeout):
                raw = await self._client(point).chat.completions.with_raw_response.create(
                    model=request.model,
                    messages=request.messages,  # type: ignore[arg-type]
                    # As extra, since the library would refuse a field that it does not know.
                    extra_body=_body(point, request),
                )
            # From the bytes: the library's own reading takes any object for a completion.
            completion = read_completion(raw.http_response.content)
        except openai.APIStatusError as error:
            wait = retry_after(error.response.headers)
            raise Fault(_plain(error.message, point), error.status_code, str(error.code or ""), wait) from error
        except TimeoutError as error:
            raise Fault(f"no reply within {timeout:g} s", code=LATE) from error
        except TooLarge as error:
            raise Fault(str(error), lasting=True) from error
        except (openai.OpenAIError, ValueError) as error:
            raise Fault(_plain(_cause(error), point)) from error
        choice, usage = completion.choices[0], completion.usage
        reply = Reply(
            text=choice.message.content or choice.message.refusal or "",
            reasoning=choice.message.reasoning,
            tools=choice.message.tools,
            finish_reason=choice.finish_reason or "",
            model_served=completion.model or "",
            tokens_in=usage.prompt_tokens if usage else None,
            tokens_out=usage.written if usage else None,
            cost=usage.cost if usage else None,
            latency=round(time.perf_counter() - begun, 3),
            created=files.now(),
        )
        length = len(reply.text) + len(reply.reasoning) + len(reply.tools)
        if length > LONGEST_ANSWER:
            words = f"the answer has {length:,} characters, more than the {LONGEST_ANSWER:,} that are kept"
            nothing = dict.fromkeys(("text", "reasoning", "tools", "finish_reason"), "")
            raise Fault(words, lasting=True, billed=reply.model_copy(update=nothing))
        return reply

    def _client(self, point: Endpoint) -> AsyncOpenAI:
        where = (point.base_url, point.key_env)
        if where not in self._clients:
            # Retries and the time limit are ours: the library's own cover neither replies that are no
            # completion nor servers that send a byte now and then.
            made = AsyncOpenAI if hosts.host_of(point.base_url) == OPENAI else Plain
            self._clients[where] = made(
                base_url=point.base_url,
                api_key=providers.need_key(point),
                max_retries=0,
                timeout=None,
                http_client=self._connection(point),
                default_headers={"Accept-Encoding": "gzip, deflate"},
            )
        return self._clients[where]

    def _connection(self, point: Endpoint) -> openai.DefaultAsyncHttpxClient:
        hooks = {"response": [self._inflow.bound]}
        direct = hosts.here(point.base_url)
        try:
            return openai.DefaultAsyncHttpxClient(timeout=None, trust_env=not direct, event_hooks=hooks)
        except (ImportError, ValueError, httpx2.InvalidURL) as error:
            # An address of a proxy may hold a password, so none is shown.
            raise UserError(
                f"The proxy that is set in {' or '.join(_proxies())} cannot be used; "
                "set it to an address that begins with http://, or unset it."
            ) from error


def _body(point: Endpoint, request: Request) -> dict[str, object]:
    body = dict(request.parameters)
    if point.provider == "openrouter":
        # Asks for the cost in the reply's usage.
        body.setdefault("usage", {"include": True})
    if point.provider == "openai" and "max_tokens" in body:
        # Its newer models take the limit under this name only, the older ones under both.
        body["max_completion_tokens"] = body.pop("max_tokens")
    return body


def _plain(words: str, point: Endpoint) -> str:
    """One line without the key, which some servers repeat in their message."""
    key = providers.secret(point)
    # The key goes first: cutting first might leave half of it. Some servers send a whole page of HTML.
    return tables.clean(" ".join(words.replace(key, "[key]").split() if key else words.split()))[:500]


def _proxies() -> list[str]:
    """Names of the environment's variables that name a proxy."""
    return [f"{kind}_proxy" for kind in urllib.request.getproxies_environment()]


def _through(point: Endpoint) -> str:
    """Half a sentence on the proxy that stands before an endpoint; empty where none does."""
    host = hosts.host_of(point.base_url)
    if hosts.here(point.base_url) or urllib.request.proxy_bypass(host):
        return ""
    named = {"https_proxy" if point.base_url.startswith("https:") else "http_proxy", "all_proxy"}
    between = sorted(named.intersection(_proxies()))
    return f" through the proxy that is set in {between[-1]}" if between else ""


def _cause(error: BaseException) -> str:
    """The innermost reason of a connection error; the outer one only says 'Connection error.'."""
    inner = error
    while isinstance(error, openai.APIConnectionError) and inner.__cause__ is not None:
        inner = inner.__cause__
    return str(inner) or type(inner).__name__
