"""Everything that tells whether a dictionary's latents are real, done on a pair and its nulls.

Whatever is told is of texts that no dictionary was trained on. Activations of them are kept on disk, of the pair
and of each null, for every dictionary is held against all others' nulls; what latents do is then tried on each
pair in turn, the pair's own dictionary and each null's by one rule. Trains nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import pandas as pd
import torch
from pydantic import Field

from diffing.common.step import Settings
from diffing.whitebox.activations import kept
from diffing.whitebox.activations.corpus import Corpus
from diffing.whitebox.activations.source import Check, Passes, Source
from diffing.whitebox.dictionaries import causal, exclusive, latents, stable, verdict
from diffing.whitebox.dictionaries.dictionary import Dictionary
from diffing.whitebox.dictionaries.latents import Seen
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.texts import Document

PAIR = "pair"
"""What the pair itself is called beside its nulls' names."""


class Options(Settings):
    """How much is judged."""

    most: int = Field(default=40, ge=1)
    """Latents of a dictionary that are tried in the models."""
    trial: causal.Options = causal.Options()
    seed: int = Field(default=0, ge=0)


class Trained(NamedTuple):
    """What was trained on a pair or on a null."""

    first: Dictionary
    second: Dictionary | None = None
    """With another seed."""


class Found(NamedTuple):
    """What is told of a pair's dictionary."""

    judged: pd.DataFrame
    counts: pd.DataFrame
    """Of exclusive latents, in the pair's dictionary and in the nulls'."""
    nulls: dict[str, pd.DataFrame]
    """What latents of the nulls' own dictionaries do."""


Opened = Callable[[Pair], AbstractContextManager[Pair]]


def judge(
    pair: Pair,
    nulls: Mapping[str, Opened],
    documents: Sequence[Document],
    layer: int,
    trained: Mapping[str, Trained],
    options: Options | None = None,
    check: Check = lambda: None,
    tell: Callable[[str], None] = lambda _: None,
) -> Found:
    """Latents of the pair's dictionary, judged; `trained` holds it as `PAIR`, those of nulls by their names.

    A null without a dictionary of its own is still one that the pair's is fed with.
    """
    asked = options or Options()
    corpus = Corpus(documents)
    opened: dict[str, Opened] = {PAIR: nullcontext, **nulls}
    sources: dict[str, Source] = {}
    for name, each in opened.items():
        check()
        tell(f"Reading {corpus.tokens:,} tokens with {name}.")
        with each(pair) as other:
            sources[name] = kept.keep(Passes(other, corpus, [layer]), check=check)
    parts: dict[str, Parts] = {}
    for name, own in trained.items():
        check()
        tell(f"Measuring the latents of {name}.")
        beside = {other: source for other, source in sources.items() if other not in (PAIR, name)}
        parts[name] = _parts(own, sources[name], beside, asked)
    tried = {}
    for name, own in trained.items():
        check()
        tell(f"Trying {len(parts[name].chosen)} latents of {name}.")
        chosen = parts[name].chosen[: asked.most]
        with opened[name](pair) as other:
            # Of nulls only what their latents do is asked for, and controls are most of the work.
            trial = asked.trial if name == PAIR else asked.trial.model_copy(update={"controls": 0})
            tried[name] = causal.causal(other, sources[name], own.first, chosen, trial, check)
    own_parts = parts[PAIR]
    others = {name: table for name, table in tried.items() if name != PAIR}
    table = verdict.judged(own_parts.measured, own_parts.beside, own_parts.stable, tried[PAIR], [*others.items()])
    counted = {name: _again(parts[name]) for name in others}
    return Found(table, exclusive.counts(_again(own_parts), counted), others)


class Parts(NamedTuple):
    """What is told of a dictionary before its latents are tried."""

    measured: pd.DataFrame
    beside: pd.DataFrame | None
    stable: pd.DataFrame | None
    chosen: list[int]


def _again(parts: Parts) -> pd.DataFrame:
    """What was measured, with what a second training finds again where there was one."""
    again = parts.stable
    return parts.measured if again is None else parts.measured.assign(stable=again["stable"].to_numpy())


def _parts(own: Trained, source: Source, nulls: Mapping[str, Source], options: Options) -> Parts:
    measured = latents.measured(own.first, read(source, own.first))
    again = None
    if own.second is not None:
        again = stable.stable(own.first, own.second, read(source, own.first), options.seed)
    theirs = [(name, exclusive.amounts(own.first, read(null, own.first))) for name, null in nulls.items()]
    beside = exclusive.beside(exclusive.amounts(own.first, read(source, own.first)), theirs)
    chosen = verdict.candidates(measured, beside, again, options.most)
    return Parts(measured, beside if theirs else None, again, chosen)


def read(source: Source, dictionary: Dictionary) -> Iterator[Seen]:
    """A source's text, as its only layer has it, where a dictionary computes."""
    wanted, offsets = source.corpus.wanted(["text"]), source.corpus.data.offsets
    device, dtype = dictionary.decoder.device, dictionary.decoder.dtype
    for block in source.read(range(len(source.corpus)), lambda: None):
        document = block.document.numpy()
        here = wanted[offsets[document] + block.position.numpy()]
        values = block.values[torch.from_numpy(here).to(block.values.device), 0]
        yield Seen(values.to(device, dtype), document[here])
