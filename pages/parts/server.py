"""The dashboard's server: `python -m pages.parts.server RECORD HELD`, as `diffing.cli.serve` starts it.

RECORD is a file with port, token, origins, the address to listen on, the team that logs in and, where agents are
served beside the pages, their token and terms; HELD is a file that was opened and locked for this process, which
holds it for life and writes its number there. Promises that nothing in the environment or in the person's own
configuration says where it listens, whom it takes, or how much of a fault it shows.
"""

import os
import secrets
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import Mount

from diffing.cli.serve import HERE
from diffing.cli.team import Team
from diffing.common import damage, files, who
from diffing.common.escape import md
from pages.parts import door, upload

PAGE = files.PROJECT / "dashboard.py"
AGENTS = "/agents"
"""Where agents' tools are: at `/agents/mcp`."""


def serve(
    port: int,
    token: str,
    more: Iterable[str] = (),
    agents: Mapping[str, Any] | None = None,
    host: str = HERE,
    team: Team | None = None,
    **options: Any,
) -> None:
    """Serve the dashboard until it is ended; `more` are origins beside its own, `options` Streamlit's."""
    origins = door.origins(port, more)
    beside: dict[str, Any] = {} if agents is None else beside_it(agents, origins)
    parts = {} if agents is None else {AGENTS: agents["token"]}
    guard = Middleware(door.Door, token, origins, parts)
    with ExitStack() as stack:
        if team is not None:
            # Here and not above: without a team its packages need not be there.
            from pages.parts import login

            stack.enter_context(who.found_by(login.logged_in(team)))
            cookies = cookie_secret()
            guard = Middleware(login.Login, token, origins, parts, team, cookies)
            beside["secrets"] = login.secrets(team, cookies)
            # Steps that editors start are processes of their own, and none of them logs anybody in.
            os.environ.pop(team.login.secret, None)
        app = st.App(PAGE, middleware=[guard], on_script_error=said, **beside)
        # Given here they stand above the environment and every file; the door has asked already, this asks once
        # more.
        app.run(
            config={
                "server.address": host,
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
                "secrets.files": [],
                "global.developmentMode": False,
                "client.showErrorDetails": "none",
                **options,
            }
        )


def cookie_secret() -> str:
    """What logins are signed with: drawn once, so that a new start logs nobody out; to delete it logs all out."""
    path = files.home() / "config" / "cookie-secret"
    with files.locked(path.with_suffix(".lock")):
        if not path.exists():
            files.write_text(path, secrets.token_hex(32))
        path.parent.chmod(files.PRIVATE_FOLDER)
        return path.read_text(encoding="ascii")


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
    team = None if told["team"] is None else Team.model_validate(told["team"])
    serve(told["port"], told["token"], told["origins"], told["agents"], told["host"], team)


if __name__ == "__main__":
    main()
