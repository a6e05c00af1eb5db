"""Encoding on several GPUs of one machine: a process each, with a reader of its own.

The answers are dealt out by length, so that all processes have the same to do; each writes a shard of its own
into the one cache. A process that dies ends the run with an error, and what it stored stays. Does not promise the
batches that one GPU would have: the deal changes an answer's company, and so the last bits.
"""

import logging
import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple, Self

from diffing.common.arrays import Array
from diffing.common.errors import Cancelled, UserError
from diffing.reader import keeping
from diffing.reader.batches import Task
from diffing.reader.cache import Cache
from diffing.reader.encoder import Encoder, Told
from diffing.reader.passes import ReaderLike

logger = logging.getLogger(__name__)


class Ready(NamedTuple):
    """A worker's reader is loaded."""

    key: str
    n_features: int


class Stored(NamedTuple):
    """Characters seen to so far, and in all, of one worker's share, and the tokens that it stored."""

    done: int
    total: int
    tokens: int


class Finished(NamedTuple):
    errors: dict[str, str]


class Failed(NamedTuple):
    """A worker's end by an error; `user` where the user can put it right."""

    message: str
    user: bool


class Fleet:
    """Worker processes with loaded readers; a context manager that ends them."""

    def __init__(
        self, load: Callable[[str], ReaderLike], devices: Sequence[str], budget: int | None = None
    ) -> None:
        """Start loading; `load` makes the reader for a device and must be picklable."""
        # A fork would share this process's hold on CUDA, which CUDA refuses.
        context = multiprocessing.get_context("spawn")
        self.devices = list(devices)
        self.connections: list[Connection] = []
        self.processes = []
        for device in self.devices:
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(load, device, budget, theirs), daemon=True)
            process.start()
            # Only the worker may hold its end, so that its death closes the pipe.
            theirs.close()
            self.connections.append(ours)
            self.processes.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self.connections:
            connection.close()
        for process in self.processes:
            # A closed pipe ends a worker after the batch in hand; ten seconds are long for one.
            process.join(timeout=10)
            if process.is_alive():
                process.terminate()
                process.join()

    def ready(self, check: Callable[[], None] = lambda: None) -> Ready:
        """Wait until every reader is loaded; `check` raises where the run is to end."""
        for connection in self.connections:
            # Loading takes up to minutes; a wish to stop is heard within half a second, as in `run`.
            while not connection.poll(0.5):
                check()
        # All have the same reader, so the first one's word stands for every one.
        answers = [self._receive(worker) for worker in range(len(self.devices))]
        if not isinstance(answers[0], Ready):
            raise RuntimeError(f"A worker began with {answers[0]!r}")
        return answers[0]

    def run(
        self, tasks: Sequence[Task], tell: Told, check: Callable[[], None], floor: Array | None = None
    ) -> dict[str, str]:
        """Encode the tasks, under a floor their summaries; returns the reason for each that failed, by key."""
        # Dealt like cards, the longest first, so that no share is much longer than another.
        unique = sorted({task.key: task for task in tasks}.values(), key=lambda t: (-len(t.text), t.key))
        count = len(self.devices)
        for worker, connection in enumerate(self.connections):
            connection.send((unique[worker::count], floor))
        shares: dict[int, Stored] = {}
        errors: dict[str, str] = {}
        running = set(range(count))
        while running:
            try:
                check()
            except Cancelled:
                for worker in running:
                    self.connections[worker].send("stop")
                raise
            for readable in wait([self.connections[worker] for worker in running], timeout=0.5):
                worker = next(w for w in running if self.connections[w] is readable)
                answer = self._receive(worker)
                if isinstance(answer, Stored):
                    shares[worker] = answer
                    # Before the last worker has said how much it has to do, nobody knows the total.
                    if len(shares) == count:
                        tell(*(sum(column) for column in zip(*shares.values(), strict=True)))
                elif isinstance(answer, Finished):
                    errors |= answer.errors
                    running.discard(worker)
        return errors

    def _receive(self, worker: int) -> Any:
        try:
            answer = self.connections[worker].recv()
        except EOFError as error:
            # Its end of the pipe closes a moment before the process has an exit code to name.
            self.processes[worker].join(timeout=10)
            raise RuntimeError(
                f"The worker of {self.devices[worker]} died (exit code {self.processes[worker].exitcode}); "
                "what it stored stays, and another run goes on from there"
            ) from error
        if isinstance(answer, Failed):
            raise (UserError if answer.user else RuntimeError)(answer.message)
        return answer


def serve(load: Callable[[str], ReaderLike], device: str, budget: int | None, parent: Connection) -> None:
    """A worker's life: load the reader, then encode each list of tasks that comes, until the pipe closes."""

    def tell(done: int, total: int, tokens: int) -> None:
        parent.send(Stored(done, total, tokens))

    def check() -> None:
        # While it encodes, a worker is sent nothing but the wish to stop.
        if parent.poll():
            raise Cancelled

    try:
        reader = load(device)
        cache = Cache(reader.key, reader.n_features)
        parent.send(Ready(reader.key, reader.n_features))
        while True:
            tasks, floor = parent.recv()
            encoder = Encoder(reader, keeping.store(cache, floor), budget)
            parent.send(Finished(encoder.run(tasks, tell, check)))
    except (EOFError, BrokenPipeError, Cancelled):
        # The parent has ended or asked to stop; everything computed is stored.
        return
    except UserError as error:
        parent.send(Failed(str(error), user=True))
    except Exception as error:
        logger.exception("The worker of %s failed", device)
        parent.send(Failed(f"The worker of {device} failed: {type(error).__name__}: {error}", user=False))
