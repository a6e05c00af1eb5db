"""What makes a variant of a base: an adapter on the same weights, a second model, or nothing at all.

A change is applied for a block of code at a dose (`doses`), and nothing is left of it behind. Promises that the
base's own weights are never written to, and that α = 1 everywhere is the variant as its files hold it, α = 0 the
base, both to the bit. In between the arithmetic is float32, rounded once to the model's numbers. A change that
does not grow with α (DoRA, modules trained as a whole) is refused at any other α.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from diffing.common.errors import UserError
from diffing.models.whole import Whole
from diffing.whitebox.pairs import adapters
from diffing.whitebox.pairs.adapters import Adapter
from diffing.whitebox.pairs.doses import Dose, block_of


class Factors(NamedTuple):
    """A change of one matrix as a product: high @ low, times the scale."""

    low: Tensor
    high: Tensor
    scale: float


Delta = Tensor | Factors
"""A change of one tensor; factors where it has few dimensions."""


class Change(Protocol):
    """What a pair does to its base."""

    @property
    def identity(self) -> Any:
        """All that changes a number, as JSON."""

    @property
    def paths(self) -> Sequence[str]:
        """Modules or tensors that it touches, as the model calls them."""

    @property
    def heads(self) -> bool:
        """Whether the unembedding's part is another one."""

    def on(self, dose: Dose) -> AbstractContextManager[Whole]: ...

    def deltas(self) -> Iterator[tuple[str, Delta]]:
        """ΔW, tensor by tensor."""


class Nothing:
    """The same weights twice: whatever is found in it is the method's own."""

    identity = "nothing"
    paths = ()
    heads = False

    def __init__(self, whole: Whole) -> None:
        self.whole = whole

    @contextmanager
    def on(self, _dose: Dose) -> Iterator[Whole]:
        yield self.whole

    def deltas(self) -> Iterator[tuple[str, Delta]]:
        return iter(())


class OfAdapter:
    """A low-rank adapter that stands on the base."""

    def __init__(self, whole: Whole, adapter: Adapter, handle: str, identity: Any = None) -> None:
        self.whole = whole
        self.adapter = adapter
        self.handle = handle
        self.identity = identity or (list(adapter.hashes) or adapter.name)
        self.paths = tuple(sorted({name.split(".lora_")[0] for name in adapter.tensors}))
        # A head may be tied to the embedding; what lies in a block is neither.
        self.heads = any(block_of(path) is None for path in self.paths)

    @contextmanager
    def on(self, dose: Dose) -> Iterator[Whole]:
        dose.check(self.paths)
        if not self.adapter.linear and {dose.of(path) for path in self.paths} - {0.0, 1.0}:
            raise UserError(
                f"Adapter '{self.adapter.name}' does not grow with α (DoRA, or a module trained as a whole); "
                "use α 0 or 1."
            )
        if not any(dose.of(path) for path in self.paths):
            yield self.whole
            return
        with adapters.on(self.whole, self.handle, dose):
            yield self.whole

    def deltas(self) -> Iterator[tuple[str, Delta]]:
        for path, module in adapters.parts(self.whole, self.handle).items():
            if self.handle in module.lora_A:
                low, high = module.lora_A[self.handle].weight, module.lora_B[self.handle].weight
            else:
                # An embedding's factors lie the other way round: rows of tokens first.
                low, high = module.lora_embedding_A[self.handle], module.lora_embedding_B[self.handle]
            yield path, Factors(low.detach(), high.detach(), float(module.scaling[self.handle]))


class OfModel:
    """A second model, or the base with other deltas than that model's."""

    heads = True

    def __init__(
        self, base: Whole, variant: Whole, identity: Any, instead: Mapping[str, Tensor] | None = None
    ) -> None:
        self.base = base
        self.variant = variant
        self.identity = identity
        self.instead = instead
        """ΔW by tensor, instead of the variant's own."""
        self._blend: tuple[Dose, Whole] | None = None
        named = variant.causal.named_parameters()
        self.paths = tuple(name for name, tensor in named if self._differs(name, tensor))

    def _differs(self, name: str, tensor: Tensor) -> bool:
        if self.instead is not None:
            return name in self.instead
        before = self._before(name, tensor)
        return tensor.shape != self._plain[name].shape or not torch.equal(before, tensor)

    @property
    def _plain(self) -> dict[str, Tensor]:
        """The base's tensors under their own names, whatever adapters stand on it."""
        named = self.base.causal.named_parameters()
        return {name.replace(".base_layer.", "."): tensor for name, tensor in named if ".lora_" not in name}

    def _before(self, name: str, tensor: Tensor) -> Tensor:
        """What the base has in a tensor's place; rows of tokens that it does not know stay the variant's."""
        base = self._plain[name].to(tensor.device)
        return base if base.shape == tensor.shape else fitted(base, tensor)

    @contextmanager
    def on(self, dose: Dose) -> Iterator[Whole]:
        dose.check(self.paths)
        strengths = {dose.of(path) for path in self.paths}
        if strengths == {1.0} and self.instead is None:
            yield self.variant
        elif strengths <= {0.0}:
            yield self.base
        else:
            if self._blend is None or self._blend[0] != dose:
                # The one before goes first: three models are enough.
                self._blend = None
                self._blend = (dose, self._blended(dose))
            yield self._blend[1]

    def _blended(self, dose: Dose) -> Whole:
        made = Whole(copy.deepcopy(self.variant.causal))
        with torch.inference_mode():
            for name, tensor in made.causal.named_parameters():
                strength = dose.of(name)
                before = self._before(name, tensor)
                if name not in self.paths or not strength:
                    tensor.copy_(before)
                elif strength != 1 or self.instead is not None:
                    tensor.copy_(before.float() + strength * self._delta(name, tensor, before).to(tensor.device))
        return made

    def _delta(self, name: str, tensor: Tensor, before: Tensor) -> Tensor:
        return tensor.float() - before.float() if self.instead is None else self.instead[name]

    def deltas(self) -> Iterator[tuple[str, Delta]]:
        named = dict(self.variant.causal.named_parameters())
        for name in self.paths:
            tensor = named[name].detach()
            yield name, self._delta(name, tensor, self._before(name, tensor).detach())

    def free(self) -> None:
        """Let go of the third model that amplifying made."""
        self._blend = None


def fitted(base: Tensor, tensor: Tensor) -> Tensor:
    """The base's rows on the variant's shape, where one of the two knows more tokens."""
    rows = min(len(base), len(tensor))
    out = tensor.detach().clone()
    out[:rows] = base[:rows]
    return out
