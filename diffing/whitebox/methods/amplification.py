"""The change turned up and down: what the pair writes at each strength, and which habits and words grow with it.

At α the model is the base and α times the change; 0 is the base, 1 the variant. The same prefixes are gone on with
at each α by the same chances, and what is told is the share of texts that show a thing, at the α at which anything
rises most while texts stay coherent: while the base finds them, on average, no stranger than 95 in 100 of the
variant's own. The pair and each null choose their α alike, on discovery prompts; intervals draw prompts anew, and
held-out prompts had no say. What parts of the change do by themselves, at α = 1, is told of the pair alone and not
of its nulls.

Promises nothing of what a behaviour means, and nothing below α = 0: the change taken away twice is no opposite. A
habit or word that is rare in the variant may be common at α = 2, which says where to look and not how often it
shows; that is asked of the variant itself.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from diffing.common import resampling
from diffing.common.arrays import Array, Floats
from diffing.common.errors import UserError
from diffing.common.step import Settings
from diffing.whitebox.measures import shown
from diffing.whitebox.measures.shown import Shown
from diffing.whitebox.method import Check, Cost
from diffing.whitebox.pairs.doses import Group
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.results import Result
from diffing.whitebox.sight.evidence import COLUMNS
from diffing.whitebox.texts import Document
from diffing.whitebox.writing.recipe import Recipe
from diffing.whitebox.writing.writer import Written, write

NAME = "amplification"
TITLE = "The change amplified"
VERSION = 1
NEEDS = frozenset({"samples"})

COHERENT = 95.0
"""Percentile of the variant's own texts, by what the base makes of them, at which a stronger one is incoherent."""
PARTS = {
    "attention": ("self_attn", "attn", "attention"),
    "MLP": ("mlp",),
}
"""Modules of a block, by the names that architectures give them."""
THIRDS = ("lower third", "middle third", "upper third")


class Options(Settings):
    """How much is written, and at which strengths."""

    alphas: tuple[float, ...] = Field(default=(0.25, 0.5, 1.5, 2.0, 3.0), max_length=20)
    """Beside 0 and 1; at -1 the change is taken from the base."""
    texts: int = Field(default=64, ge=4)
    """Written at each strength; where there are fewer prefixes each is gone on with several times."""
    length: int = Field(default=24, ge=4)
    """Tokens of a text: about two sentences."""
    opening: int = Field(default=4, ge=1)
    """Tokens that are gone on from, of a document that answers no prompt: few, so that much is left open."""
    words: int = Field(default=100, ge=1)
    """Words of the evidence: a null's as well, so that what it shows of them is known."""
    temperature: float = Field(default=1.0, ge=0, le=10)
    resamples: int = Field(default=1000, ge=100)
    """Of prompts, for an interval."""
    seed: int = Field(default=0, ge=0, lt=2**31)

    @property
    def strengths(self) -> tuple[float, ...]:
        return tuple(sorted({0.0, 1.0, *self.alphas}))


class Prefixes(NamedTuple):
    """What is gone on from: a row a text."""

    ids: list[list[int]]
    prompt: Array
    """The number of each text's prompt."""
    held_out: Array
    """Of each prompt."""


def cost(pair: Pair, documents: Sequence[Document], options: Options) -> Cost:
    """Texts at each strength and of each part, each of which both models read once again."""
    each = options.texts * options.length
    count = len(options.strengths) + (len(parts(pair)) if pair.kind == "pair" else 0)
    before = sum(map(len, prefixes(documents, options).ids))
    return Cost(written=count * each, read=2 * count * (each + before))


def prefixes(documents: Sequence[Document], options: Options) -> Prefixes:
    """The prompts of answers, framed as they were, or the first tokens of other texts: each once, then in turn."""
    found: dict[tuple[int, ...], bool] = {}
    for document in documents:
        stop = document.start if document.kind == "answer" else document.start + options.opening
        # A text that ends sooner would be gone on from behind its end.
        if stop < document.stop and len(found) < options.texts:
            found.setdefault(document.ids[:stop], document.held_out)
    if not found or all(found.values()):
        raise UserError(f"No discovery text is longer than {options.opening} tokens; name longer texts.")
    prompt = np.arange(options.texts) % len(found)
    ids = [list(row) for row in found]
    return Prefixes([ids[n] for n in prompt], prompt, np.array(list(found.values())))


