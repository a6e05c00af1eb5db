"""The one shape that every method has, and where each of them is found.

A method is a module of `methods/` that holds what `Method` names. One that reads what both models give for the
texts takes it batch by batch from a pass that all such methods share (`Passing`); one that looks at weights or has
the models write works by itself (`Working`). Promises that a method's module is imported only when it is used, and
nothing of what a method finds: that is each one's own to say.
"""

import ast
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, cast

import pandas as pd

from diffing.common.errors import UserError
from diffing.common.step import Settings
from diffing.whitebox.results import Result
from diffing.whitebox.sight import evidence

if TYPE_CHECKING:
    from diffing.whitebox.pairs.pair import Batch, Chunk, Pair
    from diffing.whitebox.texts import Document

METHODS = {
    "perplexity": "diffing.whitebox.methods.perplexity",
    "contrastive": "diffing.whitebox.methods.contrastive",
    "divergence": "diffing.whitebox.methods.divergence",
    "amplification": "diffing.whitebox.methods.amplification",
    "mining": "diffing.whitebox.methods.mining",
    "activations": "diffing.whitebox.methods.activations",
    "pca": "diffing.whitebox.methods.pca",
    "weights": "diffing.whitebox.methods.weights",
    "lens": "diffing.whitebox.methods.lens",
}
"""Methods by name, those first that public benches found the most telling."""

Need = Literal["logits", "layers", "weights", "samples"]
Check = Callable[[], None]


class Cost(NamedTuple):
    """What a method takes on one pair or one null, beside the pass that it shares with others."""

    written: int = 0
    """Tokens that models are asked to write, at most."""
    read: int = 0
    """Tokens that models read beyond the shared pass, both models' counted."""


class Taker(Protocol):
    """What a method makes of a pass."""

    def add(self, batch: "Batch") -> None:
        """Both models' layers for some documents."""

    def add_chunk(self, batch: "Batch", chunk: "Chunk") -> None:
        """Both models' next-token distributions after those rows of the batch that predict a token that counts.

        Not to wait for the device here: what is found stays there until the next batch (`measure.Rows`).
        """

    def result(self, check: Check) -> Result:
        """What was found; a method may run the pair again for it, and asks `check` in between."""


class Method(Protocol):
    """What every method's module holds."""

    NAME: str
    TITLE: str
    """As people read it."""
    VERSION: int
    """Part of a result's key: raised when the same pair and options would give other numbers."""
    NEEDS: frozenset[Need]
    Options: type[Settings]

    def cost(self, pair: "Pair", documents: Sequence["Document"], options: Any) -> Cost: ...

    def figures(self, result: Result, options: Any) -> pd.DataFrame:
        """All that the result can point at, in the shape of `evidence.COLUMNS`, whether it is much or little."""


class Passing(Method, Protocol):
    """A method that takes what the shared pass gives; its NEEDS hold `logits` or `layers`."""

    def layers(self, options: Any, pair: "Pair") -> tuple[int, ...]:
        """The layers that it reads."""

    Accumulator: Callable[["Pair", Sequence["Document"], Any], Taker]


class Comparing(Method, Protocol):
    """A method whose figures can be made anew once its nulls are known."""

    def against(self, pair: "Pair", result: Result, others: Sequence[Result], options: Any) -> pd.DataFrame:
        """The figures of the pair's result beside its nulls', or of one null's beside the other nulls'."""


class Working(Method, Protocol):
    """A method that works by itself; its NEEDS hold `weights` or `samples`."""

    def work(self, pair: "Pair", documents: Sequence["Document"], options: Any, check: Check) -> Result: ...


def passes(method: Method) -> bool:
    """Whether a method takes part in the shared pass."""
    return bool(method.NEEDS & {"logits", "layers"})


def compares(method: Method) -> bool:
    """Whether a method's figures hang on its nulls."""
    return hasattr(method, "against")


def named(name: str) -> Method:
    """The method of a name."""
    return cast(Method, import_module(_module(name)))


def _module(name: str) -> str:
    if name not in METHODS:
        raise UserError(f"There is no method '{name}'; choose from {', '.join(METHODS)}.")
    return METHODS[name]


class Said(NamedTuple):
    """What a method's module says of itself."""

    title: str
    version: int
    margin: float
    """Bars that an excess must be: the module's MARGIN where the usual one claims too often in nulls."""


@cache
def said(name: str) -> Said:
    """The same, read from the module's source: who only looks at results should not wait for torch."""
    found = find_spec(_module(name))
    assert found is not None and found.origin is not None
    tree = ast.parse(Path(found.origin).read_text(encoding="utf-8"))
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    margin = float(str(constants.get("MARGIN", evidence.MARGIN)))
    return Said(str(constants["TITLE"]), int(str(constants["VERSION"])), margin)
