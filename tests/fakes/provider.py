"""An OpenID Connect provider on this machine: whoever asks is logged in at once, as whom a test says.

Checks what real ones check: that a code is used once, by whom it was given to and with its proof (PKCE). Its
tokens are signed with RS256, and a test may have one forged.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT = "diffing"
SECRET = "a-secret-of-9-words-and-3-digits-742"
BITS = 2048
"""Of its keys, the least that is taken for safe."""

Claims = dict[str, Any]


class Given(NamedTuple):
    """What stands behind a code."""

    redirect_uri: str
    nonce: str
    challenge: str
    claims: Claims


class Provider:
    """The provider on a port of its own; everything public may be changed while it runs."""

    def __init__(self) -> None:
        self.claims: Claims = {}
        """Who logs in next."""
        self.forged: Callable[[Claims], Claims] = lambda claims: claims
        """What is changed of the next tokens' claims."""
        self.key = RSAKey.generate_key(BITS, {"kid": "one"}, private=True)
        self.sign: Callable[[Claims], str] = self.signed
        """How its tokens are signed; another way forges."""
        self.codes: dict[str, Given] = {}
        self.refused = 0
        """How often a code was refused."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self.metadata = f"{self.issuer}/.well-known/openid-configuration"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def page(self, path: str) -> dict[str, Any] | None:
        if path == "/jwks":
            return {"keys": [self.key.as_dict(private=False)]}
        if path != "/.well-known/openid-configuration":
            return None
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def authorize(self, asked: dict[str, str]) -> str:
        """Where a browser goes on: back, with a code."""
        assert asked["client_id"] == CLIENT and asked["response_type"] == "code"
        code = secrets.token_urlsafe(16)
        self.codes[code] = Given(asked["redirect_uri"], asked["nonce"], asked["code_challenge"], dict(self.claims))
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, told: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """What a code is good for, once; None where it is refused."""
        client = f"Basic {base64.b64encode(f'{CLIENT}:{SECRET}'.encode()).decode()}"
        given = self.codes.pop(told.get("code", ""), None)
        proof = hashlib.sha256(told.get("code_verifier", "").encode()).digest()
        if (
            given is None
            or authorization != client
            or told.get("redirect_uri") != given.redirect_uri
            or base64.urlsafe_b64encode(proof).decode().rstrip("=") != given.challenge
        ):
            self.refused += 1
            return None
        now = int(time.time())
        usual = {"iss": self.issuer, "aud": CLIENT, "sub": "1", "iat": now, "exp": now + 300, "nonce": given.nonce}
        token = self.sign(self.forged(usual | given.claims))
        return {"access_token": "x", "token_type": "Bearer", "expires_in": 300, "id_token": token}

    def signed(self, claims: Claims, key: RSAKey | None = None) -> str:
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, key or self.key)


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorize":
                asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self.send_response(302)
                self.send_header("Location", provider.authorize(asked))
                self.end_headers()
                return
            self._say(provider.page(parts.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            told = {name: values[0] for name, values in parse_qs(body).items()}
            self._say(provider.token(told, self.headers.get("Authorization", "")))

        def _say(self, value: dict[str, Any] | None) -> None:
            body = json.dumps({"error": "invalid_grant"} if value is None else value).encode()
            self.send_response(400 if value is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Tests print nothing."""

    return Handler
