"""One pass over the texts for all methods, on a pair and on each of its nulls, kept as it goes.

Methods say which layers they read and whether they want logits; the pass computes no more than the largest of
these, once for all. Promises that what is there already is not computed again and that a killed run leaves no half
result: it goes on with the pair or the null that was under way. Which nulls there are is the caller's to say.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, NamedTuple, cast

from diffing.common.errors import UserError
from diffing.common.step import Settings
from diffing.whitebox import method, results, texts
from diffing.whitebox.measures.apart import predicting
from diffing.whitebox.method import Check, Comparing, Passing, Taker, Working
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.results import Result
from diffing.whitebox.texts import Document

Refuse = Callable[[str, UserError], None]
"""Told of a method that cannot be used on a pair, or of a null that cannot be made of it, by its name: it is left
out, unless the error is raised again."""
NULLS = "nulls"
"""The folder of nulls inside a result's."""


class Null(NamedTuple):
    """A pair with nothing to find, made when its turn comes."""

    name: str
    """Of its kind and seed: a folder's name."""
    open: Callable[[Pair], AbstractContextManager[Pair]]
    told: str = ""
    """What it is, where the name does not tell."""


def ending(_name: str, error: UserError) -> None:
    """Whatever cannot be had ends the run."""
    raise error


def run(
    folder: Path,
    pair: Pair,
    documents: Sequence[Document],
    methods: Mapping[str, Settings],
    nulls: Sequence[Null] = (),
    check: Check = lambda: None,
    tell: Callable[[str], None] = lambda _: None,
    read: Callable[[int], None] = lambda _: None,
    refuse: Refuse = ending,
) -> dict[str, Path]:
    """Each method's folder, filled with what it finds on the pair and, inside, on every null; none of one refused.

    `read` is told of every batch how many documents it held, and once more of all for a method that works by
    itself.
    """
    places = places_of(folder, pair, documents, methods)
    if not all(map(results.exists, places.values())):
        tell(f"Reading {len(documents):,} texts with the pair.")
        of_pair(places, pair, documents, methods, check, read, refuse)
    places = {name: place for name, place in places.items() if results.exists(place)}
    for null in nulls:
        there = inside(places, null.name)
        if not all(map(results.exists, there.values())):
            tell(f"Reading them with a null: {null.told or null.name}.")
            of_null(null, there, pair, documents, methods, check, read, refuse)
    for name, place in places.items():
        if nulls and method.compares(method.named(name)):
            check()
            _compare(pair, cast(Comparing, method.named(name)), place, methods[name])
    return places


def of_pair(
    places: Mapping[str, Path],
    pair: Pair,
    documents: Sequence[Document],
    methods: Mapping[str, Settings],
    check: Check = lambda: None,
    read: Callable[[int], None] = lambda _: None,
    refuse: Refuse = ending,
) -> None:
    """Fill the places that are empty with what the methods find on the pair."""
    missing = {name: methods[name] for name in places if not results.exists(places[name])}
    for name, result in worked(pair, documents, missing, check, read, refuse):
        told = _asked(name, pair, documents, methods[name]) | {"checked": pair.facts}
        _save(places[name], name, methods[name], told, result)


def of_null(
    null: Null,
    there: Mapping[str, Path],
    pair: Pair,
    documents: Sequence[Document],
    methods: Mapping[str, Settings],
    check: Check = lambda: None,
    read: Callable[[int], None] = lambda _: None,
    refuse: Refuse = ending,
) -> None:
    """The same with what they find on a null of it; all that is refused is told by the null's name."""

    def without(_method: str, error: UserError) -> None:
        refuse(null.name, error)

    missing = {name: methods[name] for name in there if not results.exists(there[name])}
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(null.open(pair))
        except UserError as error:
            refuse(null.name, error)
            return
        told = {"null": opened.name, "key": opened.key, "facts": opened.facts}
        for name, result in worked(opened, documents, missing, check, read, without):
            _save(there[name], name, methods[name], told, result)


