"""Where paired activations come from: both truncated passes, document by document.

Promises rows of the base and the variant for the very same tokens, in the number format in which the models
compute, and a sentence where either gives a number that is none. The same documents asked for together give the
same bits again in one process; in other company they may differ in the last one.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from diffing.common.errors import UserError
from diffing.whitebox.activations.corpus import Corpus
from diffing.whitebox.pairs.pair import Pair

Check = Callable[[], None]
SIDES = ("base", "variant")


class Block(NamedTuple):
    """Activations of some tokens: a row a token."""

    document: Tensor
    """Place of the token's document in the corpus."""
    position: Tensor
    values: Tensor
    """[tokens, layers, sides, width]."""


class Source(Protocol):
    """What gives activations."""

    corpus: Corpus
    layers: tuple[int, ...]
    width: int
    dtype: torch.dtype
    device: torch.device
    """Where what it gives lies."""

    @property
    def key(self) -> str:
        """A hash of all that changes a number, the texts included."""

    def read(self, documents: Sequence[int], check: Check) -> Iterable[Block]:
        """All tokens of some documents, a document's own in their order."""


class Passes:
    """Both models' passes, no higher than the highest layer wanted."""

    def __init__(self, pair: Pair, corpus: Corpus, layers: Sequence[int]) -> None:
        if not layers:
            raise UserError("No layer is named to read activations from; name one.")
        self.pair = pair
        self.corpus = corpus
        self.layers = tuple(layers)
        self.width = int(pair.whole.config.hidden_size)
        self.dtype = pair.whole.dtype
        self.device = torch.device("cpu") if pair.apart else pair.device

    @property
    def key(self) -> str:
        return f"{self.pair.key} {self.corpus.key} {','.join(map(str, self.layers))}"

    def read(self, documents: Sequence[int], check: Check) -> Iterator[Block]:
        told = torch.tensor(documents)
        for batch in self.pair.run(self.corpus.rows(documents), self.layers, check=check):
            sides = [
                torch.stack([batch.base.hidden[layer], batch.variant.hidden[layer]], 1) for layer in self.layers
            ]
            block = Block(told[batch.document], batch.position, torch.stack(sides, 1))
            self._finite(block)
            yield block

    def _finite(self, block: Block) -> None:
        """Raise for the first number that is none: one of them ends whatever learns from it."""
        fit = block.values.isfinite().all(-1)
        if bool(fit.all()):
            return
        row, layer, side = (~fit).nonzero()[0].tolist()
        raise UserError(
            f"The {SIDES[side]} of '{self.pair.name}' gives a number that is none at layer {self.layers[layer]} "
            f"in text '{self.corpus.data.names[int(block.document[row])]}'; use another number format or leave "
            "that text out."
        )
