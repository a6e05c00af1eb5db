"""Starts and ends the dashboard's server on this machine.

Promises that a second start finds the first one, that a server of ours can be ended for as long as it lives, that
its token stands in files for its owner's eyes alone, and that no proxy is asked about this machine. A server lives
as long as the lock on its file is held: the lock is handed to it before it begins, and ends with it, however it
ends. Keeps no watch over it afterwards.
"""

import fcntl
import html
import http.client
import ipaddress
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from diffing.common.errors import UserError

if TYPE_CHECKING:
    from diffing.cli.team import Team

PORT = 8501
HERE = "127.0.0.1"
"""Where it listens unless told otherwise: this machine alone reaches it there."""
SERVER = "pages.parts.server"
"""The module that serves; named and not imported, since the engine knows no page."""
LONGEST_START = 120.0
"""Seconds until a server must answer: it takes two to four, on a very busy machine ten or twenty times that."""
LONGEST_END = 10.0
"""Seconds that a server has for its last replies before it is ended by force."""
LONGEST_PARTING = 1.0
"""Seconds between the two that a server lets go of: the system takes some thousandths."""
LONGEST_REPLY = 2.0
"""Seconds of one look at whether it answers: a busy one is asked again."""
KEPT_BACK = ("STREAMLIT_", "UVICORN_")
"""Variables that do not reach the server: an image or a profile may have it listen to the whole network."""


class Running(NamedTuple):
    """A server, as its record tells of it."""

    port: int
    token: str
    origins: list[str]
    agents: dict[str, Any] | None = None
    """Token and terms of the agents that it serves beside its pages; None of a dashboard alone."""
    host: str = HERE
    team: dict[str, Any] | None = None
    """Its team's file as it was read at the start; None where the token lets in."""

    @property
    def addresses(self) -> list[str]:
        """What lets a browser in: on this machine first, then as its owner says it is called."""
        if self.team is not None:
            return [str(self.team["origin"])]
        return [f"{origin}/?token={self.token}" for origin in (f"http://127.0.0.1:{self.port}", *self.origins)]


def start(
    port: int = PORT,
    origins: Sequence[str] = (),
    agents: Mapping[str, Any] | None = None,
    host: str = HERE,
    team: "Team | None" = None,
    i_know: bool = False,
) -> tuple[Running, bool]:
    """The dashboard, and whether it ran already; `origins` are what else browsers may call it.

    With `agents`, the terms of a server of theirs, it serves these too. `host` is where it listens: beyond this
    machine only where a team logs in, or where its owner knows (`i_know`) that whoever sees the token on the way
    may do everything.
    """
    from diffing.common import files

    origins = [*([team.origin] if team else []), *map(_origin, origins)]
    _check_host(host, team is not None or i_know)
    # A token of their own: the dashboard's would let them do whatever its owner can.
    beside = None if agents is None else {"token": secrets.token_urlsafe(32), "terms": dict(agents)}
    people = None if team is None else team.model_dump(mode="json")
    wanted = Running(port, secrets.token_urlsafe(32), origins, beside, host, people)
    with _turn(port):
        # Open for writing and never emptied here: an older server's number may stand in it.
        handle = os.open(_path(port, "pid"), os.O_RDWR | os.O_CREAT, files.PRIVATE_FILE)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return _found(wanted), True
            return _begun(wanted, handle), False
        finally:
            # The server has one of its own by now.
            os.close(handle)


def stop(port: int = PORT) -> bool:
    """End the server that `start` made; whether there was one."""
    from diffing.common import files

    with _turn(port):
        if files.is_locked(_path(port, "pid")):
            _end(lambda: _number(port), lambda: not files.is_locked(_path(port, "pid")))
        elif (process := _stray(port)) is not None:
            _end(lambda: process, lambda: _stray(port) != process)
        else:
            return False
        for kind in ("json", "html"):
            _path(port, kind).unlink(missing_ok=True)
        return True