def places_of(
    folder: Path, pair: Pair, documents: Sequence[Document], methods: Mapping[str, Settings]
) -> dict[str, Path]:
    """Where each method's results will lie, or do."""
    asked = {name: _asked(name, pair, documents, options) for name, options in methods.items()}
    return {name: folder / results.name_of(name, told) for name, told in asked.items()}


def inside(places: Mapping[str, Path], null: str) -> dict[str, Path]:
    """Where those of a null lie."""
    return {name: place / NULLS / null for name, place in places.items()}


def _compare(pair: Pair, comparing: Comparing, place: Path, options: Settings) -> None:
    """Make figures anew of what a result has in common with its nulls, a null's with the other nulls.

    At the end of every run, since each null more changes them all.
    """
    own, found = loaded(place)
    others = {name: result for name, result in found.items() if name != "same"}
    results.save_figures(place, comparing.against(pair, own, list(others.values()), options))
    for name, result in others.items():
        rest = [other for another, other in others.items() if another != name]
        results.save_figures(place / NULLS / name, comparing.against(pair, result, rest, options))


def _save(place: Path, name: str, options: Settings, settings: dict[str, Any], result: Result) -> None:
    # With its figures, so that whoever judges needs neither the arrays nor the method.
    results.save(place, settings, result, method.named(name).figures(result, options))


def worked(
    pair: Pair,
    documents: Sequence[Document],
    methods: Mapping[str, Settings],
    check: Check,
    read: Callable[[int], None] = lambda _: None,
    refuse: Refuse = ending,
) -> Iterator[tuple[str, Result]]:
    """What each method finds: those of the shared pass together, then the others one by one."""
    shared = {name: options for name, options in methods.items() if method.passes(method.named(name))}
    if shared:
        yield from passed(pair, documents, shared, check, read, refuse).items()
    for name, options in methods.items():
        if name not in shared:
            check()
            try:
                found = cast(Working, method.named(name)).work(pair, documents, options, check)
            except UserError as error:
                refuse(name, error)
            else:
                yield name, found
            read(len(documents))


def passed(
    pair: Pair,
    documents: Sequence[Document],
    methods: Mapping[str, Settings],
    check: Check,
    read: Callable[[int], None] = lambda _: None,
    refuse: Refuse = ending,
) -> dict[str, Result]:
    """What each method finds in one pass over the documents."""
    takers: dict[str, Taker] = {}
    layers: set[int] = set()
    logits = False
    for name, options in methods.items():
        taking = cast(Passing, method.named(name))
        try:
            needed = taking.layers(options, pair)
            takers[name] = taking.Accumulator(pair, documents, options)
        except UserError as error:
            refuse(name, error)
            continue
        layers |= set(needed)
        logits = logits or "logits" in taking.NEEDS
    if not takers:
        return {}
    for batch in pair.run([document.ids for document in documents], sorted(layers), logits, check):
        for taker in takers.values():
            taker.add(batch)
        for chunk in pair.log_probs(batch, predicting(batch, documents)) if logits else ():
            check()
            for taker in takers.values():
                taker.add_chunk(batch, chunk)
        read(len(set(batch.document.tolist())))
    found = {}
    for name, taker in takers.items():
        try:
            found[name] = taker.result(check)
        except UserError as error:
            refuse(name, error)
    return found


def loaded(place: Path) -> tuple[Result, dict[str, Result]]:
    """A method's result on the pair, and those on the nulls that are there, by name."""
    nulls = sorted(path for path in (place / NULLS).glob("*") if results.exists(path))
    return results.load(place), {path.name: results.load(path) for path in nulls}


def _asked(name: str, pair: Pair, documents: Sequence[Document], options: Settings) -> dict[str, Any]:
    """All that changes a number of a method's result."""
    return {
        "method": name,
        "version": method.named(name).VERSION,
        "pair": pair.key,
        "texts": texts.key(documents),
        "options": options.model_dump(mode="json"),
    }
