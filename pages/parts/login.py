"""A team's door: in place of the token, everybody logs in by Streamlit's own login (OpenID Connect).

Holds the check that stands before every route and before every word on a websocket. Promises that nobody gets
anything of Streamlit's, of a study or of its files without a login that counts (`diffing.cli.team`): no page, no
download, no health, only one button, or one sentence for whom the team does not know. Reads Streamlit's signed
cookie and no header of a proxy's. A login that has ended closes the pages that it opened at their next word.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from starlette.requests import cookie_parser
from streamlit.auth_util import get_cookie_with_chunks
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.user_info import generate_login_redirect_url
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from diffing.cli.team import Judged, Team, secret_of
from diffing.common.who import NOBODY, Person
from pages.parts import door
from pages.parts.door import Application, Door, Receive, Scope, Send

BEGIN = "/login"
"""Where the button leads: from there on to the provider, with a note that Streamlit takes for two minutes."""
BETWEEN = ("/auth/login", "/auth/logout", "/oauth2callback")
"""Streamlit's own routes of a login, at which nobody is logged in yet, or any more."""
BACK = "diffing-back"
"""Cookie that keeps the address at which somebody was asked to log in."""
LONGEST_LOGIN = 600
"""Seconds that it is kept: a login with a second factor takes a minute or two."""
PROVIDER = "default"
"""What Streamlit calls the only provider there is."""


class Login(Door):
    """The door of a dashboard whose people log in."""

    def __init__(
        self,
        app: Application,
        token: str,
        origins: Iterable[str],
        parts: Mapping[str, str],
        team: Team,
        cookies: str,
    ) -> None:
        super().__init__(app, token, origins, parts)
        self.team, self.cookies = team, cookies

    async def _answer(self, scope: Scope, receive: Receive, send: Send, head: dict[str, str], fault: str) -> None:
        """Let in whose login counts."""
        kind, judged = scope["type"], self._judged(head)
        inside = not fault and judged.person != NOBODY
        if kind == "websocket" and inside:
            await self.app(scope, self._while_good(receive, head), send)
        elif kind == "websocket":
            await send({"type": "websocket.close", "code": door.REFUSED})
        elif fault:
            await door.reply(
                send, HTTPStatus.FORBIDDEN, f"This dashboard is called {self.team.origin}: open that."
            )
        elif inside and scope["path"] == "/" and (to := _cookie(head, BACK)):
            gone = ("set-cookie", f"{BACK}=; Path=/; Max-Age=0")
            await door.reply(send, HTTPStatus.SEE_OTHER, "", [("location", _inner(unquote(to))), gone])
        elif inside or scope["path"] in BETWEEN or self._is_own_health(scope, head):
            await self.app(scope, receive, self._kept(send, head))
        elif scope["path"] == BEGIN:
            await door.reply(send, HTTPStatus.SEE_OTHER, "", self._begun(scope))
        else:
            to = "/" + scope.get("raw_path", b"/").decode("latin-1").lstrip("/\\")
            query = scope["query_string"].decode("latin-1")
            button = f"{BEGIN}?to={quote(f'{to}?{query}' if query else to, safe='')}"
            await door.reply(send, HTTPStatus.FORBIDDEN, judged.fault or ASKED, button=("Log in", button))

    def _judged(self, head: dict[str, str]) -> Judged:
        """Whose cookie a request bears."""

        def part(name: str) -> bytes | None:
            return decode_signed_value(self.cookies, name, _cookie(head, name).encode("utf-8", "replace"))

        try:
            claims = json.loads(get_cookie_with_chunks(part, USER_COOKIE_NAME) or b"{}")
        except ValueError:
            return Judged(NOBODY)
        # One of another dashboard on this host, which has the same name.
        if not isinstance(claims, dict) or claims.get("origin") != self.team.origin:
            return Judged(NOBODY)
        return self.team.judged(claims, time.time())

    def _is_own_health(self, scope: Scope, head: dict[str, str]) -> bool:
        """Whether the command that started the server asks if it is there: all that its token is good for."""
        return scope["path"] == "/_stcore/health" and self._known(head)

    def _begun(self, scope: Scope) -> list[tuple[str, str]]:
        """On to the provider; a cookie keeps where to go on after it."""
        to = parse_qs(scope["query_string"].decode("latin-1")).get("to", ["/"])[0]
        back = f"{BACK}={quote(_inner(to), safe='')}; Path=/; HttpOnly; SameSite=Lax; Max-Age={LONGEST_LOGIN}"
        return [("location", generate_login_redirect_url(PROVIDER)), ("set-cookie", back)]

    def _while_good(self, receive: Receive, head: dict[str, str]) -> Receive:
        """What comes by a websocket, for as long as its login counts."""

        async def received() -> MutableMapping[str, Any]:
            message = await receive()
            if message["type"] == "websocket.receive" and self._judged(head).person == NOBODY:
                return {"type": "websocket.disconnect", "code": door.REFUSED}
            return message

        return received

    def _kept(self, send: Send, head: dict[str, str]) -> Send:
        """As the other door has it; where https is spoken, browsers send the cookies by that alone."""
        kept = super()._kept(send, head)
        if not self.team.origin.startswith("https://"):
            return kept

        async def sent(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = [
                    (name, value + b"; Secure" if name.lower() == b"set-cookie" else value)
                    for name, value in message.get("headers", [])
                ]
                message = {**message, "headers": headers}
            await kept(message)

        return sent


def secrets(team: Team, cookies: str) -> dict[str, Any]:
    """What Streamlit's login is told, in memory alone: no file of the project holds it."""
    provider = {
        "client_id": team.login.client_id,
        "client_secret": secret_of(team),
        "server_metadata_url": team.login.metadata,
        "client_kwargs": {"scope": team.login.scope},
    }
    return {"auth": {"redirect_uri": f"{team.origin}/oauth2callback", "cookie_secret": cookies, **provider}}


ASKED = "This dashboard belongs to a team: log in to see it."


def logged_in(team: Team) -> Callable[[], Person]:
    """Who asks for the page that runs in a thread; nobody in a thread that runs none."""

    def found() -> Person:
        context = get_script_run_ctx(suppress_warning=True)
        return NOBODY if context is None else team.judged(dict(context.user_info), time.time()).person

    return found


def _inner(address: str) -> str:
    """An address of this server's, whatever was told: two slashes would name another one, a line end a header."""
    return "/" + re.sub(r"[^!-~]", "", address).lstrip("/\\")


def _cookie(head: dict[str, str], name: str) -> str:
    return cookie_parser(head.get("cookie", "")).get(name, "")
