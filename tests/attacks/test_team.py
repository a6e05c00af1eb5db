"""A team's dashboard and whoever would get in: a real server, and a provider of ours that may be made to lie."""

import asyncio
import base64
import hmac
import json
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from joserfc.jwk import RSAKey
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from diffing.cli import serve
from diffing.cli.serve import Running
from diffing.cli.team import Team
from pages.parts import login, server
from tests.attacks.test_door import PATHS, handshake
from tests.fakes.provider import BITS, CLIENT, SECRET, Claims, Provider
from tests.fakes.servers import PATIENCE, free

VARIABLE = "DIFFING_TEST_LOGIN_SECRET"


def mail(address: str, **more: Any) -> Claims:
    return {"email": address, "email_verified": True, **more}


EDITOR = mail("Ed@Example.org")
VIEWER = mail("vera@example.org")
STRANGER = mail("eve@elsewhere.example")


class Site(NamedTuple):
    """A team's dashboard that runs, and where its people log in."""

    running: Running
    provider: Provider
    home: Path

    @property
    def origin(self) -> str:
        return self.running.addresses[0]


def team_of(provider: Provider, origin: str, **login: Any) -> Team:
    told = {"metadata": provider.metadata, "client_id": CLIENT, "secret": VARIABLE, **login}
    people = {"editors": ["ed@example.org", "groups=editors"], "viewers": ["@example.org"]}
    return Team.model_validate({"origin": origin, "login": told, **people})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home, port = tmp_path_factory.mktemp("team"), free()
    with Provider() as provider, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(home))
        patch.setenv(VARIABLE, SECRET)
        patch.setattr(serve, "LONGEST_START", PATIENCE)
        team = team_of(provider, f"http://127.0.0.1:{port}")
        # Everywhere, as behind a proxy of another machine: without a team that would be refused.
        running, ran = serve.start(port, host="0.0.0.0", team=team)
        assert not ran
        try:
            yield Site(running, provider, home)
        finally:
            assert serve.stop(port)


@pytest.fixture(autouse=True)
def honest(site: Site) -> Iterator[None]:
    """The provider lies in one test and not in the next."""
    yield
    site.provider.claims = {}
    site.provider.forged = lambda claims: claims
    site.provider.sign = site.provider.signed


@pytest.fixture
def visitor(site: Site) -> Iterator[httpx.Client]:
    """A browser's part: keeps cookies and goes where it is sent, with no proxy between."""
    with httpx.Client(base_url=site.origin, follow_redirects=True, trust_env=False, timeout=PATIENCE) as client:
        yield client


def log_in(site: Site, visitor: httpx.Client, claims: Claims, to: str = "/") -> httpx.Response:
    site.provider.claims = claims
    return visitor.get("/login", params={"to": to})


def cookies(visitor: httpx.Client) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())}


def stream(site: Site, visitor: httpx.Client) -> int:
    return handshake(site.running, Origin=site.origin, **cookies(visitor))


def cookie_of(claims: Claims, secret: str, origin: str) -> str:
    """A cookie as Streamlit signs it."""
    told = {"origin": origin, "is_logged_in": True, "provider": "default", **claims}
    return create_signed_value(secret, USER_COOKIE_NAME, json.dumps(told)).decode()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_nothing_is_told_before_a_login(site: Site, visitor: httpx.Client, method: str) -> None:
    paths = [path for path in PATHS if path not in login.BETWEEN]
    said = {path: visitor.request(method, httpx.URL(site.origin + path)) for path in paths}
    assert {path: reply.status_code for path, reply in said.items()} == dict.fromkeys(paths, 403)
    assert method == "HEAD" or all("log in to see it" in reply.text for reply in said.values())


