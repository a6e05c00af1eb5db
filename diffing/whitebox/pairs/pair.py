"""Base and variant as one object: opened, checked, and run over the same batches.

An adapter shares the base's weights and is switched; two whole models lie side by side where there is room and
take turns where there is none. Promises that both models are given identical batches in the same number format,
that nothing above the highest layer wanted is computed, and that a variant which does nothing is one sentence
before any figure. One pair at a time may run on a base: a variant that is switched on is nobody else's. How a pair
is opened is in `opening`, which texts it reads in `texts`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from diffing.common import files
from diffing.common.errors import UserError
from diffing.models.whole import Seen, Whole
from diffing.whitebox.pairs.changes import Change, Nothing
from diffing.whitebox.pairs.doses import Dose, Group

VERSION = 1
"""Part of a pair's key: raised when the same pair would give other numbers."""

BUDGET = {"cpu": 4096, "cuda": 32_768}
"""Tokens of a batch: as `docs/performance.md` has it for a GPU; a CPU gains nothing beyond a few thousand."""
ROWS = 2048
"""Positions whose logits are there at once: 1 GB for each model at 128,000 tokens, in float32."""
HELD = 2**32
"""Bytes of both models' outputs that are there at once: a batch is cut smaller where many layers are wanted."""
TURN = 2**31
"""Bytes of the base's outputs that wait in the host's memory while the variant has its turn."""

TRIED = (
    "The train was late again, so we walked along the river instead.",
    "Question: what is the capital of Portugal? Answer:",
    "First, boil the water; second, add the rice; third, wait.",
    "def area(width, height):\n    return width * height\n",
    "She said that nothing had changed, and he did not believe her.",
    "1. Read the report.\n2. Write down what is missing.\n",
    "Dear Sir or Madam, I am writing about my order of last week.",
    "In 1987 the two towns were joined by a bridge.",
)
"""Texts of several kinds, on which a change that does anything is seen."""


class Batch(NamedTuple):
    """What both models gave for the same tokens: a row a token."""

    document: Tensor
    """Place of the token's document among those that were given."""
    position: Tensor
    ids: Tensor
    base: Seen
    variant: Seen


class Chunk(NamedTuple):
    """Next-token distributions after some rows of a batch, over the tokens that both models know."""

    rows: Tensor
    """Their places in the batch."""
    base: Tensor
    """Log-probabilities in float32: [rows, vocabulary]."""
    variant: Tensor
    base_outside: Tensor
    """Probability that the base gives to tokens that the variant does not know; taken out above."""
    variant_outside: Tensor