def parts(pair: Pair) -> dict[str, Group]:
    """Parts of the change that are tried by themselves: thirds of the blocks, attention and MLP."""
    edges = [pair.layers * n // 3 for n in range(4)]
    groups = {name: Group(1.0, (), (edges[n], edges[n + 1])) for n, name in enumerate(THIRDS)}
    groups |= {name: Group(1.0, modules) for name, modules in PARTS.items()}
    return {name: group for name, group in groups.items() if any(map(group.holds, pair.change.paths))}


def work(pair: Pair, documents: Sequence[Document], options: Options, check: Check) -> Result:
    """Everything is written first, then read at once."""
    given = prefixes(documents, options)
    asked = {_called(alpha): Recipe(alpha=alpha) for alpha in options.strengths}
    if pair.kind == "pair":
        asked |= {name: Recipe(alpha=0.0, groups=(group,)) for name, group in parts(pair).items()}
    written = {name: _written(pair, given, recipe, options, check) for name, recipe in asked.items()}
    said = {name: _said(pair, texts) for name, texts in written.items()}
    seen = shown.read([text for texts in said.values() for text in texts])
    has = seen.has.reshape(len(said), options.texts, -1).astype(np.float64)
    # A prompt counts once, however often it was gone on from.
    member = np.eye(len(given.held_out))[given.prompt]
    by_prompt = dict(zip(said, np.einsum("tp,atk->apk", member / member.sum(0), has), strict=True))
    alphas = {_called(alpha): alpha for alpha in options.strengths}
    table = _curve(written, alphas)
    changes = {name: by_prompt[name] - by_prompt[_called(0.0)] for name in said}
    rising = [name for name in table.index[table["coherent"] & (table["alpha"] > 0)]]
    # The first of those that are alike, which is the weakest.
    chosen = max(rising, key=lambda name: float(np.abs(changes[name][~given.held_out].mean(0)).max()))
    things = _things(seen, changes[chosen], given, options)
    facts = {
        "alpha": alphas[chosen],
        "prompts": len(given.held_out),
        "held_out": int(given.held_out.sum()),
        "limit": _limit(written),
    }
    tables = {
        "curve": table[table["alpha"].notna()].reset_index(drop=True),
        "shares": _shares(seen, things, {name: by_prompt[name].mean(0) for name in alphas}, alphas),
        "parts": _parts(
            seen, things, table, {name: by_prompt[name].mean(0) for name in said if name not in alphas}
        ),
        "things": things,
        "texts": _texts(pair, given, said, alphas),
    }
    return Result(facts, tables)


def _called(alpha: float) -> str:
    return f"α {alpha:g}"


def _written(pair: Pair, given: Prefixes, recipe: Recipe, options: Options, check: Check) -> list[Written]:
    """At the recipe's strength, scored by the base and by the very model that wrote."""
    strong = replace(pair, dose=recipe.dose(pair.dose))
    plain = Recipe(temperature=options.temperature, seed=options.seed)
    return write(strong, given.ids, plain, options.length, check)


def _said(pair: Pair, texts: Sequence[Written]) -> list[str]:
    said = pair.tokenizer.batch_decode([list(text.ids[text.start :]) for text in texts], skip_special_tokens=True)
    return [str(text) for text in said]


def _surprise(texts: Sequence[Written]) -> Floats:
    """What the base makes of each text: nats a token."""
    return np.array([-text.base.mean() if len(text.base) else 0.0 for text in texts])


def _limit(written: dict[str, list[Written]]) -> float:
    return float(np.percentile(_surprise(written[_called(1.0)]), COHERENT))


def _curve(written: dict[str, list[Written]], alphas: dict[str, float]) -> pd.DataFrame:
    """A row a strength or part: distance from the base on its own texts, how strange these are, how repetitive."""
    limit = _limit(written)
    rows = []
    for name, texts in written.items():
        tokens = max(1, sum(len(text.base) for text in texts))
        surprise = float(_surprise(texts).mean())
        rows.append(
            {
                "name": name,
                "alpha": alphas.get(name, np.nan),
                # The mean over what a model wrote of how much likelier it finds that than the base does: its KL.
                "kl": float(sum(text.gap.sum() for text in texts)) / tokens,
                "base_nll": surprise,
                "distinct": shown.distinct([text.ids[text.start :] for text in texts]),
                # The variant sets the limit, so it cannot fail it.
                "coherent": surprise <= limit or alphas.get(name) == 1.0,
            }
        )
    return pd.DataFrame(rows).set_index("name", drop=False)


def _things(seen: Shown, change: Floats, given: Prefixes, options: Options) -> pd.DataFrame:
    """Habits that became more and less common, and the words that became commonest, with intervals."""
    own, held = change[~given.held_out], change[given.held_out]
    low, high = resampling.drawn(own, np.ones(len(own)), options.resamples, options.seed)
    mean = own.mean(0)
    later = held.mean(0) if len(held) else np.full(len(mean), np.nan)
    names = (*seen.habits, *seen.words)
    habit = np.arange(len(names)) < len(seen.habits)
    kinds = (("habit", habit, 1), ("habit less", habit, -1), ("word", ~habit, 1))
    rows: list[tuple[Any, ...]] = []
    for kind, of_it, sign in kinds:
        places = np.flatnonzero(of_it & (sign * mean > 0))
        best = places[np.argsort(-sign * mean[places], kind="stable")]
        for n in best[: options.words] if kind == "word" else best:
            ends = sorted((sign * float(low[n]), sign * float(high[n])))
            rows.append((kind, names[n], names[n], sign * float(mean[n]), *ends, sign * float(later[n])))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _shares(
    seen: Shown, things: pd.DataFrame, shares: dict[str, Floats], alphas: dict[str, float]
) -> pd.DataFrame:
    """Of each thing the share of texts that show it at each strength."""
    return pd.DataFrame(
        [
            {"kind": kind, "key": key, "alpha": alphas[name], "share": float(share[place])}
            for kind, key, place in _places(seen, things)
            for name, share in shares.items()
        ],
        columns=["kind", "key", "alpha", "share"],
    )


def _parts(seen: Shown, things: pd.DataFrame, curve: pd.DataFrame, shares: dict[str, Floats]) -> pd.DataFrame:
    """Of each thing the share of texts that show it when one part of the change is there alone."""
    return pd.DataFrame(
        [
            {"part": name, "kl": curve.loc[name, "kl"], "kind": kind, "key": key, "share": float(share[place])}
            for name, share in shares.items()
            for kind, key, place in _places(seen, things)
        ],
        columns=["part", "kl", "kind", "key", "share"],
    )


def _places(seen: Shown, things: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Kind, name and column of each thing; a habit that became less common stands in the habits' column."""
    words = {name: len(seen.habits) + n for n, name in enumerate(seen.words)}
    habits = {name: n for n, name in enumerate(seen.habits)}
    kinds = zip(things["kind"], things["key"], strict=True)
    return [(kind, key, (words if kind == "word" else habits)[key]) for kind, key in kinds]


def _texts(pair: Pair, given: Prefixes, said: dict[str, list[str]], alphas: dict[str, float]) -> pd.DataFrame:
    """What was written, behind what."""
    before = pair.tokenizer.batch_decode(given.ids, skip_special_tokens=True)
    return pd.DataFrame(
        [
            {"name": name, "alpha": alphas.get(name, np.nan), "prompt": prompt, "before": start, "text": text}
            for name, texts in said.items()
            for prompt, start, text in zip(given.prompt, before, texts, strict=True)
        ]
    ).assign(held_out=lambda table: given.held_out[table["prompt"]])


def figures(result: Result, _options: Options) -> pd.DataFrame:
    """Habits and words, by how many more (or fewer) texts show them at the chosen strength than the base's."""
    return result.tables["things"][list(COLUMNS)]
