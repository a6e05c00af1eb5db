"""The dashboard's door: who may ask its server anything, by HTTP or by websocket.

Holds the check that stands before every route of Streamlit's. Promises that whoever does not know the server's
token gets one sentence and nothing else, that no page of another origin reaches it (another port of this machine
is another origin), that a name which was rebound to this machine is refused, and that no answer may be framed,
read by a page of another origin, or fetch anything from elsewhere. A part of the server may have a token of its
own, for programs: it opens nothing else, and nothing else opens it. Knows nothing of Streamlit and keeps no list
of who came.
"""

import hmac
import html
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from diffing.common.colours import PRIMARY, css

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

TOKEN = "token"
"""Parameter of the first address, as Jupyter has it."""
REFUSED = 1008
"""What a websocket is closed with: a rule was broken."""

stands = False
"""Whether this process has a door: a server that was started without one shows no page."""


def origins(port: int, more: Iterable[str] = ()) -> list[str]:
    """What a browser on this machine calls the server, and what else its owner says it is called."""
    # Browsers leave the usual port out.
    end = "" if port == 80 else f":{port}"
    return list(dict.fromkeys([f"http://127.0.0.1{end}", f"http://localhost{end}", *more]))


class Door:
    """An ASGI application before another one."""

    def __init__(
        self, app: Application, token: str, origins: Iterable[str], parts: Mapping[str, str] | None = None
    ) -> None:
        """`parts`: paths whose programs bear a token of their own, and that token."""
        global stands
        if not token:
            raise ValueError("a door needs a token")
        stands = True
        self.app, self.token, self.origins = app, token, frozenset(origins)
        self.hosts = frozenset(urlsplit(origin).netloc for origin in self.origins)
        self.parts = dict(parts or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            # The server's own start and end.
            await self.app(scope, receive, send)
            return
        head = headers(scope)
        fault = self._fault(head)
        own = next((token for path, token in self.parts.items() if _within(scope["path"], path)), None)
        if own is None:
            await self._answer(scope, receive, send, head, fault)
        else:
            await self._of_part(own, fault, head, scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, head: dict[str, str], fault: str) -> None:
        """Let in who knows the token; `fault` is what is wrong with where the request comes from."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        shown = [value for name, value in query if name == TOKEN]
        if not fault and scope["type"] == "http" and any(self._is_token(value) for value in shown):
            await reply(send, 303, "", self._let_in(scope, head, query))
        elif not fault and self._known(head):
            await self.app(scope, receive, self._kept(send, head) if scope["type"] == "http" else send)
        elif scope["type"] == "websocket":
            # Before it was accepted: the browser gets 403.
            await send({"type": "websocket.close", "code": REFUSED})
        else:
            await reply(send, 403, fault or NO_TOKEN)

    async def _of_part(
        self, token: str, fault: str, head: dict[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Ask for a part's own token, as programs send it: no cookie and no address holds it."""
        kind, _, said = head.get("authorization", "").partition(" ")
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": REFUSED})
        elif fault:
            await reply(send, 403, fault)
        elif kind.lower() == "bearer" and hmac.compare_digest(said.encode("utf-8", "replace"), token.encode()):
            await self.app(scope, receive, send)
        else:
            await reply(send, 401, NO_BEARER, [("www-authenticate", "Bearer")])

    def _fault(self, head: dict[str, str]) -> str:
        """What is wrong with where a request comes from; empty where nothing is."""
        if head.get("host", "").lower() not in self.hosts:
            return NO_HOST
        # Browsers name the page that asks in all but plain reads; other programs need the token alone.
        return NO_HOST if "origin" in head and head["origin"].lower() not in self.origins else ""

    def _known(self, head: dict[str, str]) -> bool:
        kind, _, said = head.get("authorization", "").partition(" ")
        return (kind == TOKEN and self._is_token(said)) or any(map(self._is_token, _cookies(head)))

    def _is_token(self, said: str) -> bool:
        return hmac.compare_digest(said.encode("utf-8", "replace"), self.token.encode())

    def _let_in(self, scope: Scope, head: dict[str, str], query: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """On to the same address without the token, which goes into a cookie: no history or picture holds it."""
        rest = urlencode([(name, value) for name, value in query if name != TOKEN])
        # One slash: two would name another host.
        path = "/" + scope.get("raw_path", b"/").decode("latin-1").split("?")[0].lstrip("/\\")
        # Lax: a link in somebody's mail opens a page, and a page is all that a click elsewhere can open.
        cookie = f"{_cookie_name(head)}={self.token}; Path=/; HttpOnly; SameSite=Lax"
        return [("location", f"{path}?{rest}" if rest else path), ("set-cookie", cookie)]

    def _kept(self, send: Send, head: dict[str, str]) -> Send:
        """The same with what the browser is told about every answer."""
        added = [(name.encode(), value.encode()) for name, value in _rules(head["host"])]

        async def sent(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                ours = {name for name, _ in added}
                theirs = [(name, value) for name, value in message.get("headers", []) if name.lower() not in ours]
                message = {**message, "headers": [*theirs, *added]}
            await send(message)

        return sent


NO_TOKEN = (
    "This dashboard asks for its token: open the address that 'python -m diffing dashboard' prints on its "
    "machine. A token is good for as long as the server runs."
)
NO_BEARER = (
    "Agents bear a token here ('Authorization: Bearer …'), which 'python -m diffing agents --http' prints on its "
    "machine."
)
NO_HOST = (
    "This dashboard does not know itself by this address: end it, and start it with "
    "'python -m diffing dashboard --origin' and the address that your browser shows, such as "
    "http://localhost:9000."
)
STYLE = (
    ":root{color-scheme:light dark}h1{font-size:1.5rem}"
    "main{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:1rem}"
    f"a{{display:inline-block;padding:.5rem 1.5rem;border-radius:.5rem;background:{css(PRIMARY)};color:white;"
    "text-decoration:none}"
)
"""Of a page that stands alone: as calm as Streamlit's, in the colours of the browser's own choice."""
RULES = [
    # For browsers that do not know `frame-ancestors`.
    ("x-frame-options", "DENY"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
]
"""What a browser is told of every answer: it is no other page's frame, picture or script, and links keep silent
about where they stood."""


def _rules(host: str) -> list[tuple[str, str]]:
    """The same, and that a page of Streamlit's fetches nothing from elsewhere."""
    # That page has inline styles, builds functions and workers from text (charts) and speaks by websocket, which
    # older browsers do not count as 'self'.
    policy = (
        "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; "
        f"connect-src 'self' data: blob: ws://{host} wss://{host}; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    )
    return [("content-security-policy", policy), *RULES]


async def reply(
    send: Send,
    status: int,
    sentence: str,
    more: Iterable[tuple[str, str]] = (),
    button: tuple[str, str] | None = None,
) -> None:
    """A page of one sentence that fetches nothing; `button` is what a link says and where it leads."""
    link = f"<p><a href='{html.escape(button[1])}'>{html.escape(button[0])}</a></p>" if button else ""
    body = (
        f"<!doctype html><meta charset=utf-8><title>Checkpoint Diffing</title><style>{STYLE}</style>"
        f"<main><h1>Checkpoint Diffing</h1><p>{html.escape(sentence)}</p>{link}</main>"
    )
    rules = [
        ("content-type", "text/html; charset=utf-8"),
        ("content-length", str(len(body.encode()))),
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        *RULES,
    ]
    headers = [(name.encode(), value.encode("latin-1")) for name, value in [*rules, *more]]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


def headers(scope: Scope) -> dict[str, str]:
    """Headers by their small names; a host or an origin that stands there twice matches nothing."""
    found: dict[str, str] = {}
    for key, content in scope["headers"]:
        name, value = key.decode("latin-1").lower(), content.decode("latin-1")
        between = "; " if name == "cookie" else ", "
        found[name] = f"{found[name]}{between}{value}" if name in found else value
    return found


def _within(path: str, part: str) -> bool:
    # As the server's own routes read it: the part's bare name would fall through to the pages.
    return path.startswith(f"{part}/")


def _cookie_name(head: dict[str, str]) -> str:
    """By port: browsers hand the cookies of one host to all of its ports, and two dashboards would take turns."""
    return f"diffing-{urlsplit('//' + head['host']).port or 'usual'}"


def _cookies(head: dict[str, str]) -> list[str]:
    """What the cookie of this port says; other programs of this host may have set odd ones beside it."""
    pairs = (pair.strip().partition("=") for pair in head.get("cookie", "").split(";"))
    return [value for name, _, value in pairs if name == _cookie_name(head)]
