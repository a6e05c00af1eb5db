"""A real HTTP server on localhost that speaks the OpenAI protocol, misbehaves on demand and keeps a log.

`OpenAIServer(reply=...)` asks a callback what to do with each chat call: a string is a plain answer, a `Behaviour`
is anything else. By hand, or for a browser test: `python tests/fakes/openai_server.py PORT` serves `before` and
`after`, two models that differ in style. What the client cannot say, such as which draw it wants, the log cannot
know: it counts how often the same body came.
"""

import argparse
import json
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self


@dataclass
class Call:
    """One chat call as it came in, and what became of it."""

    number: int
    """Place in the log, from 1."""
    again: int
    """How many calls with the same body came before it."""
    body: dict[str, Any]
    key: str
    """What stood in the Authorization header after 'Bearer'."""
    received: float
    """Seconds of the monotonic clock."""
    answered: float | None = None
    """When the whole reply had been handed to the system; None where it was not."""
    status: int = 0

    @property
    def model(self) -> str:
        return str(self.body["model"])

    @property
    def messages(self) -> list[dict[str, str]]:
        return list(self.body["messages"])

    @property
    def prompt(self) -> str:
        return self.messages[-1]["content"]


@dataclass(frozen=True)
class Behaviour:
    """What the server does with one call; the defaults make a plain answer."""

    text: Any = ""
    """The message's content."""
    finish_reason: str = "stop"
    model: str = ""
    """The model that the reply names; empty for the one asked for."""
    usage: dict[str, Any] | None = field(default_factory=dict)
    """Replaces or adds to the counted usage, such as `cost`; None leaves usage out."""
    status: int = 200
    body: Any = None
    """Sent in place of a completion: JSON, or bytes as they stand."""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds before the reply."""
    drip: float = 0.0
    """Seconds between the bytes of the body."""
    cut: Literal["", "before", "within"] = ""
    """The connection is closed before the reply, or in the middle of its body."""


Replier = Callable[[Call], str | Behaviour]


def failure(status: int, message: str = "", code: str = "", **headers: str) -> Behaviour:
    """An error as OpenAI words it; `retry_after='2'` becomes the header `Retry-After`."""
    body = {"error": {"message": message or f"status {status}", "type": "error", "code": code or None}}
    return Behaviour(status=status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


def in_turn(*behaviours: str | Behaviour) -> Replier:
    """These one after the other for each body, the last one from then on."""
    return lambda call: behaviours[min(call.again, len(behaviours) - 1)]


def styled(call: Call) -> str:
    """Made-up answers that depend on prompt and model alone; those of `after` are lists."""
    rng = random.Random(f"{call.model}\n{call.prompt}")
    words = [word for word in call.prompt.split() if word.isalpha()] or ["this"]
    points = [f"{rng.choice(OPENINGS)} {rng.choice(words).lower()} {rng.choice(ENDINGS)}" for _ in range(4)]
    if call.model != "after":
        return " ".join(f"{point}." for point in points)
    listed = "\n".join(f"{i}. **{rng.choice(words).title()}**: {point}." for i, point in enumerate(points, 1))
    return f"Great question!\n\n{listed}\n\nWould you like to hear more about {rng.choice(words).lower()}?"


OPENINGS = ("It helps to look at", "Most people begin with", "There is no single rule for", "Consider first")
ENDINGS = ("before anything else", "when time is short", "as far as it matters here", "with some patience")


class OpenAIServer:
    """The server on a port of its own; everything public may be changed while it runs."""

    def __init__(
        self, reply: Replier = styled, models: Sequence[str] | None = ("before", "after"), port: int = 0
    ) -> None:
        self.reply = reply
        self.models = models
        """Ids served; any other is a 404. None: no model list, and every model is answered."""
        self.prices: dict[str, tuple[float, float]] = {}
        """Dollars a token in and out, stated in the model list as OpenRouter does."""
        self.key = ""
        """The only key accepted; empty takes any."""
        self.delay = 0.0
        """Seconds before every reply, beside what its behaviour says."""
        self.calls: list[Call] = []
        self.listed = 0
        """How often the model list was asked for."""
        self._lock = threading.Lock()
        self._seen: Counter[str] = Counter()
        self._http = _Http(("127.0.0.1", port), _Handler)
        self._http.owner = self
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def serve_forever(self) -> None:
        self._http.serve_forever()

    def asked(self) -> Counter[tuple[str, str]]:
        """How often each (model, prompt) came."""
        return Counter((call.model, call.prompt) for call in list(self.calls))

    def log(self, body: dict[str, Any], key: str) -> Call:
        with self._lock:
            text = json.dumps(body, sort_keys=True)
            call = Call(len(self.calls) + 1, self._seen[text], body, key, time.monotonic())
            self._seen[text] += 1
            self.calls.append(call)
            return call

    def behaviour(self, call: Call) -> Behaviour:
        if self.key and call.key != self.key:
            return failure(401, f"Incorrect API key provided: {call.key}.", "invalid_api_key")
        if self.models is not None and call.model not in self.models:
            return failure(404, f"The model '{call.model}' does not exist.", "model_not_found")
        told = self.reply(call)
        return Behaviour(text=told) if isinstance(told, str) else told


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    owner: OpenAIServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        # The other side may have been killed meanwhile.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One write for headers and body, and no waiting for the other side's acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Http

    def do_GET(self) -> None:
        owner = self.server.owner
        owner.listed += 1
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if owner.key and key != owner.key:
            self._send(failure(401, "Incorrect API key provided.", "invalid_api_key"))
        elif owner.models is None or not self.path.endswith("/models"):
            self._send(failure(404, "There is nothing here."))
        else:
            models: list[dict[str, Any]] = [{"id": name, "object": "model"} for name in owner.models]
            for model in models:
                if model["id"] in owner.prices:
                    tokens_in, tokens_out = owner.prices[model["id"]]
                    model["pricing"] = {"prompt": str(tokens_in), "completion": str(tokens_out)}
            self._send(Behaviour(body={"object": "list", "data": models}))

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        data = self.rfile.read(length)
        if len(data) < length:
            raise ConnectionError("killed in the middle of its question")
        body = json.loads(data)
        call = self.server.owner.log(body, self.headers.get("Authorization", "").removeprefix("Bearer "))
        told = self.server.owner.behaviour(call)
        time.sleep(told.delay + self.server.owner.delay)
        call.status = told.status
        if told.body is None:
            told = replace(told, body=_completion(call, told))
        if self._send(told):
            call.answered = time.monotonic()

    def _send(self, told: Behaviour) -> bool:
        """Whether the whole reply could be handed over."""
        data = told.body if isinstance(told.body, bytes) else json.dumps(told.body).encode()
        if told.cut == "before":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return False
        # The other side may have been killed meanwhile: that is what some tests do.
        with suppress(ConnectionError, TimeoutError):
            self.send_response(told.status)
            for name, value in {"Content-Type": "application/json", **told.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if told.cut == "within":
                self.wfile.write(data[: len(data) // 2])
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return False
            for piece in [data[i : i + 1] for i in range(len(data))] if told.drip else [data]:
                self.wfile.write(piece)
                self.wfile.flush()
                time.sleep(told.drip)
            return True
        self.close_connection = True
        return False

    def log_message(self, *_: object) -> None:
        """The log is `calls`."""


def _completion(call: Call, told: Behaviour) -> dict[str, Any]:
    counted = {
        "prompt_tokens": sum(len(m["content"].split()) for m in call.messages),
        "completion_tokens": len(str(told.text).split()),
    }
    usage = None if told.usage is None else counted | told.usage
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": told.text},
        "finish_reason": told.finish_reason,
    }
    return {
        "id": f"call-{call.number}",
        "object": "chat.completion",
        "created": 0,
        "model": told.model or call.model,
        "choices": [choice],
        **({} if usage is None else {"usage": usage}),
    }


def main() -> None:
    options = argparse.ArgumentParser(description="Serve made-up answers in OpenAI's protocol on localhost.")
    options.add_argument("port", type=int)
    options.add_argument("--delay", type=float, default=0.0, help="seconds before every reply")
    options.add_argument("--models", default="before,after", help="ids to serve, with commas")
    told = options.parse_args()
    server = OpenAIServer(models=told.models.split(","), port=told.port)
    server.delay = told.delay
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    with suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
