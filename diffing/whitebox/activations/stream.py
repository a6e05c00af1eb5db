"""Rows of both models, shuffled, as they flow into whatever learns from them; nothing of it lies on disk.

A buffer is filled by the source and given out at random, half of it at a time (`plan`). Promises that the same
seed gives the same order, whatever was killed in between, and that the buffer's memory is told beforehand and not
exceeded by more than one batch of the source. To go on after a kill, what is in the buffer is read again rather
than stored: a state is two numbers, and costs three half buffers of passes to go on from. Where both models are
on one device and whatever learns is on another, rows lie there.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from diffing.common import files
from diffing.common.errors import UserError
from diffing.common.step import Settings
from diffing.whitebox.activations.buffer import Buffer, Rows
from diffing.whitebox.activations.corpus import Role
from diffing.whitebox.activations.norms import NORMED, Norms, norms
from diffing.whitebox.activations.plan import Plan
from diffing.whitebox.activations.several import Several
from diffing.whitebox.activations.source import Source
from diffing.whitebox.pairs import room

VERSION = 1
"""Part of a state: raised when the same seed would give another order."""


class Options(Settings):
    """How rows flow."""

    batch: int = Field(default=2048, ge=1)
    """Rows that are given out at once; the last batch may have fewer."""
    buffer: int = Field(default=262_144, ge=2)
    """Rows among which those are drawn: a thousand documents of the usual length."""
    rounds: int = Field(default=1, ge=1)
    """How often all documents are read."""
    roles: tuple[Role, ...] = ("text",)
    """Which tokens flow."""
    normed: int = Field(default=NORMED, ge=1)
    """Tokens of text that the norms are made of."""
    seed: int = Field(default=0, ge=0)


class Memory(NamedTuple):
    """What a stream takes where its rows lie, in bytes."""

    buffer: int
    free: int
    device: str

    @property
    def told(self) -> str:
        return (
            f"Activations that wait take {self.buffer / room.GIB:.2f} GiB; {self.free / room.GIB:.1f} GiB are "
            f"free on {self.device}."
        )

    def check(self) -> None:
        if self.buffer > self.free * (1 - room.WORK):
            raise UserError(
                f"A buffer of activations takes {self.buffer / room.GIB:.1f} GiB on {self.device}, where "
                f"{self.free / room.GIB:.1f} GiB are free; choose a smaller buffer."
            )


class Stream:
    """Batches of paired activations; goes on where it stopped."""

    def __init__(
        self,
        source: Source,
        options: Options | None = None,
        device: torch.device | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`device`: where rows wait and are given out; the source's own unless told."""
        self.source = source
        self.options = options or Options()
        self.device = device or source.device
        self.check = check
        asked = self.options
        self.plan = Plan(source.corpus, asked.roles, asked.buffer, asked.rounds, asked.seed)
        self.given = 0
        """Rows given out so far."""
        self._norms: dict[Role, Norms] | None = None

    @property
    def rows(self) -> int:
        """Rows in all."""
        return self.plan.rows

    @property
    def key(self) -> str:
        """A hash of all that changes which rows come when, or a number in them."""
        asked = self.options
        return files.content_hash(
            [VERSION, self.source.key, list(asked.roles), asked.buffer, asked.rounds, asked.seed]
        )

    @property
    def memory(self) -> Memory:
        """What it will take, before anything is read."""
        # What several devices read ahead: two portions, each of half a buffer.
        ahead = self.options.buffer if isinstance(self.source, Several) else 0
        numbers = (self.plan.most + ahead) * len(self.source.layers) * 2 * self.source.width
        return Memory(numbers * self.source.dtype.itemsize, room.free(self.device), self.device.type)

    @property
    def norms(self) -> dict[Role, Norms]:
        """Of the first documents, by role; read when first asked for."""
        if self._norms is None:
            self._norms = norms(self.source, self.plan.order, self.options.normed, self.check)
        return self._norms

    def state(self) -> dict[str, Any]:
        """Where the stream stands; goes into a trainer's own file."""
        return {"stream": self.key, "rows": self.given}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on behind what had been given out by then."""
        if state.get("stream") != self.key:
            raise UserError(
                "The training that was interrupted read other activations (models, layers, texts, buffer or seed "
                "differ); take up its own settings or begin anew."
            )
        self.given = int(state["rows"])

    def __iter__(self) -> Iterator[Tensor]:
        """Batches of the only layer: [rows, sides, width], the base first."""
        if len(self.source.layers) != 1:
            raise UserError(
                f"Activations of {len(self.source.layers)} layers flow, and one is what is learnt from; name one."
            )
        return (batch.values[:, 0] for batch in self.batches())

    def batches(self) -> Generator[Rows, None, None]:
        """All layers' rows with their documents and positions."""
        self.memory.check()
        buffer = Buffer(self.source, self.plan, self.device, self.check)
        try:
            yield from self._flow(buffer)
        finally:
            buffer.close()

    def _flow(self, buffer: Buffer) -> Iterator[Rows]:
        begun = self.plan.step_of(self.given)
        held: list[Rows] = []
        for step in range(begun, self.plan.steps):
            for number in self.plan.last(step):
                # Of a stream that goes on, those too of which the buffer was full.
                if number == step or step == begun:
                    # The one behind it before it, so that no device waits for the last of a portion.
                    buffer.begin(number)
                    buffer.begin(number + 1)
                    buffer.fill(number, step)
            going = buffer.going(step)
            begin = self.given - int(self.plan.starts[step]) if step == begun else 0
            with self._giving():
                while begin < len(going):
                    end = min(len(going), begin + self.options.batch - sum(len(rows.document) for rows in held))
                    # Copied out where a batch goes on in the next step: its place is for the next portion.
                    held.append(buffer.taken(going[begin:end]))
                    begin = end
                    if sum(len(rows.document) for rows in held) == self.options.batch:
                        yield self._given(held)
                        held = []
            buffer.let_go(step)
        if held:
            yield self._given(held)

    def _giving(self) -> AbstractContextManager[None]:
        """A step in which its rows are used: a source that reads on this device too waits."""
        return self.source.giving(self.device) if isinstance(self.source, Several) else nullcontext()

    def _given(self, held: list[Rows]) -> Rows:
        rows = held[0]
        if len(held) > 1:
            document, position, values = zip(*held, strict=True)
            rows = Rows(np.concatenate(document), np.concatenate(position), torch.cat(values))
        # Before it is given: whoever asks for the state has the batch.
        self.given += len(rows.document)
        return rows
