"""A client of the agents' server, by the protocol's own package, for tests that speak line after line."""

from collections.abc import Callable, Coroutine
from typing import Any

import anyio
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, Implementation

from diffing.agents import server
from diffing.agents.terms import Terms

Talk = Callable[[Client], Coroutine[Any, Any, Any]]


class Agent:
    """Speaks to a server in memory; each call is a connection of its own."""

    def __init__(self, terms: Terms | None = None, name: str = "tester") -> None:
        self.server = server.made(terms or Terms())
        self.name = name

    def talk(self, talk: Talk) -> Any:
        async def whole() -> Any:
            async with Client(self.server, client_info=Implementation(name=self.name, version="1")) as client:
                return await talk(client)

        return anyio.run(whole)

    def call(self, tool: str, **arguments: Any) -> CallToolResult:
        result: CallToolResult = self.talk(lambda client: client.call_tool(tool, arguments))
        return result

    def told(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """A call's data, where it did what was asked."""
        return data(self.call(tool, **arguments))

    def refused(self, tool: str, **arguments: Any) -> str:
        """The sentence of a call that did not."""
        result = self.call(tool, **arguments)
        assert result.is_error, result.structured_content
        return text(result)

    def pages(self, tool: str, rows: str, **arguments: Any) -> list[Any]:
        """All rows of a list, page by page."""
        found: list[Any] = []
        cursor = ""
        while True:
            told = self.told(tool, **arguments, cursor=cursor)
            found += told[rows]
            cursor = told["next_cursor"]
            if not cursor:
                return found

    def read(self, uri: str) -> str:
        return str(self.talk(lambda client: client.read_resource(uri)).contents[0].text)

    def unread(self, uri: str) -> str:
        """The sentence of a resource that is not handed over."""

        async def refused(client: Client) -> str:
            try:
                return f"was read: {await client.read_resource(uri)}"
            except MCPError as error:
                return str(error)

        return str(self.talk(refused))


def data(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, text(result)
    assert result.structured_content is not None
    return dict(result.structured_content)


def text(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if part.type == "text")
