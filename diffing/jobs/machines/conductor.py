"""The process that speaks with a Ray cluster: `python -m … PIPE`, parts on standard input, outcomes to the pipe.

Keeps one worker a GPU, or a fraction of one, on each node that is there, or one a node where none has a GPU.
What a worker loses by dying goes to another one, up to `MOST` times, and is counted; Ray's own retries are off,
so that nothing is done twice without being told. Nodes that come late get workers; one whose worker could not
load gets no second. Ends when standard input ends, and takes a cluster of its own down.
"""

import json
import os
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, BinaryIO

import ray
from ray.exceptions import RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from diffing.common.errors import UserError
from diffing.jobs.machines.seen import machine

MOST = 3
"""Times that a part is begun: one that takes its worker with it each time would go through all of them."""
AHEAD = 2
"""Parts that a worker has been given: the second waits there, so that the first's end costs no way to and fro."""
LOOK = 1.0
"""Seconds between two looks at the nodes."""


class Hand:
    """An actor: what the step loaded, on one device."""

    def __init__(self, home: str, threads: int, gpu: bool) -> None:
        os.environ["DIFFING_HOME"] = home
        # Ray gives each as many threads as it asked for processors, which is one.
        os.environ["OMP_NUM_THREADS"] = str(threads)
        self.device = "cuda" if gpu else "cpu"

    def load(self, work: str, told: Mapping[str, Any]) -> dict[str, Any]:
        """Load; what went wrong is told as a value, since Ray would wrap it up."""
        module, name = work.split(":")
        fault = ""
        try:
            self.work = getattr(import_module(module), name)(told, self.device)
        except UserError as error:
            fault = str(error)
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
        return {"machine": machine(), "device": self.device, "fault": fault}

    def do(self, what: Mapping[str, Any]) -> dict[str, Any]:
        began = time.monotonic()
        told: dict[str, Any] = {"result": {}, "fault": "", "broken": False}
        try:
            told["result"] = self.work(what)
        except UserError as error:
            told["fault"] = str(error)
        except Exception as error:
            # A device that is lost, for one: another worker may fare better.
            told |= {"fault": f"{type(error).__name__}: {error}", "broken": True}
        return told | {"seconds": time.monotonic() - began}


@dataclass
class Given:
    """A part on its way."""

    key: str
    what: dict[str, Any]
    begun: int = 0
    lost: float = 0.0
    """Seconds of work that were lost with workers."""


@dataclass
class Worker:
    node: str
    actor: Any
    loading: Any
    name: str = ""
    machine: str = ""
    """Known once it is loaded."""
    device: str = ""
    since: float = field(default_factory=time.monotonic)
    """When its part in hand was begun."""
    parts: dict[Any, Given] = field(default_factory=dict)
    """By what Ray promised for each, in order."""


