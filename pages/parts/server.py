"""The dashboard's server: `python -m pages.parts.server RECORD HELD`, as `diffing.cli.serve` starts it.

RECORD is a file with port, token, origins and, where agents are served beside the pages, their token and terms;
HELD is a file that was opened and locked for this process, which holds it for life and writes its number there.
Promises that nothing in the environment or in the person's own configuration says where it listens, whom it takes,
or how much of a fault it shows.
"""

import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import Mount

from diffing.common import damage, files
from diffing.common.escape import md
from pages.parts import door, upload

PAGE = files.PROJECT / "dashboard.py"
AGENTS = "/agents"
"""Where agents' tools are: at `/agents/mcp`."""


def serve(
    port: int, token: str, more: Iterable[str] = (), agents: Mapping[str, Any] | None = None, **options: Any
) -> None:
    """Serve the dashboard until it is ended; `more` are origins beside its own, `options` Streamlit's."""
    origins = door.origins(port, more)
    beside: dict[str, Any] = {} if agents is None else beside_it(agents, origins)
    parts = {} if agents is None else {AGENTS: agents["token"]}
    app = st.App(PAGE, middleware=[Middleware(door.Door, token, origins, parts)], on_script_error=said, **beside)
    # Given here they stand above the environment and every file; the door has asked already, this asks once more.
    app.run(
        config={
            "server.address": "127.0.0.1",
            "server.port": port,
            "server.headless": True,
            "server.baseUrlPath": "",
            "server.allowedHosts": sorted({str(urlsplit(origin).hostname) for origin in origins}),
            "server.corsAllowedOrigins": origins,
            "server.enableCORS": True,
            "server.enableXsrfProtection": True,
            "server.maxUploadSize": upload.LARGEST_MB,
            "server.trustedUserHeaders": {},
            "server.sslCertFile": "",
            "server.sslKeyFile": "",
            "server.enableStaticServing": False,
            "server.enableAgentApi": False,
            "global.developmentMode": False,
            "client.showErrorDetails": "none",
            **options,
        }
    )


def beside_it(agents: Mapping[str, Any], origins: list[str]) -> dict[str, Any]:
    """The agents' tools in this very process, so that a person watches what an agent does."""
    # An extra, and slow to load: a dashboard without agents needs none of it.
    from diffing.agents import server
    from diffing.agents.terms import Terms

    hosts = [urlsplit(origin).netloc for origin in origins]
    app, running = server.over_http(Terms.read(agents["terms"]), origins, hosts)

    @asynccontextmanager
    async def lasting(_app: Any) -> AsyncIterator[dict[str, Any]]:
        async with running():
            yield {}

    return {"routes": [Mount(AGENTS, app=app)], "lifespan": lasting}


def said(error: Exception) -> bool:
    """A page that failed says so in a sentence; the server's log has the rest, with paths and lines."""
    sentence = damage.in_words(error) or f"This page failed ({type(error).__name__}); the server's log says where."
    st.error(md(sentence))
    # Streamlit adds nothing.
    return True


def main() -> None:
    record, held = Path(sys.argv[1]), int(sys.argv[2])
    os.ftruncate(held, 0)
    os.pwrite(held, str(os.getpid()).encode(), 0)
    told = files.read_json(record)
    serve(told["port"], told["token"], told["origins"], told.get("agents"))


if __name__ == "__main__":
    main()