def test_the_token_lets_nobody_in(site: Site, visitor: httpx.Client) -> None:
    token = site.running.token
    assert visitor.get("/", params={"token": token}).status_code == 403
    for path in ("/", "/media/x", "/_stcore/host-config"):
        assert visitor.get(path, headers={"Authorization": f"token {token}"}).status_code == 403
        assert visitor.get(path, headers={"Cookie": f"diffing-{site.running.port}={token}"}).status_code == 403
    assert handshake(site.running, Origin=site.origin, Authorization=f"token {token}") == 403
    # All that the command which started the server needs.
    assert visitor.get("/_stcore/health", headers={"Authorization": f"token {token}"}).status_code == 200
    assert site.running.addresses == [site.origin]


@pytest.mark.parametrize("claims", [EDITOR, VIEWER, mail("jo@else.example", groups=["staff", "editors"])])
def test_the_teams_people_get_in(site: Site, visitor: httpx.Client, claims: Claims) -> None:
    assert stream(site, visitor) == 403
    reply = log_in(site, visitor, claims)
    assert (reply.status_code, str(reply.url)) == (200, f"{site.origin}/")
    assert "<title>Streamlit</title>" in reply.text
    assert visitor.get("/_stcore/health").status_code == 200
    assert stream(site, visitor) == 101
    assert visitor.get("/auth/logout").status_code == 403
    assert (visitor.get("/").status_code, stream(site, visitor)) == (403, 403)


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        (STRANGER, "eve@elsewhere.example is not among the people of this dashboard"),
        (mail("x@evil-example.org"), "is not among the people"),
        (mail("ed@example.org@evil.example"), "is not among the people"),
        (mail("jo@else.example", groups="editor"), "is not among the people"),
        ({"email": "ed@example.org"}, "names no e-mail address that its provider has checked"),
        ({"email": "ed@example.org", "email_verified": False}, "that its provider has checked"),
        ({"email": "ed@example.org", "email_verified": "false"}, "that its provider has checked"),
        ({"email_verified": True}, "names no e-mail address of at most 80 characters"),
    ],
)
def test_a_stranger_gets_one_sentence_and_nothing_else(
    site: Site, visitor: httpx.Client, claims: Claims, sentence: str
) -> None:
    reply = log_in(site, visitor, claims)
    assert (reply.status_code, sentence in reply.text) == (403, True)
    paths = [path for path in PATHS if path not in login.BETWEEN]
    assert {visitor.get(httpx.URL(site.origin + path)).status_code for path in paths} == {403}
    assert stream(site, visitor) == 403


LIES: dict[str, Claims] = {
    "another program's": {"aud": "other"},
    "another program's, handed on": {"aud": "other", "azp": CLIENT},
    "another provider's": {"iss": "https://elsewhere.example"},
    "for another login": {"nonce": "another"},
    "of the past": {"iat": 1_000_000_000, "exp": 1_000_000_300},
}
"""What is changed of a token, by what is wrong with it then."""


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_is_not_for_this_login_lets_nobody_in(site: Site, visitor: httpx.Client, lie: str) -> None:
    site.provider.forged = lambda claims: claims | LIES[lie]
    assert log_in(site, visitor, EDITOR).status_code == 403
    assert visitor.get("/").status_code == 403


def test_a_token_that_another_signed_lets_nobody_in(site: Site, visitor: httpx.Client) -> None:
    other = RSAKey.generate_key(BITS, {"kid": "one"}, private=True)
    # What everybody may read, taken for a secret that both know; and nothing at all.
    public = site.provider.key.as_pem(private=False)
    ways: list[Callable[[Claims], str]] = [
        lambda claims: site.provider.signed(claims, other),
        lambda claims: by_hand(claims, "HS256", lambda text: hmac.digest(public, text, "sha256")),
        lambda claims: by_hand(claims, "none", lambda _: b""),
    ]
    for way in ways:
        site.provider.sign = way
        assert log_in(site, visitor, EDITOR).status_code == 403
        assert USER_COOKIE_NAME not in visitor.cookies


def by_hand(claims: Claims, algorithm: str, sign: Callable[[bytes], bytes]) -> str:
    """A token that no library would make."""
    parts = [json.dumps({"alg": algorithm, "kid": "one"}).encode(), json.dumps(claims).encode()]
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    return (text + b"." + base64.urlsafe_b64encode(sign(text)).rstrip(b"=")).decode()


