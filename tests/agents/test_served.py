"""Agents beside a running dashboard: one process, two tokens, and a door that asks everybody."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import Implementation

from diffing.agents.terms import Terms
from diffing.cli import serve
from diffing.cli.serve import Running
from diffing.common.errors import UserError
from diffing.findings import findings
from diffing.study import sample
from diffing.study.study import Study
from tests.fakes.agent import data
from tests.fakes.servers import OPEN, PATIENCE, TUNNEL, free

TERMS = Terms(frozenset({"verify"}), 0.25).plain()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def running(home: Path) -> Iterator[Running]:
    """A dashboard with agents, in an environment that would open its door."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(home))
        patch.setattr(serve, "LONGEST_START", PATIENCE)
        for name, value in OPEN.items():
            patch.setenv(name, value)
        sample.create()
        started, ran = serve.start(free(), [TUNNEL], TERMS)
        assert not ran
        try:
            yield started
        finally:
            assert serve.stop(started.port)


@pytest.fixture(autouse=True)
def in_its_home(running: Running, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert running.port
    monkeypatch.setenv("DIFFING_HOME", str(home))


def token(running: Running) -> str:
    assert running.agents is not None
    return str(running.agents["token"])


def asked(running: Running, path: str = "/agents/mcp", method: str = "POST", **headers: str) -> tuple[int, str]:
    """The status and words of a plain request, as a program without the protocol makes it."""
    to = http.client.HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE)
    usual = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    to.request(method, path, body=body if method == "POST" else None, headers=usual | given)
    reply = to.getresponse()
    said = reply.read().decode()
    to.close()
    return reply.status, said


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_agent_works_while_a_person_watches(running: Running, mode: str) -> None:
    async def talk() -> dict[str, Any]:
        bearer = {"Authorization": f"Bearer {token(running)}"}
        async with httpx2.AsyncClient(headers=bearer, trust_env=False, timeout=PATIENCE) as http:
            transport = streamable_http_client(f"http://127.0.0.1:{running.port}/agents/mcp", http_client=http)
            who = Implementation(name=f"over {mode}", version="1")
            async with Client(transport, client_info=who, mode=mode) as client:
                told = data(await client.call_tool("studies", {}))
                assert [each["name"] for each in told["studies"]] == ["sample"]
                assert (told["may_start"], told["dollars_left"]) == (["verify"], 0.25)
                claim = {"study": "sample", "more": "b", "text": f"is seen {mode}"}
                made = data(await client.call_tool("claim", claim))
                # The dashboard answers beside it, to its own token.
                assert asked(running, "/", "GET", Authorization=f"token {running.token}")[0] == 200
                return made

    made = anyio.run(talk)
    kept = findings.get(Study.open("sample"), made["id"])
    assert (kept.author, kept.claim) == (f"agent over {mode}", f"is seen {mode}")


def test_who_has_no_token_or_the_other_one_is_refused(running: Running) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {running.token}"},
        {"Authorization": f"token {token(running)}"},
        {"Cookie": f"diffing-{running.port}={running.token}"},
    ):
        status, said = asked(running, **headers)
        assert (status, "Agents bear a token here" in said) == (401, True), headers
    assert asked(running, f"/agents/mcp?token={running.token}")[0] == 401
    # The agents' token opens nothing of the dashboard.
    for headers in ({"Authorization": f"token {token(running)}"}, {"Authorization": f"Bearer {token(running)}"}):
        assert asked(running, "/", "GET", **headers)[0] == 403
    for path in ("/agents", "/agentsx", "/x/agents/mcp", "/agents/../_stcore/health", "/agents/nothing"):
        assert asked(running, path, "GET", Authorization=f"Bearer {token(running)}")[0] in (400, 403, 404), path


def test_another_host_or_origin_is_refused_whatever_it_bears(running: Running) -> None:
    bearer = f"Bearer {token(running)}"
    for headers in (
        {"Host": "evil.example"},
        {"Host": f"evil.example:{running.port}"},
        {"Origin": "http://evil.example"},
    ):
        status, said = asked(running, Authorization=bearer, **headers)
        assert (status, "does not know itself by this address" in said) == (403, True), headers
    # Another port of this machine is another origin.
    assert asked(running, Authorization=bearer, Origin="http://127.0.0.1:1")[0] == 403


def test_a_second_start_finds_it_and_other_terms_are_refused(running: Running) -> None:
    again, ran = serve.start(running.port, [TUNNEL], TERMS)
    assert (ran, again) == (True, running)
    with pytest.raises(UserError, match="runs already, with other terms for agents; end it with"):
        serve.start(running.port, [TUNNEL], Terms(held_out=True).plain())
    assert serve.start(running.port, [TUNNEL])[0] == running