def page(running: Running) -> Path:
    """A file that leads a browser to the server: on its command line others here could read the token."""
    from diffing.common import files

    path = _path(running.port, "html")
    address = html.escape(running.addresses[0])
    files.write_text(path, f'<!doctype html><meta http-equiv="refresh" content="0; url={address}">\n')
    return path


def has_screen() -> bool:
    """Whether a browser could show itself: without one, the system would start one that takes the terminal."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _check_host(host: str, known: bool) -> None:
    """Refuses to listen to other machines where nobody is asked who they are."""
    try:
        here = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise UserError(f"'{host}' is no address of this machine; write one as 127.0.0.1 or 0.0.0.0.") from error
    if not here and not known:
        raise UserError(
            f"At {host} other machines reach the dashboard, and none of them would have to log in; name your "
            "team's file with --team (docs/teams.md), or add --i-know if the token in its address is enough."
        )


def _begun(running: Running, handle: int) -> Running:
    from diffing.common import files

    port = running.port
    if running.team is not None and not (find_spec("authlib") and find_spec("httpx")):
        raise UserError(
            "A team's login needs the packages authlib and httpx, which are not here; run 'make extras'."
        )
    if _stray(port) is not None:
        raise UserError(
            f"A dashboard of an earlier version, or one whose files in the cache were removed, runs on port "
            f"{port}; end it with 'python -m diffing dashboard --port {port} --stop', then start this one."
        )
    if _taken(port, running.host):
        raise UserError(
            f"Port {port} is taken by another program; choose another with 'python -m diffing dashboard --port N'."
        )
    files.write_json(_path(port, "json"), running._asdict())
    log = _path(port, "log")
    with open(log, "wb", opener=files.private) as out:
        server = subprocess.Popen(
            [sys.executable, "-m", SERVER, str(_path(port, "json")), str(handle)],
            cwd=files.PROJECT,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            pass_fds=[handle],
            # It goes on when the terminal that started it is closed.
            start_new_session=True,
        )
    # Waited for, or it would stay behind as a zombie as long as this process lives.
    threading.Thread(target=server.wait, daemon=True).start()
    _wait(running, lambda: server.poll() is None)
    return running


def _found(wanted: Running) -> Running:
    """The server that runs already, which must take what is asked of it."""
    from diffing.common import files

    port = wanted.port
    running = _record(port)
    lacks = [origin for origin in wanted.origins if origin not in running.origins]
    lacks += [f"the address {wanted.host}"] if wanted.host not in (HERE, running.host) else []
    lacks += ["that team"] if wanted.team not in (None, running.team) else []
    if lacks:
        raise UserError(
            f"The dashboard on port {port} runs already and was not told of {lacks[0]}; end it with "
            f"'python -m diffing dashboard --port {port} --stop', then start it so."
        )
    if wanted.agents is not None and (running.agents or {}).get("terms") != wanted.agents["terms"]:
        other = "without agents" if running.agents is None else "with other terms for agents"
        raise UserError(
            f"The dashboard on port {port} runs already, {other}; end it with "
            f"'python -m diffing dashboard --port {port} --stop', then start it so."
        )
    _wait(running, lambda: files.is_locked(_path(port, "pid")))
    return running


def _wait(running: Running, alive: Callable[[], bool]) -> None:
    """Until it answers."""
    log = _path(running.port, "log")
    deadline = time.monotonic() + LONGEST_START
    while time.monotonic() < deadline:
        if not alive():
            last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["no word"]
            raise UserError(f"The dashboard ended at once ({last[0]}); '{log}' has the whole of it.")
        if _answers(running):
            return
        time.sleep(0.1)
    raise UserError(
        f"The dashboard on port {running.port} does not answer; '{log}' may say why, and "
        f"'python -m diffing dashboard --port {running.port} --stop' ends it."
    )


def _answers(running: Running) -> bool:
    """Whether the server itself answers: only it takes the token. Straight to it, whatever proxies are set."""
    asked = http.client.HTTPConnection(_near(running.host), running.port, timeout=LONGEST_REPLY)
    # Called so by itself, wherever it listens.
    head = {"Host": f"{HERE}:{running.port}", "Authorization": f"token {running.token}"}
    try:
        asked.request("GET", "/_stcore/health", headers=head)
        return asked.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asked.close()


def _end(process: Callable[[], int | None], gone: Callable[[], bool]) -> None:
    """Asked first, then by force. A server that has just begun may not have written its number yet."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + LONGEST_END
        asked = False
        while time.monotonic() < deadline:
            if gone():
                return
            number = process()
            if number is not None and not asked:
                with suppress(ProcessLookupError):
                    os.kill(number, sign)
                asked = True
            time.sleep(0.05)
    raise UserError(f"The dashboard's process {process() or ''} does not end; end it by hand and look at its log.")