def test_a_code_is_good_once_and_for_who_asked_for_it(site: Site, visitor: httpx.Client) -> None:
    site.provider.claims = EDITOR
    visitor.follow_redirects = False
    asked = visitor.get(visitor.get("/login").headers["Location"])
    back = visitor.get(asked.headers["Location"]).headers["Location"]
    with httpx.Client(base_url=site.origin, follow_redirects=True, trust_env=False, timeout=PATIENCE) as thief:
        assert (thief.get(back).status_code, thief.get("/").status_code) == (403, 403)
    wrong = back.replace("state=", "state=x")
    assert visitor.get(wrong).headers["Location"] == "/" and visitor.get("/").status_code == 403
    assert visitor.get(back).status_code == 302 and visitor.get("/").status_code == 303
    assert site.provider.codes == {} and visitor.get("/").status_code in (200, 303)
    visitor.cookies.delete(USER_COOKIE_NAME)
    # The same once more: its state was used up, and its code too.
    assert visitor.get(back).status_code == 302 and visitor.get("/").status_code == 403


def test_a_login_that_has_ended_is_over_and_no_cookie_is_made_up(site: Site, visitor: httpx.Client) -> None:
    secret = (site.home / "config" / "cookie-secret").read_text()

    def tried(secret: str, origin: str = site.origin, **claims: Any) -> httpx.Response:
        made = {"iat": int(time.time()), "aud": CLIENT, **EDITOR, **claims}
        return visitor.get("/", headers={"Cookie": f"{USER_COOKIE_NAME}={cookie_of(made, secret, origin)}"})

    assert tried(secret).status_code == 200
    assert tried(secret, iat=int(time.time()) - 12 * 3600 + 60).status_code == 200
    ended = tried(secret, iat=int(time.time()) - 12 * 3600 - 1)
    assert (ended.status_code, "Your login has ended; log in again." in ended.text) == (403, True)
    assert tried(secret, iat=int(time.time()) + 3600).status_code == 403
    assert tried(secret, iat="now").status_code == 403
    assert tried(secret, aud="other").status_code == 403
    assert tried(secret, "http://localhost:1").status_code == 403
    assert tried(secrets.token_hex(32)).status_code == 403
    assert tried("").status_code == 403
    cut = f"{USER_COOKIE_NAME}={cookie_of(EDITOR, secret, site.origin)[:-1]}"
    assert visitor.get("/", headers={"Cookie": cut}).status_code == 403


def test_a_login_leads_back_to_the_page_that_was_asked_for_and_nowhere_else(
    site: Site, visitor: httpx.Client
) -> None:
    page = visitor.get("/answer?study=a%20b&x='><b>").text
    button = page.split("<a href='")[1].split("'")[0]
    assert "<b>" not in page
    site.provider.claims = VIEWER
    assert str(visitor.get(button.replace("&amp;", "&")).url) == f"{site.origin}/answer?study=a%20b&x='%3E%3Cb%3E"
    assert str(visitor.get("/").url) == f"{site.origin}/"
    for to in ("//evil.example/", "/\\evil.example", "https://evil.example", "/a\r\nSet-Cookie: x=1"):
        assert str(log_in(site, visitor, VIEWER, to).url).startswith(f"{site.origin}/"), to
        assert "x" not in visitor.cookies


def test_other_names_and_origins_are_refused(site: Site, visitor: httpx.Client) -> None:
    log_in(site, visitor, EDITOR)
    assert visitor.get("/", headers={"Host": "evil.example"}).status_code == 403
    assert f"called {site.origin}" in visitor.get("/", headers={"Host": "evil.example"}).text
    assert visitor.get("/", headers={"Origin": "http://evil.example"}).status_code == 403
    assert handshake(site.running, Origin="http://evil.example", **cookies(visitor)) == 403
    # No proxy's word counts.
    with httpx.Client(base_url=site.origin, trust_env=False, timeout=PATIENCE) as other:
        told = {"X-Forwarded-User": "ed@example.org", "X-Forwarded-Email": "ed@example.org", "Remote-User": "ed"}
        assert other.get("/", headers=told).status_code == 403


