"""The server of agents' tools over the Model Context Protocol, and what every call of one goes through.

Promises that each answer is typed data and the same as compact text; that both together stay under the size
that `size` sets; that no key of this machine stands in one; that no call takes longer than 45 seconds, whatever
it waits for; and that a fault is one sentence, never a traceback. What a tool does stands in `reading`,
`looking`, `inside`, `work` and `claims`. `mcp` is an extra and slow to import: nothing else of the engine loads
this module before a server starts.
"""

import inspect
import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

import anyio
from anyio import to_thread
from mcp.server import MCPServer
from mcp.server.mcpserver.context import Context
from mcp.server.mcpserver.exceptions import ResourceError, ToolError, UnexpectedResourceError, UnexpectedToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import CallToolResult, InputRequiredResult, TextContent, ToolAnnotations
from pydantic import Field, ValidationError
from starlette.applications import Starlette

from diffing.agents import claims, code, guide, inside, looking, reading, size, work
from diffing.agents.desk import Desk, signed
from diffing.agents.reading import Name
from diffing.agents.shapes import Progress
from diffing.agents.terms import Terms
from diffing.common import damage, who
from diffing.common.errors import UserError
from diffing.common.escape import throughout
from diffing.common.step import DEEPEST, first_fault
from diffing.report.bundle import GONE, secrets
from diffing.study.study import Study

logger = logging.getLogger(__name__)

NAME = "checkpoint-diffing"
LONGEST_WAIT = 40
"""Seconds that `job` waits at most: clients give up on calls after sixty, and some a little earlier."""
LONGEST = 43.0
"""Seconds after which a call is answered whatever it does: with what an answer takes on its way, below 45."""
LOOK = 0.2
"""Seconds between two looks at a job that is waited for."""

Tool = Callable[..., Any]
Running = Callable[[], AbstractAsyncContextManager[None]]
READING: Sequence[Tool] = (
    *(reading.studies, reading.status, reading.answer, reading.differences),
    *(looking.feature, looking.pair, looking.search, inside.inside),
    *(work.estimate, claims.findings, claims.report, code.cell),
)
"""Tools that change nothing."""
AGAIN: Sequence[Tool] = (work.cancel, claims.claim, code.interrupt)
"""Tools that change something, and a second time nothing more."""
ONCE: Sequence[Tool] = (work.new_study, work.start, claims.verify, code.run_python)
"""Tools that must not be called again without need."""


