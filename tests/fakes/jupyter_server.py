"""A Jupyter server as far as a notebook needs one: contents, kernels and their line, with a token.

Its kernels are real. Run in a thread of its own; `asked` keeps what it was asked, and by whom.
"""

import asyncio
import base64
import json
import threading
from pathlib import Path
from typing import Any, Self

import zmq
from jupyter_client.manager import KernelManager
from tornado.httpserver import HTTPServer
from tornado.ioloop import PeriodicCallback
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler
from tornado.websocket import WebSocketHandler


class JupyterServer:
    """Serves below a folder."""

    def __init__(self, root: Path, token: str) -> None:
        self.root, self.token = root, token
        self.asked: list[str] = []
        self.kernels: dict[str, KernelManager] = {}
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(30)
        for each in self.kernels.values():
            each.shutdown_kernel(now=True)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        routes: list[Any] = [
            (r"/api/contents/(.+)", Contents, {"server": self}),
            (r"/api/kernels", Kernels, {"server": self}),
            (r"/api/kernels/([^/]+)", Kernels, {"server": self}),
            (r"/api/kernels/([^/]+)/interrupt", Interrupt, {"server": self}),
            (r"/api/kernels/([^/]+)/channels", Channels, {"server": self}),
        ]
        sockets = bind_sockets(0, "127.0.0.1")
        self.address = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        server = HTTPServer(Application(routes))
        server.add_sockets(sockets)
        self._started.set()
        await self._over.wait()
        server.stop()
        await server.close_all_connections()


class Known(RequestHandler):
    """Who has the token; anybody else is refused."""

    def initialize(self, server: JupyterServer) -> None:
        self.server = server

    def prepare(self) -> None:
        self.server.asked.append(f"{self.request.method} {self.request.path}")
        if self.request.headers.get("Authorization") != f"token {self.server.token}":
            raise HTTPError(403)


class Contents(Known):
    """Folders and files that are put."""

    def put(self, path: str) -> None:
        told, place = json.loads(self.request.body), self.server.root / path
        if told["type"] == "directory":
            place.mkdir(exist_ok=True)
        else:
            place.write_bytes(base64.b64decode(told["content"]))
        self.set_status(201)
        self.finish({"path": path})


class Kernels(Known):
    """Kernels that begin and end."""

    def post(self) -> None:
        told = json.loads(self.request.body)
        manager = KernelManager(kernel_name=told["name"])
        manager.start_kernel(cwd=str(self.server.root / told["path"]))
        number = f"kernel-{len(self.server.asked)}"
        self.server.kernels[number] = manager
        self.set_status(201)
        self.finish({"id": number})

    def delete(self, number: str) -> None:
        manager = self.server.kernels.pop(number, None)
        if manager is None:
            raise HTTPError(404)
        manager.shutdown_kernel(now=True)
        self.set_status(204)


class Interrupt(Known):
    """An interrupt of one."""

    def post(self, number: str) -> None:
        self.server.kernels[number].interrupt_kernel()
        self.set_status(204)


class Channels(WebSocketHandler, Known):
    """A kernel's line: each message with the name of its channel."""

    def open(self, number: str, *_: str) -> None:
        self.manager = self.server.kernels[number]
        self.client = self.manager.client()
        self.client.start_channels(stdin=False, hb=False)
        self.looking = PeriodicCallback(self.look, 20)
        self.looking.start()

    def on_message(self, message: str | bytes) -> None:
        told = json.loads(message)
        assert told.pop("channel") == "shell"
        self.client.session.send(self.client.shell_channel.socket, told)

    def look(self) -> None:
        """Hand on what has come, and the kernel's death as such a server tells it."""
        for channel in ("iopub", "shell"):
            socket = getattr(self.client, f"{channel}_channel").socket
            while socket.poll(0):
                _, message = self.client.session.recv(socket, zmq.NOBLOCK)
                self.write_message(json.dumps({**message, "channel": channel}, default=str))
        if not self.manager.is_alive():
            header = {"msg_type": "status", "msg_id": "dead"}
            content = {"execution_state": "restarting"}
            self.write_message(json.dumps({"header": header, "content": content, "channel": "iopub"}))
            self.looking.stop()

    def on_close(self) -> None:
        self.looking.stop()
        self.client.stop_channels()