def test_the_secret_stands_in_no_file_and_the_cookies_in_a_private_one(site: Site) -> None:
    for path in site.home.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    assert (site.home / "config" / "cookie-secret").stat().st_mode & 0o777 == 0o600
    assert (site.home / "config").stat().st_mode & 0o777 == 0o700


def test_what_logins_are_signed_with_is_drawn_once(own_home: Path) -> None:
    first = server.cookie_secret()
    assert len(first) == 64 and server.cookie_secret() == first
    (own_home / "config" / "cookie-secret").unlink()
    assert server.cookie_secret() != first


class App:
    """What stands behind the door: says so, or reads a websocket to its end."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            while True:
                message = await receive()
                self.heard.append(message["type"])
                if message["type"] == "websocket.disconnect":
                    return
        headers = [(b"set-cookie", b"a=1; HttpOnly"), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


def asked(door: login.Login, scope: dict[str, Any], receive: Any = None) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(door(scope, receive, send))
    return sent


def scope_of(kind: str, host: str, cookie: str) -> dict[str, Any]:
    headers = [(b"host", host.encode()), (b"cookie", f"{USER_COOKIE_NAME}={cookie}".encode())]
    return {"type": kind, "path": "/x", "query_string": b"", "headers": headers, "raw_path": b"/x"}


def test_a_page_that_is_open_hears_no_more_once_its_login_has_ended(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = team_of(site.provider, "https://box.example", hours=1)
    app = App()
    door = login.Login(app, "token", [team.origin], {}, team, "s" * 32)
    cookie = cookie_of({"iat": 1000, "aud": CLIENT, **VIEWER}, "s" * 32, team.origin)
    now = [1000.0]
    monkeypatch.setattr("pages.parts.login.time.time", lambda: now[0])
    # Its signature is good for a month, by another clock.
    monkeypatch.setattr(login, "decode_signed_value", lambda *_: decoded(cookie))

    async def receive() -> dict[str, str]:
        now[0] += 1799
        return {"type": "websocket.receive"}

    asked(door, scope_of("websocket", "box.example", cookie), receive)
    assert app.heard == ["websocket.receive", "websocket.receive", "websocket.disconnect"]


def decoded(cookie: str) -> bytes | None:
    from itsdangerous import URLSafeTimedSerializer

    return str(URLSafeTimedSerializer("s" * 32, salt=USER_COOKIE_NAME).loads(cookie)).encode()


def test_cookies_go_by_https_alone_where_the_team_speaks_it(site: Site) -> None:
    for origin, ends in (
        ("https://box.example", b"a=1; HttpOnly; Secure"),
        ("http://localhost:9000", b"a=1; HttpOnly"),
    ):
        team = team_of(site.provider, origin)
        door = login.Login(App(), "token", [origin], {}, team, "s" * 32)
        cookie = cookie_of({"iat": int(time.time()), "aud": CLIENT, **VIEWER}, "s" * 32, origin)
        start, *_ = asked(door, scope_of("http", origin.partition("://")[2], cookie))
        assert dict(start["headers"])[b"set-cookie"] == ends


def test_agents_tools_keep_a_token_of_their_own_beside_the_login(site: Site) -> None:
    team = team_of(site.provider, "https://box.example")
    door = login.Login(App(), "token", [team.origin], {"/agents": "theirs"}, team, "s" * 32)
    cookie = cookie_of({"iat": int(time.time()), "aud": CLIENT, **EDITOR}, "s" * 32, team.origin)

    def status(path: str, bearer: str = "") -> int:
        scope = scope_of("http", "box.example", "" if bearer else cookie) | {"path": path}
        scope["headers"] = [*scope["headers"], (b"authorization", f"Bearer {bearer}".encode())]
        return int(asked(door, scope)[0]["status"])

    assert [status("/agents/mcp", token) for token in ("theirs", "token", "x", "")] == [200, 401, 401, 401]
    assert [status("/", token) for token in ("theirs", "token", "")] == [403, 403, 200]