class Conductor:
    def __init__(self, spec: Mapping[str, Any], pipe: BinaryIO) -> None:
        self.spec, self.pipe = spec, pipe
        self.waiting: deque[Given] = deque()
        self.workers: list[Worker] = []
        self.without: dict[str, str] = {}
        """Nodes on which nothing could be loaded, and why."""
        self.names: dict[str, int] = {}
        self._looked = float("-inf")

    def say(self, **told: Any) -> None:
        self.pipe.write(json.dumps(told).encode() + b"\n")
        self.pipe.flush()

    def turn(self) -> None:
        """One look at everything."""
        if time.monotonic() - self._looked > LOOK:
            self._looked = time.monotonic()
            self.hire()
            # A word each time, so that silence means something.
            self.say(workers=len(self.workers))
            if self.waiting and not self.workers and self.without:
                self.say(error=f"No machine of the cluster could begin: {next(iter(self.without.values()))}")
        for worker in self.workers:
            while worker.machine and self.waiting and len(worker.parts) < AHEAD:
                self.give(worker, self.waiting.popleft())
        promised = {w.loading: w for w in self.workers if not w.machine}
        promised |= {ref: w for w in self.workers for ref in w.parts}
        if not promised:
            time.sleep(0.1)
            return
        ready, _ = ray.wait(list(promised), num_returns=1, timeout=0.2)
        for ref in ready:
            if promised[ref] in self.workers:
                self.take(promised[ref], ref)

    def hire(self) -> None:
        """A worker for each place that has none, as long as there is work that nobody has."""
        alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        gpus = any(node["Resources"].get("GPU", 0) for node in alive)
        nodes = [node for node in alive if node["NodeID"] not in self.without]
        # Ray knows methods of what it makes of a class; a checker of types does not.
        remote: Any = ray.remote(Hand)
        need = len(self.waiting) - sum(1 for worker in self.workers if not worker.machine)
        for node in nodes:
            name, has = node["NodeID"], node["Resources"]
            places = int(has.get("GPU", 0) / self.spec["gpus"] + 1e-6) if gpus else int(has.get("CPU", 0) >= 1)
            free = places - sum(worker.node == name for worker in self.workers)
            for _ in range(min(free, need)):
                threads = max(1, int(has.get("CPU", 1)) // max(places, 1))
                actor = remote.options(
                    num_cpus=1,
                    num_gpus=self.spec["gpus"] if gpus else 0,
                    # A worker is not started anew, nor a part, but by us: `lose` counts it.
                    max_restarts=0,
                    max_task_retries=0,
                    scheduling_strategy=NodeAffinitySchedulingStrategy(name, soft=False),
                ).remote(os.environ["DIFFING_HOME"], threads, gpus)
                loading = actor.load.remote(self.spec["work"], self.spec["told"])
                self.workers.append(Worker(name, actor, loading))
                need -= 1

    def give(self, worker: Worker, part: Given) -> None:
        part.begun += 1
        if not worker.parts:
            worker.since = time.monotonic()
        worker.parts[worker.actor.do.remote(part.what)] = part

    def take(self, worker: Worker, ref: Any) -> None:
        """What a worker has to say."""
        try:
            told = ray.get(ref)
        except RayActorError:
            # Also where it cannot be reached for a moment: nobody can tell the two apart, and a part that is done
            # twice is stored once.
            self.lose(worker)
            return
        except RayError as error:
            told = {"fault": str(error).splitlines()[0], "broken": True, "seconds": 0.0}
        if ref == worker.loading:
            if told["fault"]:
                self.without[worker.node] = told["fault"]
                self.lose(worker)
                return
            self.names[told["machine"]] = self.names.get(told["machine"], 0) + 1
            worker.name = f"{told['machine']}-{self.names[told['machine']]}"
            worker.machine, worker.device = told["machine"], told["device"]
            return
        part = worker.parts.pop(ref)
        worker.since = time.monotonic()
        if told["broken"] and part.begun < MOST:
            part.lost += told["seconds"]
            self.waiting.appendleft(part)
            self.lose(worker)
            return
        self.end(part, worker, told["result"], told["fault"], told["seconds"])
        if told["broken"]:
            self.lose(worker)

    def lose(self, worker: Worker) -> None:
        """A worker is no more; what it had goes to others."""
        self.workers.remove(worker)
        ray.kill(worker.actor, no_restart=True)
        for place, part in enumerate(worker.parts.values()):
            # The first was in hand; those behind it had not begun.
            if place:
                part.begun -= 1
            else:
                part.lost += time.monotonic() - worker.since
            if part.begun < MOST:
                self.waiting.appendleft(part)
            else:
                self.end(part, worker, {}, f"Its worker was lost {part.begun} times", 0.0)

    def end(self, part: Given, worker: Worker, result: dict[str, Any], fault: str, seconds: float) -> None:
        told: dict[str, Any] = {"key": part.key, "result": result, "fault": fault, "worker": worker.name}
        told |= {"machine": worker.machine, "device": worker.device, "seconds": seconds}
        self.say(**told, again=part.begun - 1, again_seconds=part.lost)


def main(pipe: BinaryIO) -> None:
    spec = json.loads(sys.stdin.readline())
    asked: queue.SimpleQueue[list[Any] | None] = queue.SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            asked.put(json.loads(line)["parts"])
        # Whoever wanted it is done, or dead.
        asked.put(None)

    threading.Thread(target=listen, daemon=True).start()
    how: dict[str, Any] = (
        {"address": spec["address"]}
        if spec["address"]
        else {
            # Of our own, whatever else runs here. Keys and paths are all that it ever holds: 80 MB are its least.
            "address": "local",
            "include_dashboard": False,
            "object_store_memory": 80 * 2**20,
        }
    )
    conductor = Conductor(spec, pipe)
    try:
        ray.init(**how, log_to_driver=False, configure_logging=False, namespace="checkpoint-diffing")
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, AssertionError) as error:
        where = spec["address"] or "this machine"
        first = " ".join(str(error).split())[:300]
        conductor.say(error=f"Ray cannot be used at {where} ({first}); run this on a machine of that cluster.")
        return
    try:
        while True:
            try:
                parts = asked.get_nowait()
            except queue.Empty:
                conductor.turn()
                continue
            if parts is None:
                return
            conductor.waiting.extend(Given(key, what) for key, what in parts)
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main(os.fdopen(int(sys.argv[1]), "wb"))
