"""A server that sends whatever bytes it is told: what no honest HTTP library would write.

`RawServer(rows)` looks up the first part of the path, `/NAME/v1/…`, and sends that row's bytes: whole, or as they
are made, until the client has had enough. Bounded: a row that never ends does so after some hundred megabytes.
"""

import json
import socket
import socketserver
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Self

MOST = 400_000_000
"""Bytes that a row may send: many times what anybody should take in."""

Row = bytes | Callable[[threading.Event], Iterator[bytes]]
"""What is sent; a function makes it piece by piece and may wait for the test's end between two."""


def http(status: int = 200, body: bytes | str = b"", **headers: str) -> bytes:
    """A whole response; `retry_after="2"` becomes the header `retry-after`, an empty value leaves one out."""
    data = body.encode() if isinstance(body, str) else body
    given = {k.replace("_", "-"): v for k, v in headers.items()}
    both = {"content-type": "application/json", "content-length": str(len(data)), "connection": "close"} | given
    lines = "".join(f"{name}: {value}\r\n" for name, value in both.items() if value)
    return f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode("latin-1", "replace") + data


def completion(content: Any = "fine", **fields: Any) -> str:
    """A chat completion as OpenAI words it."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice], "model": "m", **fields})


def listing(*models: Any) -> str:
    return json.dumps({"object": "list", "data": [{"id": m} if isinstance(m, str) else m for m in models]})


def dripping(data: bytes, at_once: int) -> Row:
    """The first bytes, and then one now and then for ever."""

    def pieces(over: threading.Event) -> Iterator[bytes]:
        yield data[:at_once]
        for byte in data[at_once:]:
            if over.wait(0.05):
                return
            yield bytes([byte])
        over.wait()

    return pieces


def chunked(body: Callable[[], Iterator[bytes]], code: int = 200, **headers: str) -> Row:
    """A response of which nobody says how long it is."""

    def pieces(_: threading.Event) -> Iterator[bytes]:
        yield http(code, content_length="", transfer_encoding="chunked", **headers)
        for piece in body():
            yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
        yield b"0\r\n\r\n"

    return pieces


def packed(body: Callable[[], Iterator[bytes]]) -> Callable[[], Iterator[bytes]]:
    """A body in gzip, packed as it is sent."""

    def pieces() -> Iterator[bytes]:
        packer = zlib.compressobj(9, wbits=31)
        for piece in body():
            if out := packer.compress(piece):
                yield out
        yield packer.flush()

    return pieces


def repeated(piece: bytes, size: int) -> Callable[[], Iterator[bytes]]:
    """One piece again and again, up to this many bytes."""
    return lambda: (piece for _ in range(size // len(piece)))


class RawServer:
    """The server on a port of its own."""

    def __init__(self, rows: Mapping[str, Row]) -> None:
        self.rows = rows
        self.asked: Counter[str] = Counter()
        """How often each row was asked for."""
        self.over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self.root = f"http://127.0.0.1:{self._server.server_address[1]}"

    def url(self, row: str) -> str:
        return f"{self.root}/{row}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128
    owner: RawServer


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        owner = self.server.owner
        # The other side goes away as soon as it has had enough.
        with suppress(OSError):
            name = self.rfile.readline().split(b" ")[1].split(b"/")[1].decode()
            length = 0
            while (line := self.rfile.readline()) not in (b"\r\n", b""):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            self.rfile.read(length)
            owner.asked[name] += 1
            row, sent = owner.rows[name], 0
            if row == b"":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return
            for piece in [row] if isinstance(row, bytes) else row(owner.over):
                self.connection.sendall(piece)
                sent += len(piece)
                if sent > MOST or owner.over.is_set():
                    return
