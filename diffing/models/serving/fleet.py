"""The servers of one run: started when they are needed, ended when others need their GPUs, ended with the run.

Several GPUs are several servers with a port each and not vLLM's own `--data-parallel-size`: dense models gain
nothing from being one deployment, each server finds its own pace, and none of it hangs on one process that hands
the requests out. Promises that what is served is asked with a key that lives in memory and these servers'
environment alone. Safe to be started from another thread than the one that asks; not by two at once.
"""

import json
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from threading import Event, Lock
from typing import NamedTuple

from diffing.common import files
from diffing.common.errors import Cancelled, UserError
from diffing.models import providers
from diffing.models.serving import engine, form, plan
from diffing.models.serving.form import Form
from diffing.models.serving.plan import Group, Plan
from diffing.models.serving.server import HERE, Server

DAYS = 7
"""That logs of servers which failed are kept: long enough to look at them."""

Look = Callable[[str], None]
"""Told what is waited for; raises where the run is to end."""


class Up(NamedTuple):
    """A group that is served."""

    servers: list[Server]
    form: Form
    window: int
    how: str
    """What stands in the record of each answer: the engine, its versions, whether batches matter."""


class Fleet:
    """Servers by group."""

    def __init__(self, planned: Plan, logs: Path, wait: float) -> None:
        self.plan = planned
        self._program = engine.executable()
        self._versions = engine.versions(self._program)
        self._key = secrets.token_urlsafe(32)
        self._logs, self._wait = logs, wait
        self._forms: dict[int, Form] = {}
        self._up: dict[int, Up] = {}

    def form(self, number: int) -> Form:
        """How a group's conversations are put."""
        if number not in self._forms:
            self._forms[number] = form.of(self.plan.groups[number].base)
        return self._forms[number]

    def of(self, number: int, window: int, look: Look) -> Up:
        """A group's servers, started where they are not up or their window is too small."""
        if number in self._up and self._up[number].window >= window:
            return self._up[number]
        for other in list(self._up) if self.plan.in_turn else [number]:
            self.stop(other)
        group = self.plan.groups[number]
        servers = self._servers(group, number, window)
        self._up[number] = Up(servers, self.form(number), window, "")
        _start(servers, self._wait, look)
        for server in servers:
            providers.hold(server.url, self._key)
        self._up[number] = self._up[number]._replace(how=self._how(servers[0]))
        return self._up[number]

    def ended(self) -> UserError | None:
        """What to say where one has ended by itself."""
        for up in self._up.values():
            for server in up.servers:
                if up.how and not server.alive:
                    return server.ended()
        return None

    def stop(self, number: int) -> None:
        if (up := self._up.pop(number, None)) is not None:
            for server in up.servers:
                providers.let_go(server.url)
                server.stop()

    def close(self) -> None:
        for number in list(self._up):
            self.stop(number)

    def _how(self, server: Server) -> str:
        known = self._versions | ({"vllm": said} if (said := server.version()) else {})
        told = [f"{'vLLM' if name == 'vllm' else name} {version}" for name, version in known.items()] or ["vLLM"]
        return ", ".join([*told, "batch-invariant"] if self.plan.invariant else told)

    def _servers(self, group: Group, number: int, window: int) -> list[Server]:
        template = self._logs / f"{number}.jinja"
        files.write_text(template, self.form(number).template)
        base = [str(self._program), "serve", str(plan.folder(group.base))]
        beside = _line(group, self.plan, template, window)
        made = []
        for place, gpus in enumerate(self.plan.places_of(number)):
            environment = {"CUDA_VISIBLE_DEVICES": ",".join(gpu.number for gpu in gpus)} if gpus else {}
            if self.plan.invariant:
                environment[plan.INVARIANT] = "1"
            where = f" on {' and '.join(gpu.told for gpu in gpus)}" if gpus else ""
            log = self._logs / f"{number}-{place}.log"

            def command(port: int) -> list[str]:
                return [*base, "--host", HERE, "--port", str(port), *beside]

            made.append(Server(command, environment, self._key, log, group.told + where))
        return made


def _start(servers: list[Server], wait: float, look: Look) -> None:
    """All of them at the same time; where one cannot, the others are not waited for."""
    broken, one_at_a_time = Event(), Lock()

    def start(server: Server) -> None:
        def told(waited: float) -> None:
            if broken.is_set():
                raise Cancelled
            with one_at_a_time:
                look(f"vLLM loads {server.told}, {waited:.0f} s")

        try:
            server.start(wait, told)
        except BaseException:
            broken.set()
            raise

    with ThreadPoolExecutor(len(servers)) as pool:
        faults = [done.exception() for done in [pool.submit(start, server) for server in servers]]
    # What broke, before what was given up over that.
    for fault in sorted(filter(None, faults), key=lambda fault: isinstance(fault, Cancelled)):
        raise fault


def _line(group: Group, planned: Plan, template: Path, window: int) -> list[str]:
    """What stands behind the port on vLLM's command line."""
    line = ["--served-model-name", group.base_name, "--max-model-len", str(window)]
    # Nothing that the study does not say: what the model's makers advise goes with each request.
    line += ["--generation-config", "vllm", "--chat-template", str(template)]
    line += ["--chat-template-content-format", "string", "--disable-uvicorn-access-log"]
    line += ["--gpu-memory-utilization", f"{planned.choices.memory_share:g}"]
    if planned.choices.gpus_each > 1:
        line += ["--tensor-parallel-size", str(planned.choices.gpus_each)]
    if not any(planned.places):
        # As this project computes on a CPU: vLLM would round to 16 bits.
        line += ["--dtype", "float32"]
    if group.adapters:
        rank = next(rank for rank in plan.RANKS if rank >= group.rank)
        line += ["--enable-lora", "--max-lora-rank", str(rank), "--max-loras", str(len(group.adapters))]
        # In JSON, since a folder's name may hold an '='.
        modules = ({"name": name, "path": str(plan.folder(adapter))} for name, adapter in group.adapters.items())
        line += ["--lora-modules", *map(json.dumps, modules)]
    return line


@contextmanager
def opened(planned: Plan, wait: float) -> Iterator[Fleet]:
    """Servers for the block; their logs stay for some days where it ends with a sentence, which names them."""
    folder = _fresh_logs()
    fleet, kept = Fleet(planned, folder, wait), False
    try:
        yield fleet
    except UserError:
        kept = True
        raise
    finally:
        fleet.close()
        if not kept:
            shutil.rmtree(folder)


def _fresh_logs() -> Path:
    root = files.cache_dir("served")
    for old in root.iterdir():
        if time.time() - old.stat().st_mtime > DAYS * 86_400:
            shutil.rmtree(old, ignore_errors=True)
    return Path(mkdtemp(dir=root))