class Server(MCPServer[Any]):
    """The SDK's server with our rules around each call."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(NAME, instructions=guide.opening(), log_level="WARNING")
        self.desk = desk

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        try:
            with anyio.fail_after(LONGEST), who.acts(signed(_client(context))):
                result = await super().call_tool(name, arguments, context)
        except (ToolError, TimeoutError) as error:
            return self._failed(_in_words(name, error), arguments)
        assert isinstance(result, CallToolResult)
        return self._told(result.structured_content or {}, arguments)

    async def read_resource(self, uri: Any, context: Context[Any, Any] | None = None) -> Any:
        named = {"study": str(uri).partition("://")[2].partition("/")[0]}
        try:
            with anyio.fail_after(LONGEST), who.acts(signed(_client(context))):
                found = await super().read_resource(uri, context)
        except UnexpectedResourceError as error:
            said = _sentence(error.__cause__ or error, str(uri))
            raise ResourceError(self._clean(said, named)) from error
        except TimeoutError as error:
            raise ResourceError(LATE) from error
        assert not isinstance(found, InputRequiredResult)
        return [replace(each, content=self._clean(each.content, named)) for each in found]

    def _told(self, data: dict[str, Any], arguments: dict[str, Any]) -> CallToolResult:
        clean = self._clean(data, arguments)
        if size.whole(clean) > size.MOST:
            # Each tool's lists are cut to fit: this says that one was not, and keeps the promise all the same.
            return self._failed("This answer is larger than it may be; ask for less, or for one thing.", arguments)
        text = TextContent(type="text", text=size.rendered(clean))
        return CallToolResult(content=[text], structured_content=clean)

    def _failed(self, sentence: str, arguments: dict[str, Any]) -> CallToolResult:
        said = size.cut(self._clean(sentence, arguments), 1000)
        return CallToolResult(content=[TextContent(type="text", text=said)], is_error=True)

    def _clean(self, value: Any, arguments: dict[str, Any]) -> Any:
        """A value with the keys of this machine taken out of every text in it."""
        name = arguments.get("study")
        try:
            known = Study.open(name).checkpoints if isinstance(name, str) else ()
        except UserError:
            # It has said so itself; the keys of providers and of the environment are known without it.
            known = ()
        hidden = secrets(known)

        def without(text: Any) -> Any:
            for key in hidden:
                text = text.replace(key, GONE) if isinstance(text, str) else text
            return text

        return throughout(without, value, DEEPEST)


LATE = "This takes longer than a call may; what was begun goes on, so ask again in a while."


def _client(context: Context[Any, Any] | None) -> str:
    """The name that a client gave itself when it connected."""
    if context is None:
        return ""
    told = context.request_context.session.client_params
    return told.client_info.name if told else ""


def _in_words(name: str, error: ToolError | TimeoutError) -> str:
    """A fault as its caller is told."""
    if isinstance(error, TimeoutError):
        return LATE
    if isinstance(error, UnexpectedToolError):
        return _sentence(error.__cause__ or error, name)
    if isinstance(error.__cause__, ValidationError):
        return f"'{name}' cannot be called so: {first_fault(error.__cause__)}; change it."
    return f"There is no tool '{size.cut(name, 60)}' here."


def _sentence(error: BaseException, what: str) -> str:
    said = str(error) if isinstance(error, UserError) else damage.in_words(error)
    if said is None:
        logger.error("%s failed", what, exc_info=error)
        # Not what it says: it may quote an answer.
        said = f"This failed ({type(error).__name__}); the server's log says where, for a person to report it."
    return said


def made(terms: Terms) -> Server:
    """A server with its tools, resources and prompt."""
    desk = Desk(terms)
    server = Server(desk)
    for tools, reads, again in ((READING, True, True), (AGAIN, False, True), (ONCE, False, False)):
        for tool in tools:
            _add(server, desk, tool, reads, again)
    _add(server, desk, job, True, True)
    guide.add(server, desk)
    return server


async def job(
    desk: Desk,
    study: Name,
    job: work.JobId,
    wait_s: Annotated[int, Field(description="Seconds to wait for its end.", ge=0, le=LONGEST_WAIT)] = 20,
) -> Progress:
    """How far a job is: state, progress, dollars, the last lines of its log. Waits for its end, 40 s at most; ask
    again while it says 'running'."""
    opened, found = work.followed(desk, study, job)
    with anyio.move_on_after(wait_s):
        while found.status().state == "running":
            # Not in a thread: a dozen agents that wait must leave room for others.
            await anyio.sleep(LOOK)
    return await to_thread.run_sync(work.progress, desk, opened, found.status(), found.log_tail(work.LOG))


def _add(server: Server, desk: Desk, tool: Tool, reads: bool, again: bool) -> None:
    """A tool with the desk filled in, run beside the server's loop."""
    told = inspect.signature(tool)

    async def run(**given: Any) -> Any:
        if inspect.iscoroutinefunction(tool):
            return await tool(desk, **given)
        # Left to itself at a time-out: it ends what it writes, and nobody waits for it.
        return await to_thread.run_sync(partial(tool, desk, **given), abandon_on_cancel=True)

    shown = [parameter for name, parameter in told.parameters.items() if name != "desk"]
    run.__name__, run.__doc__ = tool.__name__, inspect.getdoc(tool)
    run.__annotations__ = {p.name: p.annotation for p in shown} | {"return": told.return_annotation}
    run.__dict__["__signature__"] = told.replace(parameters=shown)
    hints = ToolAnnotations(read_only_hint=reads, idempotent_hint=again, destructive_hint=False)
    server.add_tool(run, annotations=hints)


def over_stdio(terms: Terms) -> None:
    """Serve one client on standard input and output until it hangs up; whatever prints goes to standard error."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    server = made(terms)
    try:
        server.run("stdio")
    finally:
        server.desk.close()


def over_http(terms: Terms, origins: Sequence[str], hosts: Sequence[str]) -> tuple[Starlette, Running]:
    """An application to mount, answering at `/mcp` of its place, and what has to run while it serves.

    Whoever mounts it asks for a token first; hosts and origins are asked for here once more.
    """
    server = made(terms)
    allowed = TransportSecuritySettings(allowed_hosts=list(hosts), allowed_origins=list(origins))
    # With sessions: a client of an older protocol says who it is only once.
    app = server.streamable_http_app(json_response=True, transport_security=allowed)

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        try:
            async with server.session_manager.run():
                yield
        finally:
            server.desk.close()

    return app, running
