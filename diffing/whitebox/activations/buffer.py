"""Rows of activations that wait for their turn, on one device and in memory that was set aside at once.

Promises that no more rows are held than were planned, and that what goes out is copied, so that its place may be
taken. In which order is the plan's to say.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from diffing.common.arrays import Ints
from diffing.whitebox.activations.plan import STEPS, Plan
from diffing.whitebox.activations.several import Reading
from diffing.whitebox.activations.source import Block, Source


class Rows(NamedTuple):
    """Rows that flowed, and where they come from."""

    document: Ints
    """Place in the corpus."""
    position: Ints
    values: Tensor
    """[rows, layers, sides, width], the base first."""


class Buffer:
    """A portion's rows take whatever places are free."""

    def __init__(self, source: Source, plan: Plan, device: torch.device, check: Callable[[], None]) -> None:
        self.source = source
        self.plan = plan
        self.check = check
        shape = (plan.most, len(source.layers), 2, source.width)
        self.values = torch.empty(shape, dtype=source.dtype, device=device)
        self.document: Ints = np.zeros(plan.most, np.int64)
        self.position: Ints = np.zeros(plan.most, np.int64)
        self.free: Ints = np.arange(plan.most)
        self.places: dict[int, Ints] = {}
        """Where each portion's rows lie; -1 for those that are gone."""
        self._sides: dict[torch.device, torch.cuda.Stream] = {}
        """On each GPU a stream for what goes from one to another."""
        self.begun: dict[int, Iterable[Block]] = {}
        """What is being read of portions that come."""

    def begin(self, number: int) -> None:
        """Have a portion read, as far as its source reads ahead."""
        if number < len(self.plan.portions) and number not in self.begun:
            self.begun[number] = self.source.read(self.plan.portions[number].documents.tolist(), self.check)

    def fill(self, number: int, step: int) -> None:
        """Read a portion's rows, but for those that went out before a step."""
        portion = self.plan.portions[number]
        stays = self.plan.dealt(number) >= step - number
        kept = int(stays.sum())
        places: Ints = np.full(portion.rows, -1)
        places[stays], self.free = self.free[:kept], self.free[kept:]
        self.places[number] = places
        starts: Ints = np.zeros(len(self.source.corpus), np.int64)
        starts[portion.documents] = portion.starts
        self.begin(number)
        for block in self.begun.pop(number):
            self._put(block, starts, places)

    def _put(self, block: Block, starts: Ints, places: Ints) -> None:
        document, position = block.document.numpy(), block.position.numpy()
        here = np.flatnonzero(self.plan.wanted[self.plan.offsets[document] + position])
        at = places[starts[document[here]] + self.plan.rank(document[here], position[here])]
        here, at = here[at >= 0], at[at >= 0]
        self.document[at], self.position[at] = document[here], position[here]
        rows = self._moved(block.values, torch.from_numpy(here))
        self.values[torch.from_numpy(at).to(self.values.device)] = rows

    def _moved(self, values: Tensor, here: Tensor) -> Tensor:
        """Some rows of a block, where the buffer is."""
        home = self.values.device
        if values.device == home or "cpu" in (values.device.type, home.type):
            return values[here.to(values.device)].to(home)
        # From one GPU to another. A copy waits for what both have in hand and has both wait for it: in streams of
        # its own it waits for nothing, since a block that came is computed.
        there, here_too = (self._side(device) for device in (values.device, home))
        with torch.cuda.stream(there), torch.cuda.stream(here_too):
            rows = values[here.to(values.device)].to(home, non_blocking=True)
        # Neither is to be given away before it is read.
        values.record_stream(there)
        usual = torch.cuda.current_stream(home)
        usual.wait_stream(here_too)
        rows.record_stream(usual)
        return rows

    def _side(self, device: torch.device) -> torch.cuda.Stream:
        if device not in self._sides:
            self._sides[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        return self._sides[device]

    def close(self) -> None:
        """Nothing more is wanted of what is being read."""
        for reading in self.begun.values():
            if isinstance(reading, Reading):
                reading.close()

    def going(self, step: int) -> Ints:
        """Places of what goes out at a step, in its order."""
        portions, rows = self.plan.going(step)
        places: Ints = np.zeros(len(rows), np.int64)
        for number in self.plan.last(step):
            mine = portions == number
            places[mine] = self.places[number][rows[mine]]
        return places

    def taken(self, places: Ints) -> Rows:
        """Copies of some rows."""
        values = self.values[torch.from_numpy(places).to(self.values.device)]
        return Rows(self.document[places], self.position[places], values)

    def let_go(self, step: int) -> None:
        """What went out at a step makes room."""
        for number in self.plan.last(step):
            gone = self.plan.dealt(number) == step - number
            self.free = np.concatenate([self.free, self.places[number][gone]])
        self.places.pop(step - STEPS + 1, None)