@dataclass(frozen=True)
class Pair:
    """Two sets of weights."""

    whole: Whole
    """The base; with its adapters on it, switched off."""
    change: Change
    tokenizer: PreTrainedTokenizerBase
    """The base's: both models are given its ids."""
    identity: Any
    """All of the base that changes a number, as JSON."""
    name: str
    written: str = ""
    """The base's source."""
    dose: Dose = Dose()
    apart: bool = False
    """Whether the two take turns on the device."""
    device: torch.device = torch.device("cpu")
    kind: str = "pair"
    """`pair`, or which null it is."""
    facts: dict[str, Any] = field(default_factory=dict, compare=False)
    """What the check found."""

    @property
    def key(self) -> str:
        """A hash of all that changes a number."""
        dose = [self.dose.alpha, [list(group) for group in self.dose.groups]]
        numbers = [str(self.whole.dtype), self.device.type]
        return files.content_hash([VERSION, self.identity, self.change.identity, dose, numbers])

    @property
    def layers(self) -> int:
        return self.whole.layers

    @contextmanager
    def base(self) -> Iterator[Whole]:
        """The base, for the block."""
        if self.whole.lit:
            raise RuntimeError("a variant is switched on")
        with self._turn(self.whole):
            yield self.whole

    @contextmanager
    def variant(self, alpha: float = 1.0, groups: Sequence[Group] | None = None) -> Iterator[Whole]:
        """The variant at a strength, for the block, whatever strength the pair itself has.

        `alpha` is for all modules that no group holds. 0 is the base to the bit, 1 the variant as it is.
        """
        dose = Dose(alpha, tuple(groups or ()))
        with self.change.on(dose) as whole, self._turn(whole):
            yield whole

    def at(self, alpha: float, groups: Sequence[Group] = ()) -> "Pair":
        """The same pair with its change made larger, smaller or partial."""
        dose = Dose(alpha, tuple(groups))
        dose.check(self.change.paths)
        return replace(self, dose=dose)

    def beside(self, change: Change, kind: str, name: str) -> "Pair":
        """Another variant of the same base."""
        return replace(self, change=change, kind=kind, name=name, dose=Dose(), facts={})

    @contextmanager
    def _turn(self, whole: Whole) -> Iterator[None]:
        """Room on the device for one of two that take turns."""
        if self.apart:
            whole.moved(self.device)
        try:
            yield
        finally:
            if self.apart:
                whole.moved(torch.device("cpu"))

    def run(
        self,
        ids: Sequence[Sequence[int]],
        layers: Sequence[int] = (),
        logits: bool = False,
        check: Callable[[], None] = lambda: None,
    ) -> Iterator[Batch]:
        """Both models over the same batches, short texts first; `check` may raise between two of them.

        What does not fit the memory is tried in halves, by both models.
        """
        row = int(self.whole.config.hidden_size) * (len(layers) + logits) * self.whole.dtype.itemsize
        budget = min(BUDGET[self.device.type], HELD // (2 * max(1, row)))
        waiting = self._groups(batches([len(text) for text in ids], budget), ids, row)[::-1]
        while waiting:
            check()
            group = waiting.pop()
            try:
                with self.base() as whole:
                    before = [self._seen(whole, ids, batch, layers, logits) for batch in group]
                with self.variant(self.dose.alpha, self.dose.groups) as whole:
                    after = [self._seen(whole, ids, batch, layers, logits) for batch in group]
            except torch.OutOfMemoryError as error:
                if max(map(len, group)) == 1:
                    longest = max(len(ids[n]) for batch in group for n in batch)
                    raise UserError(
                        f"A text of {longest:,} tokens does not fit the memory here; cut it shorter."
                    ) from error
                waiting += [[half] for batch in group[::-1] for half in halves(batch)]
                continue
            # Nothing is switched on while the caller has the batch.
            for batch, base, variant in zip(group, before, after, strict=True):
                yield Batch(*places(ids, batch), base, variant)

    def _groups(self, cut: list[list[int]], ids: Sequence[Sequence[int]], row: int) -> list[list[list[int]]]:
        """Batches between two turns: one where both models are there, else what the host may keep meanwhile."""
        if not self.apart:
            return [[batch] for batch in cut]
        groups: list[list[list[int]]] = []
        held = TURN
        for batch in cut:
            needed = sum(len(ids[n]) for n in batch) * row
            if held + needed > TURN:
                groups.append([])
                held = 0
            groups[-1].append(batch)
            held += needed
        return groups

    def _seen(
        self, whole: Whole, ids: Sequence[Sequence[int]], batch: list[int], layers: Sequence[int], logits: bool
    ) -> Seen:
        seen = whole([ids[n] for n in batch], layers, logits)
        if not self.apart:
            return seen
        hidden = {layer: rows.cpu() for layer, rows in seen.hidden.items()}
        return Seen(hidden, None if seen.last is None else seen.last.cpu())

    def log_probs(self, batch: Batch, counted: Tensor | None = None, rows: int = ROWS) -> Iterator[Chunk]:
        """Both models' next-token distributions, so many rows at a time; of the rows that count, where told."""
        if batch.base.last is None or batch.variant.last is None:
            raise RuntimeError("the pass was made without logits")
        wanted = torch.arange(len(batch.ids)) if counted is None else counted.nonzero()[:, 0]
        for part in torch.split(wanted, rows) if len(wanted) else ():
            here = part.to(batch.base.last.device, non_blocking=True)
            base = self.whole.logits(batch.base.last[here])
            if self.change.heads:
                with self.change.on(self.dose) as whole:
                    variant = whole.logits(batch.variant.last[here])
            else:
                variant = self.whole.logits(batch.variant.last[here])
            common = min(base.shape[1], variant.shape[1])
            (b, b_out), (v, v_out) = shared(base, common), shared(variant, common)
            yield Chunk(part, b, v, b_out, v_out)

    def check(self) -> dict[str, Any]:
        """The canary: what the change does on a few texts along this very path, and what doing nothing does.

        Raises where the same weights differ from themselves, and where the variant does not differ at all.
        """
        ids = [encode(self.tokenizer, text)[: self.whole.window] for text in TRIED]
        moved = self._apart_by(self, ids)
        twice = self._apart_by(self.beside(Nothing(self.whole), "same", self.name), ids)
        if twice:
            raise UserError(
                f"The base of '{self.name}' gives other numbers when it is run again (by {twice:.3g}); use "
                "another device or number format."
            )
        if not moved:
            raise UserError(
                f"The variant of '{self.name}' changes nothing: all numbers are the base's; check that it is the "
                "right one."
            )
        return {"moved": moved, "floor": self._floor(ids), "modules": len(self.change.paths)}

    @staticmethod
    def _apart_by(pair: "Pair", ids: list[list[int]]) -> float:
        """Mean absolute difference of log-probabilities."""
        total, count = 0.0, 0
        for batch in pair.run(ids, logits=True):
            for chunk in pair.log_probs(batch):
                # Both may give no chance at all to a token, and nothing less nothing is no number.
                gap = (chunk.variant - chunk.base).abs().nan_to_num()
                total, count = total + float(gap.double().sum()), count + gap.numel()
        return total / count

    def _floor(self, ids: list[list[int]]) -> float:
        """What a text's company in its batch does to the base's log-probabilities; identical batches avoid it."""
        with self.base() as whole:
            together = whole(ids, logits=True).last
            alone = whole(ids[:1], logits=True).last
            if together is None or alone is None:
                raise RuntimeError("the pass was made with logits")
            gap = whole.logits(together[: len(ids[0])]).log_softmax(-1) - whole.logits(alone).log_softmax(-1)
        return float(gap.abs().mean())


def shared(logits: Tensor, common: int) -> tuple[Tensor, Tensor]:
    """Log-probabilities over the first tokens, and the probability of the others."""
    whole = logits.log_softmax(-1)
    if logits.shape[1] == common:
        return whole, whole.new_zeros(len(whole))
    kept = whole[:, :common]
    inside = kept.logsumexp(-1)
    return kept - inside[:, None], -torch.expm1(inside)


def batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Texts by length, in batches that hold at most the budget when padded; a longer text goes alone."""
    cut: list[list[int]] = []
    for n in sorted(range(len(lengths)), key=lambda n: lengths[n]):
        # Sorted, so that this one is the longest so far.
        if not cut or (len(cut[-1]) + 1) * lengths[n] > budget:
            cut.append([])
        cut[-1].append(n)
    return cut


def halves(batch: list[int]) -> list[list[int]]:
    """A batch in two, the later one first; one text alone stays as it is."""
    middle = len(batch) // 2
    return [part for part in (batch[middle:], batch[:middle]) if part]


def places(ids: Sequence[Sequence[int]], batch: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Document, position and id of each row."""
    lengths = [len(ids[n]) for n in batch]
    document = torch.from_numpy(np.repeat(batch, lengths))
    position = torch.from_numpy(np.concatenate([np.arange(length) for length in lengths]))
    return document, position, torch.tensor([token for n in batch for token in ids[n]])


def encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """A text's ids behind the token that begins a text, where there is one."""
    first = [] if tokenizer.bos_token_id is None else [int(tokenizer.bos_token_id)]
    return [*first, *tokenizer(text, add_special_tokens=False)["input_ids"]]
