"""A kernel on a Jupyter server, as on a machine with a GPU: its address and token from the workspace's file.

Speaks Jupyter's REST and WebSocket. Promises that the study's tables, files, repositories and packages lie in a
folder of the study's own on that server before the first cell runs, that the token goes to that address alone and
into no line of code, and that a kernel left by a server that was killed is ended by the next. What that machine
holds is within the code's reach, and what the folder there holds stays there.
"""

import asyncio
import base64
import json
import time
import urllib.parse
import uuid
from collections import deque
from typing import Any

import httpx2
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

from diffing.agents.workshop import kernel
from diffing.agents.workshop.folders import Workshop
from diffing.agents.workshop.kernel import Message, message_of
from diffing.agents.workshop.supplies import Check, Tell
from diffing.agents.workshop.walls import Protection
from diffing.agents.workshop.workspace import Jupyter, Workspace
from diffing.common import files
from diffing.common.errors import UserError

PATIENCE = 60.0
"""Seconds for the server to answer a request, the upload of a table among them."""
KEPT_ALIVE = 20.0
"""Seconds between two signs of life, under what proxies allow a silent line."""
BRINGING = 1800.0
"""Seconds for repositories and packages to be brought there."""
LEFT = "remote.json"
"""Of the workshop: the kernel that runs on the server now."""
BROKEN = "the line to the Jupyter server broke"


class Remote:
    """A Jupyter server and the study's folder on it."""

    def __init__(self, workspace: Workspace, shop: Workshop, tell: Tell) -> None:
        assert workspace.jupyter is not None
        self.workspace, self.shop, self.tell = workspace, shop, tell
        self.told: Jupyter = workspace.jupyter
        token = workspace.token()
        self.headers = {"Authorization": f"token {token}"} if token else {}
        self.folder = f"diffing-{shop.number}"

    def start(self, check: Check) -> "RemoteKernel":
        """Start a kernel there, with everything that it needs."""
        self._end_left()
        self.tell("The study's tables are being sent to the Jupyter server.")
        self.renew()
        told = self.asked("POST", "/api/kernels", {"name": self.told.kernel, "path": self.folder})
        files.write_json(self.shop.folder / LEFT, {"kernel": str(told["id"]), "address": self.told.address})
        line = RemoteKernel(self, str(told["id"]))
        try:
            line.ready(check)
            self._prepare(line, check)
        except BaseException:
            line.close()
            raise
        return line

    def renew(self) -> None:
        """Send the study's tables and the workspace's files."""
        self._folder(self.folder)
        roots = {name: self.shop.shared / name for name in ("data", "files")}
        if self.workspace.wheels:
            roots["wheels"] = self.workspace.place(self.workspace.wheels)
        for name, root in roots.items():
            if root.exists():
                self._folder(f"{self.folder}/{name}")
            for path in sorted(root.rglob("*")):
                there = f"{self.folder}/{name}/{path.relative_to(root).as_posix()}"
                if path.is_dir():
                    self._folder(there)
                elif not path.name.startswith("."):
                    content = base64.b64encode(path.read_bytes()).decode()
                    self._put(there, {"type": "file", "format": "base64", "content": content})

    def asked(self, method: str, path: str, told: Any = None) -> Any:
        """One request's answer; a `UserError` says what the server said."""
        try:
            # No redirect is followed: it would carry the token elsewhere.
            answer = httpx2.request(
                method,
                f"{self.told.address}{path}",
                json=told,
                headers=self.headers,
                timeout=PATIENCE,
                follow_redirects=False,
            )
        except httpx2.HTTPError as error:
            raise UserError(
                f"The Jupyter server at {self.told.address} does not answer ({type(error).__name__}: {error}); "
                "see that it runs and that the address in the workspace's file is right."
            ) from error
        if answer.status_code in (401, 403):
            raise UserError(
                f"The Jupyter server at {self.told.address} refuses the token; set jupyter.token to the secret "
                "that has it."
            )
        if answer.status_code == 404 and method in ("DELETE", "GET"):
            return None
        if answer.is_error or answer.is_redirect:
            raise UserError(
                f"The Jupyter server at {self.told.address} answers {method} {path} with {answer.status_code}; "
                "see that the address is that of the server itself."
            )
        return answer.json() if answer.content else None

    def _put(self, path: str, told: dict[str, Any]) -> None:
        self.asked("PUT", f"/api/contents/{urllib.parse.quote(path)}", told)

    def _folder(self, path: str) -> None:
        self._put(path, {"type": "directory"})

    def _end_left(self) -> None:
        path = self.shop.folder / LEFT
        if path.exists():
            left = files.read_json(path, "remove it")
            if left["address"] == self.told.address:
                self.asked("DELETE", f"/api/kernels/{left['kernel']}")
            path.unlink()

    def _prepare(self, line: "RemoteKernel", check: Check) -> None:
        """Have the kernel bring repositories and packages, once, and take its secrets."""
        wanted = {
            "repositories": [[each.url, each.commit, each.folder] for each in self.workspace.repositories],
            "packages": list(self.workspace.packages),
            "wheels": bool(self.workspace.wheels),
        }
        if self.workspace.packages or self.workspace.repositories:
            self.tell("The Jupyter server is bringing repositories and packages.")
        # As a value and not as code: what is exposed stands in no cell.
        line.do(f"{BRING}\n_bring({json.dumps(json.dumps(wanted))})\ndel _bring", check, BRINGING)
        if exposed := self.workspace.exposed():
            line.do(f"__import__('os').environ.update({exposed!r})", check, PATIENCE)


