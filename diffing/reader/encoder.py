"""Answers through one reader on one device: read, batched, run, made sparse, stored.

Three things happen at once: one batch runs on the device, the one before it is made sparse and copied on a second
stream, and the one before that is written by a thread. Batches are cut from the whole list of answers, stored ones
too, so that a run resumed after a crash repeats the same arithmetic on the same batches; only the answers that are
missing from a batch are read in other company. Promises that an answer which was stored is not encoded again, that
one which fails costs no other, and that running out of memory halves the token budget and goes on. Does not
promise the last bits: company, threads and processor change those (`docs/method.md`, "What rounding changes").
"""

import logging
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from diffing.common.arrays import Array
from diffing.common.errors import Cancelled, UserError
from diffing.reader import passes
from diffing.reader.batches import Item, Task, by_length, cut, halves, kept_ids, together
from diffing.reader.compact import Compact, compact, encodings
from diffing.reader.passes import Part, ReaderLike
from diffing.reader.records import Encoding, Place

if TYPE_CHECKING:
    from diffing.models.tokens import Reading

logger = logging.getLogger(__name__)

BUDGETS = {"cuda": 32_768, "cpu": 1_024}
"""Tokens in a batch.

A GPU's products are at full speed with half as many (`docs/performance.md`), and this many still leave room beside
a large reader; on a CPU a small batch stays in its caches.
"""

AHEAD = 2
"""Forward passes that a GPU is given before the oldest is made sparse: it must never wait for the host."""

SMALLEST = 256
"""Token budget under which running out of memory is an error: a batch so small is no longer what fills it."""

T = TypeVar("T")


class Hooked(NamedTuple):
    """A batch whose forward passes are queued on the device."""

    parts: list[Part]
    ready: torch.cuda.Event | None
    """After which the parts are whole (None: they are already)."""


class Wrote(NamedTuple):
    """What a batch put into the cache."""

    characters: int
    tokens: int


class Told(Protocol):
    def __call__(self, done: int, total: int, tokens: int, /) -> None:
        """Takes characters of answers seen to by this run, of how many, and tokens stored.

        Characters, because how many tokens there will be is known only when the last answer is read.
        """


class Writing(Protocol):
    """Takes records of (key, fed tokens, encoding), all or none."""

    def add(self, records: Sequence[tuple[str, int, Encoding]]) -> None: ...


class Store(Protocol):
    """Where records go and are found again: a cache, or what a worker of a share puts aside."""

    def find(self, keys: Iterable[str]) -> dict[str, Place]: ...
    def writer(self) -> AbstractContextManager[Writing]: ...