def _record(port: int) -> Running:
    from diffing.common import damage, files

    path = _path(port, "json")
    again = f"end the server with 'python -m diffing dashboard --port {port} --stop' and start it again"
    told = files.read_json(path, again)
    with damage.reading(path, again):
        origins = [str(origin) for origin in told["origins"]]
        # One that was started by an earlier version knows of none of these.
        agents, host, team = told.get("agents"), told.get("host", HERE), told.get("team")
        return Running(int(told["port"]), str(told["token"]), origins, agents, host, team)


def _origin(text: str) -> str:
    """An origin as a browser writes it."""
    from diffing.models import hosts

    parts = re.fullmatch(r"(https?)://([^/]+)/?", text.lower())
    try:
        if parts is None:
            raise ValueError("write it as your browser shows it, without a path: http://localhost:9000")
        return f"{parts[1]}://{hosts.host_of(parts[0].rstrip('/'))}"
    except ValueError as error:
        raise UserError(f"'{text}' is no origin: {error}.") from error


def _environment() -> dict[str, str]:
    from diffing.common import files

    kept = {name: value for name, value in os.environ.items() if not name.startswith(KEPT_BACK)}
    return kept | {"DIFFING_HOME": str(files.home())}


def _turn(port: int) -> AbstractContextManager[bool]:
    """Two that start or end a server at once take turns."""
    from diffing.common import files

    return files.locked(_path(port, "lock"))


def _path(port: int, kind: str) -> Path:
    from diffing.common import files

    return files.cache_dir() / f"dashboard-{port}.{kind}"


def _number(port: int) -> int | None:
    """The process that a file names."""
    try:
        return int(_path(port, "pid").read_text()[:20])
    except (OSError, ValueError):
        return None


def _stray(port: int) -> int | None:
    """A server of ours that holds no lock in the cache: of an earlier version, or its files there were removed."""
    commands = _commands()
    number = _number(port)
    if number in commands and re.search(rf"dashboard\.py --server\.port {port}\b", commands[number]):
        return number
    called = f"-m {SERVER} {_path(port, 'json')} "
    return next((number for number, command in commands.items() if called in command), None)


def _commands() -> dict[int, str]:
    """How each process of this machine was called, as far as it lets itself be seen."""
    if not Path("/proc/self").exists():
        told = subprocess.run(["ps", "-axo", "pid=,command="], capture_output=True, text=True, check=True).stdout
        lines = (line.split(maxsplit=1) for line in told.splitlines())
        return {int(line[0]): line[1] for line in lines if len(line) == 2}
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        # It may end while we look.
        with suppress(OSError):
            found[int(path.parent.name)] = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return found


def _near(host: str) -> str:
    """How this machine reaches a server that listens there: one that listens everywhere, here too."""
    return {"0.0.0.0": HERE, "::": "::1"}.get(host, host)


def _taken(port: int, host: str = HERE) -> bool:
    """Whether another program has the port: a server that was killed lets go of its lock before its port."""
    deadline = time.monotonic() + LONGEST_PARTING
    while True:
        try:
            socket.create_connection((_near(host), port), LONGEST_REPLY).close()
        except OSError:
            return False
        if time.monotonic() > deadline:
            return True
        time.sleep(0.05)
