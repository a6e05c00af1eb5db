"""Starts and stops the dashboard's server on this machine.

Promises that a second start finds the first one, and that the server listens on 127.0.0.1 only. Keeps no watch
over it afterwards.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from diffing.common import files
from diffing.common.errors import UserError

PORT = 8501


def start(port: int = PORT) -> tuple[str, bool]:
    """The dashboard's address, and whether it ran already."""
    address = f"http://127.0.0.1:{port}"
    if _healthy(address) and _ours(port):
        return address, True
    if _taken(port):
        raise UserError(
            f"Port {port} is taken by another program; choose another with 'python -m diffing dashboard --port N'."
        )
    log = files.cache_dir() / "dashboard.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "dashboard.py", "--server.port", str(port)],
            cwd=files.PROJECT,
            env=os.environ | {"DIFFING_HOME": str(files.home())},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            # It goes on when the terminal that started it is closed.
            start_new_session=True,
        )
    files.write_text(_pid_file(port), str(server.pid))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.poll() is not None:
            last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["no word"]
            raise UserError(f"The dashboard ended at once ({last[0]}); '{log}' has the whole of it.")
        if _healthy(address):
            return address, False
        time.sleep(0.1)
    raise UserError(f"The dashboard did not come up within a minute; '{log}' may say why.")


def stop(port: int = PORT) -> bool:
    """End the server that `start` made; whether there was one."""
    path = _pid_file(port)
    if not _ours(port) or not _healthy(f"http://127.0.0.1:{port}"):
        path.unlink(missing_ok=True)
        return False
    os.kill(int(path.read_text()), signal.SIGTERM)
    path.unlink()
    return True


def _pid_file(port: int) -> Path:
    return files.cache_dir() / f"dashboard-{port}.pid"


def _ours(port: int) -> bool:
    """Whether the server that `start` made for this folder still lives: any Streamlit answers as healthy."""
    try:
        os.kill(int(_pid_file(port).read_text()), 0)
    except (OSError, ValueError):
        return False
    return True


def _healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as reply:
            return bool(reply.read() == b"ok")
    except (urllib.error.URLError, OSError):
        return False


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