class Encoder:
    """Encodes tasks with one loaded reader; not for use by two threads at once."""

    def __init__(self, reader: ReaderLike, cache: Store, budget: int | None = None) -> None:
        self.reader, self.cache = reader, cache
        self.budget = budget or BUDGETS.get(reader.device.type, BUDGETS["cpu"])
        self.cut = self.budget
        """Batches are cut by this even after memory ran out once, so that they stay the same."""
        # The second stream comes first (-1): its kernels are short, and the host waits for them.
        self.side = (
            torch.cuda.Stream(reader.device, priority=-1)  # type: ignore[no-untyped-call]
            if reader.device.type == "cuda"
            else None
        )
        self.errors: dict[str, str] = {}
        """What went wrong, by task key."""
        self.tokens = self.done = self.total = 0
        """Of this run: tokens stored, characters of answers seen to, and of all that it has to see to."""

    def run(self, tasks: Sequence[Task], tell: Told, check: Callable[[], None]) -> dict[str, str]:
        """Encode and store what is not stored; returns the reason for each task that failed, by key."""
        unique = {task.key: task for task in tasks}
        # Longest first: what the memory does not hold is met at once, and the end has no straggler. Characters
        # stand in for tokens, which nobody has counted yet.
        ordered = sorted(unique.values(), key=lambda task: (-len(task.text), task.key))
        stored = self.cache.find(unique)
        self.errors, self.tokens, self.done = {}, 0, 0
        self.total = sum(len(task.text) for task in ordered if task.key not in stored)
        tell(0, self.total, 0)
        with ExitStack() as stack:
            # A thread that tokenises holds the interpreter for as long as this each time the GPU's own thread
            # comes back from queueing a kernel, of which it queues thousands a second. Python's own 5 ms would
            # leave the GPU idle; a fiftieth of that is still long beside what a switch costs.
            stack.callback(sys.setswitchinterval, sys.getswitchinterval())
            sys.setswitchinterval(1e-4)
            # Left the last one first: the last write ends before the shard is let go.
            writer = stack.enter_context(self.cache.writer())
            writing = stack.enter_context(ThreadPoolExecutor(1, "write"))
            reading = stack.enter_context(ThreadPoolExecutor(1, "read"))
            items = self._read(ordered, stored, reading)
            self._work(self._batches(items), writer, writing, tell, check)
        return self.errors

    def one(self, reading: "Reading") -> Encoding | str:
        """The encoding of a single reading, or what is wrong with it; nothing is stored."""
        item = Item(Task("", [], ""), sum(len(window.ids) for window in reading.windows), reading)
        return passes.alone(self.reader, item, self.budget, self._to_device)

    # Reading ahead, and cutting batches.

    def _read(
        self, tasks: Sequence[Task], stored: dict[str, Place], pool: ThreadPoolExecutor
    ) -> Iterator[list[Item]]:
        def read(chunk: Sequence[Task]) -> list[Item | str]:
            return [
                Item(task, stored[task.key].fed, None) if task.key in stored else self._read_one(task)
                for task in chunk
            ]

        chunks = together(tasks)
        # Three chunks ahead: the device never waits for one, and no more readings than these fill the memory.
        ahead = deque((chunk, pool.submit(read, chunk)) for chunk in islice(chunks, 3))
        try:
            while ahead:
                chunk, future = ahead.popleft()
                ahead.extend((following, pool.submit(read, following)) for following in islice(chunks, 1))
                items = []
                for task, item in zip(chunk, future.result(), strict=True):
                    if isinstance(item, str):
                        self._fail(task, item)
                        self.done += len(task.text)
                    else:
                        items.append(item)
                yield items
        finally:
            for _, future in ahead:
                future.cancel()

    def _read_one(self, task: Task) -> "Item | str":
        try:
            reading = self.reader.read(task.messages, task.text)
        except UserError as error:
            return str(error)
        # A tokenizer's fault on one text is told with that text, and the others go on.
        except Exception as error:
            logger.warning("An answer could not be read", exc_info=True)
            return f"The answer could not be read: {type(error).__name__}: {error}"
        if not len(reading.spans):
            return "The reader sees no token of this answer."
        return Item(task, sum(len(window.ids) for window in reading.windows), reading)

    def _batches(self, chunks: Iterator[list[Item]]) -> Iterator[list[Item]]:
        """Batches of answers that are not stored yet, cut as if none were."""
        rest: list[Item] = []
        for batch in cut(chunks, self.cut):
            missing = [item for item in batch if item.reading is not None]
            if len(missing) == len(batch):
                yield batch
            else:
                # Strays among stored answers are run together, not each with a batch's overhead.
                rest += missing
        yield from cut([sorted(rest, key=by_length)], self.cut)

    # Running, making sparse, writing.

    def _work(
        self,
        batches: Iterator[list[Item]],
        writer: Writing,
        writing: ThreadPoolExecutor,
        tell: Told,
        check: Callable[[], None],
    ) -> None:
        waiting: deque[list[Item]] = deque()
        pending: deque[tuple[list[Item], Hooked]] = deque()
        writes: deque[Future[Wrote]] = deque()

        def count(write: Future[Wrote]) -> None:
            wrote = write.result()
            self.done, self.tokens = self.done + wrote.characters, self.tokens + wrote.tokens

        def written(write: Future[Wrote]) -> None:
            writes.append(write)
            # At most two wait for the disk: each holds a batch's triples in memory.
            while writes and (len(writes) > 2 or writes[0].done()):
                count(writes.popleft())
                tell(self.done, self.total, self.tokens)

        def finish(left: int = 0) -> None:
            """Make sparse and hand to the writer all but the youngest batches."""
            while len(pending) > left:
                batch, hooked = pending.popleft()
                sparse = self._attempt(batch, waiting, partial(self._sparse, hooked, len(batch)))
                if sparse is not None:
                    written(writing.submit(self._store, writer, batch, sparse))

        try:
            while True:
                check()
                if not waiting and (following := next(batches, None)) is not None:
                    waiting.append(following)
                if not waiting:
                    # The last ones may fail yet, and put what is to be tried again back among the waiting.
                    finish()
                    if not waiting:
                        break
                    continue
                batch = self._unstored(waiting.popleft())
                if not batch:
                    continue
                # Cut by the budget that was asked for; after memory ran out it is run in parts.
                if len(batch) > 1 and sum(item.fed for item in batch) > self.budget:
                    waiting.extendleft(reversed(halves(batch)))
                    continue
                if batch[0].fed > self.budget:
                    # Longer than a batch: all its passes at once would fill any memory.
                    finish()
                    alone = partial(passes.alone, self.reader, batch[0], self.budget, self._to_device, check)
                    encoded = self._attempt(batch, waiting, alone)
                    if encoded is not None:
                        written(writing.submit(self._write, writer, batch, [encoded]))
                    continue
                hooked = self._attempt(batch, waiting, partial(self._forward, batch), before=finish)
                if hooked is not None:
                    pending.append((batch, hooked))
                # Without a device of its own to keep busy, waiting would only hold memory.
                finish(0 if self.side is None else AHEAD)
        finally:
            # Stopped or failed: what has been computed is stored all the same.
            finish()
            for write in writes:
                count(write)
            tell(self.done, self.total, self.tokens)

    def _unstored(self, batch: list[Item]) -> list[Item]:
        """What another process has not stored in the meantime."""
        stored = self.cache.find(item.task.key for item in batch)
        self.done += sum(len(item.task.text) for item in batch if item.task.key in stored)
        return [item for item in batch if item.task.key not in stored]

    def _attempt(
        self,
        batch: list[Item],
        waiting: deque[list[Item]],
        step: Callable[[], T],
        before: Callable[[], None] = lambda: None,
    ) -> T | None:
        """The step's result; None where it failed and the batch was split to be tried again, or given up."""
        try:
            return step()
        except torch.OutOfMemoryError as error:
            fault = error
        except (torch.AcceleratorError, Cancelled):
            # The device is lost: every further answer would fail for the same reason.
            raise
        except Exception as error:
            logger.warning("A batch of %d answers failed", len(batch), exc_info=True)
            # One of them is to blame, and nothing says which: each is tried alone.
            if len(batch) == 1:
                self._fail(batch[0].task, f"The reader failed on this answer: {type(error).__name__}: {error}")
                self.done += len(batch[0].task.text)
            else:
                waiting.extendleft([item] for item in reversed(batch))
            return None
        message = str(fault)
        # The traceback holds the tensors that filled the memory.
        del fault
        # Batches that run ahead hold memory too.
        before()
        if self.side is not None:
            torch.cuda.empty_cache()
        if self.budget <= SMALLEST:
            for item in batch:
                self._fail(item.task, f"The device's memory does not hold this answer: {message}")
                self.done += len(item.task.text)
        else:
            self.budget = max(self.budget // 2, SMALLEST)
            logger.warning("Out of memory: going on with %d tokens a batch", self.budget)
            waiting.appendleft(batch)
        return None

    def _forward(self, batch: list[Item]) -> Hooked:
        """Hook activations of the batch's answer tokens, in passes of at most the budget."""
        parts = list(passes.over(self.reader, batch, self.budget, self._to_device))
        ready = None if self.side is None else torch.cuda.Event()  # type: ignore[no-untyped-call]
        if ready is not None:
            ready.record(torch.cuda.current_stream(self.reader.device))
        return Hooked(parts, ready)

    def _to_device(self, array: Array) -> Tensor:
        tensor = torch.from_numpy(array)
        if self.side is None:
            return tensor
        return tensor.pin_memory().to(self.reader.device, non_blocking=True)

    def _sparse(self, hooked: Hooked, texts: int) -> Compact:
        with nullcontext() if self.side is None else torch.cuda.stream(self.side):
            if self.side is not None and hooked.ready is not None:
                # Only this batch: the next one is queued already, and shall run beside this.
                self.side.wait_event(hooked.ready)
            parts = hooked.parts
            triples, start = [], 0
            for part in parts:
                row, feature, value = self.reader.sparse(part.hidden)
                triples.append((row + start, feature, value))
                start += len(part.hidden)
            row, feature, value = (torch.cat(column) for column in zip(*triples, strict=True))
            text = torch.cat([part.text for part in parts])
            position = torch.cat([part.position for part in parts])
            return compact(row, feature, value, text, position, texts, self.reader.n_features)

    def _store(self, writer: Writing, batch: list[Item], sparse: Compact) -> Wrote:
        """Write the batch's encodings."""
        ids = [kept_ids(item) for item in batch]
        spans = [np.asarray(item.reading.spans, np.int32) for item in batch if item.reading is not None]
        return self._write(writer, batch, encodings(sparse, ids, spans))

    def _write(self, writer: Writing, batch: list[Item], encoded: list[Encoding | str]) -> Wrote:
        records = []
        for item, encoding in zip(batch, encoded, strict=True):
            if isinstance(encoding, str):
                self._fail(item.task, encoding)
            else:
                records.append((item.task.key, item.fed, encoding))
        writer.add(records)
        # One that failed has been seen to, as well.
        return Wrote(sum(len(item.task.text) for item in batch), sum(fed for _, fed, _ in records))

    def _fail(self, task: Task, reason: str) -> None:
        self.errors[task.key] = reason
