"""One pass over the texts for all methods, on a pair and on each of its nulls, kept as it goes.

Methods say which layers they read and whether they want logits; the pass computes no more than the largest of
these, once for all. Promises that what is there already is not computed again and that a killed run leaves no half
result: it goes on with the pair or the null that was under way. Which nulls there are is the caller's to say.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from diffing.common import files
from diffing.common.step import Settings
from diffing.whitebox import results
from diffing.whitebox.measure import predicting
from diffing.whitebox.methods import divergence
from diffing.whitebox.pair import Batch, Chunk, Pair
from diffing.whitebox.results import Result
from diffing.whitebox.texts import VERSION, Document

METHODS = {divergence.NAME: divergence}


class Taker(Protocol):
    """What a method makes of a pass."""

    def add(self, batch: Batch) -> None:
        """Both models' layers for some documents."""

    def add_chunk(self, batch: Batch, chunk: Chunk, counted: Tensor) -> None:
        """Both models' next-token distributions after some rows of the batch, and which of these rows count."""

    def result(self) -> Result: ...


class Null(NamedTuple):
    """A pair with nothing to find, made when its turn comes."""

    name: str
    """Of its kind and seed: a folder's name."""
    open: Callable[[Pair], AbstractContextManager[Pair]]


def run(
    folder: Path,
    pair: Pair,
    documents: Sequence[Document],
    methods: Mapping[str, Settings],
    nulls: Sequence[Null] = (),
    check: Callable[[], None] = lambda: None,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Path]:
    """Each method's folder, filled with what it finds on the pair and, inside, on every null."""
    asked = {name: _asked(name, pair, documents, options) for name, options in methods.items()}
    places = {name: folder / results.name_of(name, asked[name]) for name in methods}
    if missing := [name for name in methods if not results.exists(places[name])]:
        tell(f"Reading {len(documents)} texts with {pair.name}.")
        for name, result in passed(pair, documents, {n: methods[n] for n in missing}, check).items():
            results.save(places[name], asked[name] | {"checked": pair.facts}, result)
    for null in nulls:
        inside = {name: place / "nulls" / null.name for name, place in places.items()}
        missing = [name for name in methods if not results.exists(inside[name])]
        if not missing:
            continue
        tell(f"Reading them with a null: {null.name}.")
        with null.open(pair) as opened:
            for name, result in passed(opened, documents, {n: methods[n] for n in missing}, check).items():
                results.save(inside[name], {"null": opened.name, "key": opened.key, "facts": opened.facts}, result)
    return places


def passed(
    pair: Pair, documents: Sequence[Document], methods: Mapping[str, Settings], check: Callable[[], None]
) -> dict[str, Result]:
    """What each method finds in one pass over the documents."""
    takers: dict[str, Taker] = {}
    layers: set[int] = set()
    logits = False
    for name, options in methods.items():
        # The options' own shape is the method's to check.
        method: Any = METHODS[name]
        takers[name] = method.Accumulator(pair, documents, options)
        layers |= set(method.layers(options, pair))
        logits = logits or method.LOGITS
    for batch in pair.run([document.ids for document in documents], sorted(layers), logits, check):
        for taker in takers.values():
            taker.add(batch)
        counted = predicting(batch, documents)
        for chunk in pair.log_probs(batch) if logits else ():
            check()
            for taker in takers.values():
                taker.add_chunk(batch, chunk, counted[chunk.rows])
    return {name: taker.result() for name, taker in takers.items()}


def loaded(place: Path) -> tuple[Result, list[Result]]:
    """A method's result on the pair, and those on the nulls that are there."""
    nulls = sorted(path for path in (place / "nulls").glob("*") if results.exists(path))
    return results.load(place), [results.load(path) for path in nulls]


def _asked(name: str, pair: Pair, documents: Sequence[Document], options: Settings) -> dict[str, Any]:
    """All that changes a number of a method's result."""
    texts = [[list(d.ids), d.start, d.stop, d.held_out] for d in documents]
    return {
        "method": name,
        "version": METHODS[name].VERSION,
        "pair": pair.key,
        "texts": files.content_hash([VERSION, texts]),
        "options": options.model_dump(mode="json"),
    }
