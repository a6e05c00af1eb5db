"""Paired activations from copies of one pair on several devices, each taking the next texts as soon as it is free.

Documents are cut into shares of a fixed size whichever device reads them, so that on devices of one kind the same
documents asked for together give the same bits; against one device alone the last bit may differ, as a text's
company in a batch does. Reading begins when it is asked for and not when the first block is fetched: whoever asks
for the next documents early has them read while it works. A device on which somebody trains is theirs while they
hold it (`giving`), and reads on between. Promises blocks in the order of the documents' shares, and that the first
fault of any device is raised where the blocks are fetched.
"""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from diffing.whitebox.activations.corpus import Corpus
from diffing.whitebox.activations.source import Block, Check, Passes

SHARE = {"cpu": 4096, "cuda": 16_384}
"""Tokens that a device takes at once: few enough that none waits long for another, and as many as keep it busy."""
WAIT = 0.1
"""Seconds between two questions whether to stop, while nothing comes."""


class Reading:
    """Documents that were asked for together, and what came of them so far."""

    def __init__(self, shares: Sequence[Sequence[int]], check: Check, news: threading.Condition) -> None:
        self.shares = shares
        self.check = check
        self.news = news
        self.done: dict[int, list[Block]] = {}
        self.fault: Exception | None = None
        self.closed = False
        self.under_way = 0
        """Shares that some device is reading."""

    def __iter__(self) -> Iterator[Block]:
        try:
            for number in range(len(self.shares)):
                yield from self._blocks(number)
        finally:
            self.close()

    def _blocks(self, number: int) -> list[Block]:
        """A share's, once they are there."""
        with self.news:
            while number not in self.done and self.fault is None:
                self.news.wait(WAIT)
                self.check()
            if self.fault is not None:
                raise self.fault
            return self.done.pop(number)

    def close(self) -> None:
        """Nobody fetches what is left; behind it no device reads for this any more, and its pair is free."""
        with self.news:
            self.closed = True
            self.done.clear()
            self.news.wait_for(lambda: not self.under_way)


class Turns:
    """Whose a device is: a reader's for one share, or somebody's who trains on it and goes first."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.free = threading.Event()
        self.free.set()

    @contextmanager
    def reads(self) -> Iterator[None]:
        # A lock alone goes to whoever asks next, which is the thread that has just let go of it.
        self.free.wait()
        with self.lock:
            yield

    @contextmanager
    def trains(self) -> Iterator[None]:
        self.free.clear()
        try:
            with self.lock:
                yield
        finally:
            self.free.set()


class Several:
    """A source like `Passes`, over copies of one pair."""

    def __init__(self, passes: Sequence[Passes]) -> None:
        first = passes[0]
        if strange := [other for other in passes if other.key != first.key]:
            raise ValueError(f"{strange[0].pair.name} on {strange[0].pair.device} reads something else")
        self.passes = tuple(passes)
        self.corpus: Corpus = first.corpus
        self.layers = first.layers
        self.width = first.width
        self.dtype = first.dtype
        self.device = first.device
        self.share = SHARE[first.pair.device.type]
        self.turns = {each.pair.device: Turns() for each in passes}
        self.news = threading.Condition()
        self.waiting: deque[tuple[Reading, int]] = deque()
        """Shares in the order in which they were asked for."""
        self.threads: list[threading.Thread] = []

    @property
    def key(self) -> str:
        return f"{self.passes[0].key} shares of {self.share}"

    def read(self, documents: Sequence[int], check: Check) -> Reading:
        """All tokens of some documents; their reading begins now."""
        reading = Reading(self._cut(documents), check, self.news)
        with self.news:
            self.waiting.extend((reading, number) for number in range(len(reading.shares)))
            if not self.threads:
                self.threads = [
                    threading.Thread(
                        target=self._work, args=(each,), name=f"reads on {each.pair.device}", daemon=True
                    )
                    for each in self.passes
                ]
                for thread in self.threads:
                    thread.start()
            self.news.notify_all()
        return reading

    @contextmanager
    def giving(self, device: torch.device) -> Iterator[None]:
        """Whoever has rows given to a device works on it alone meanwhile, where it is one that reads."""
        turns = self.turns.get(device)
        if turns is None:
            yield
            return
        with turns.trains():
            yield

    def _cut(self, documents: Sequence[int]) -> list[list[int]]:
        lengths = self.corpus.lengths
        shares: list[list[int]] = []
        held = self.share
        for document in documents:
            if held >= self.share:
                shares.append([])
                held = 0
            shares[-1].append(document)
            held += int(lengths[document])
        return shares

    def _work(self, passes: Passes) -> None:
        """Read share after share on one device, as long as the program runs."""
        device = passes.pair.device
        turns = self.turns[device]
        if device.type == "cuda":
            # A thread begins on the first GPU, and kernels of other makers go to where it is.
            torch.cuda.set_device(device)
        while True:
            with self.news:
                while not self.waiting:
                    self.news.wait()
                reading, number = self.waiting.popleft()
                if reading.closed or reading.fault is not None:
                    continue
                reading.under_way += 1
            try:
                with turns.reads():
                    blocks = list(passes.read(reading.shares[number], lambda: None))
                    if device.type == "cuda":
                        # Else whoever trains here next would wait for all that was begun.
                        torch.cuda.synchronize(device)
            except Exception as fault:
                with self.news:
                    reading.fault = fault
                    reading.under_way -= 1
                    self.news.notify_all()
                continue
            with self.news:
                if not reading.closed:
                    reading.done[number] = blocks
                reading.under_way -= 1
                self.news.notify_all()