BRING = """
def _bring(told):
    import importlib, json, os, subprocess, sys
    wanted = json.loads(told)
    def run(*line):
        done = subprocess.run(line, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError((done.stderr or done.stdout).strip()[-400:])
    for url, commit, name in wanted["repositories"]:
        folder = os.path.join("repos", name)
        mark = os.path.join(folder, ".git", "diffing-" + commit)
        if os.path.exists(mark):
            continue
        import shutil
        shutil.rmtree(folder, ignore_errors=True)
        run("git", "clone", "--quiet", "--no-checkout", "--", url, folder)
        run("git", "-C", folder, "checkout", "--quiet", "--detach", commit)
        open(mark, "w").close()
    packages = os.path.abspath("packages")
    mark = os.path.join(packages, "diffing.json")
    if wanted["packages"]:
        if not os.path.exists(mark) or open(mark).read() != told:
            where = ["--no-index", "--find-links", "wheels"] if wanted["wheels"] else []
            run(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade",
                "--only-binary", ":all:", *where, "--target", packages, *wanted["packages"])
            with open(mark, "w") as file:
                file.write(told)
        sys.path.insert(0, packages)
        importlib.invalidate_caches()
"""
"""Run by the kernel itself, whose machine this program does not reach in another way."""


class RemoteKernel:
    """A kernel of that server. One thread uses it."""

    protection: Protection = "elsewhere"

    def __init__(self, remote: Remote, number: str) -> None:
        self.remote, self.number = remote, number
        self._session = uuid.uuid4().hex
        self._came: deque[Message] = deque()
        self._fault = ""
        self._loop = asyncio.new_event_loop()
        self._socket: WebSocketClientConnection | None = None

    def ready(self, check: Check) -> None:
        """Open the line, and wait until the kernel answers."""
        address = self.remote.told.address.replace("http", "ws", 1)
        url = f"{address}/api/kernels/{self.number}/channels?session_id={self._session}"
        request = HTTPRequest(url, headers=self.remote.headers, connect_timeout=PATIENCE, request_timeout=PATIENCE)
        opening = websocket_connect_of(request, self._take)
        try:
            self._socket = self._loop.run_until_complete(asyncio.wait_for(opening, PATIENCE))
        except (OSError, TimeoutError, ValueError) as error:
            raise UserError(
                f"The Jupyter server at {self.remote.told.address} opens no line to its kernel ({error}); a proxy "
                "before it must hand on WebSockets."
            ) from error
        self.do("pass", check, kernel.START)

    def do(self, code: str, check: Check, patience: float) -> None:
        """Run code that is none of the notebook's; a `UserError` where it fails."""
        asked, end = self.send(code, silent=True), time.monotonic() + patience
        while time.monotonic() < end:
            check()
            message = self.next(0.5)
            if message is None and not self.alive():
                raise UserError(f"The kernel on the Jupyter server ended: {self.died()}; start a cell again.")
            if message is not None and message.reply and message.asked == asked:
                if message.content.get("status") != "ok":
                    said = f"{message.content.get('ename')}: {message.content.get('evalue')}"
                    raise UserError(f"The Jupyter server could not make the notebook ready: {said[-400:]}")
                return
        raise UserError(
            f"The kernel on the Jupyter server did not answer within {patience:.0f} s; see that it is not busy."
        )

    def _take(self, raw: str | bytes | None) -> None:
        if raw is None:
            self._fault = self._fault or BROKEN
            return
        try:
            told = json.loads(raw)
            message = message_of(told, told.get("channel") == "shell")
        except (ValueError, AttributeError):
            # What is no message of the protocol is none for us; the server is not ours.
            return
        if message is not None:
            self._came.append(message)
            if message.kind == "status" and message.content.get("execution_state") in ("restarting", "dead"):
                self._fault = "the Jupyter server found it dead"

    def send(self, code: str, silent: bool = False) -> str:
        asked = uuid.uuid4().hex
        header = {"msg_id": asked, "msg_type": "execute_request", "username": "", "session": self._session}
        header |= {"version": "5.3", "date": files.now()}
        content = {"code": code, "silent": silent, "store_history": not silent, "user_expressions": {}}
        content |= {"allow_stdin": False, "stop_on_error": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "buffers": []}
        writing = self._write(json.dumps({**message, "channel": "shell"}))
        self._loop.run_until_complete(asyncio.wait_for(writing, PATIENCE))
        return asked

    async def _write(self, message: str) -> None:
        assert self._socket is not None
        try:
            await self._socket.write_message(message)
        except WebSocketClosedError:
            # Found dead at the next look.
            self._fault = self._fault or BROKEN

    def next(self, wait: float) -> Message | None:
        end = time.monotonic() + wait
        while not self._came and time.monotonic() < end and not self._fault:
            # Messages come in while the loop runs; twenty looks a second go unnoticed.
            self._loop.run_until_complete(asyncio.sleep(0.05))
        return self._came.popleft() if self._came else None

    def reopen(self) -> None:
        # The server leaves out what is too much and keeps the line; where it breaks, the kernel counts as dead.
        return

    def interrupt(self) -> None:
        self.remote.asked("POST", f"/api/kernels/{self.number}/interrupt")

    def alive(self) -> bool:
        return not self._fault

    def died(self) -> str:
        return self._fault

    def close(self) -> None:
        if self._socket is not None:
            self._loop.run_until_complete(self._close())
        self._loop.close()
        self.remote.asked("DELETE", f"/api/kernels/{self.number}")
        (self.remote.shop.folder / LEFT).unlink(missing_ok=True)

    async def _close(self) -> None:
        assert self._socket is not None
        self._socket.close()
        # Left a moment in which the other side says goodbye.
        await asyncio.sleep(0.05)


async def websocket_connect_of(request: HTTPRequest, take: Any) -> WebSocketClientConnection:
    """Open a WebSocket whose messages are handed to `take`."""
    return await websocket_connect(
        request, on_message_callback=take, ping_interval=KEPT_ALIVE, max_message_size=kernel.LARGEST
    )
