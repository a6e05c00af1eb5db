"""Samples of a pair beside its base's from the same beginnings, as methods that have models write need them.

Each beginning is gone on with once by a recipe and once by the base, with the same chances; both models tell what
they make of what the recipe wrote. Promises that what the base wrote is kept and written once for a pair and all
its nulls, and that a text which repeats itself (under half of its runs of three tokens are new) is no evidence:
its beginning is left out on both sides. What recurs in samples is `recurring`'s to say.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from diffing.common import files
from diffing.common.arrays import Floats
from diffing.whitebox.measures import recurring
from diffing.whitebox.measures.recurring import FRESH, Text
from diffing.whitebox.method import Check
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.results import Result
from diffing.whitebox.sight.evidence import COLUMNS
from diffing.whitebox.writing.recipe import Recipe
from diffing.whitebox.writing.writer import grown, write

VERSION = 1
"""Raised when the same beginnings would be gone on with in another way."""
TOP = 10
"""Samples whose mean gap is told as a fact."""


def taken(
    pair: Pair,
    prefixes: Sequence[Sequence[int]],
    held_out: Sequence[bool],
    recipe: Recipe,
    length: int,
    shown: int,
    check: Check,
) -> Result:
    """Samples, what recurs in them, and by what the variant prefers those that it prefers most."""
    written = write(pair, prefixes, recipe, length, check)
    theirs = _base(pair, prefixes, recipe.model_copy(update={"alpha": 0.0, "contrast": 0.0}), length, check)
    texts = [text(pair, one.ids, one.start, one.gap) for one in written]
    others = [text(pair, ids, len(prefix)) for ids, prefix in zip(theirs, prefixes, strict=True)]
    table = pd.DataFrame(
        {
            "prefix": [each.text[: each.begin] for each in texts],
            "alpha": recipe.alpha,
            "contrast": recipe.contrast,
            "text": [each.text[each.begin :] for each in texts],
            "pieces": [[pair.tokenizer.decode([token]) for token in one.ids[one.start :]] for one in written],
            "gaps": [one.gap.tolist() for one in written],
            "gap": [float(one.gap.mean()) for one in written],
            "base_text": [each.text[each.begin :] for each in others],
            "fresh": [fresh(one.ids[one.start :]) for one in written],
            "held_out": list(held_out),
        }
    )
    kept = np.flatnonzero(table["fresh"] >= FRESH)
    held = table["held_out"].to_numpy(bool)
    found = recurring.phrases([texts[n] for n in kept], [others[n] for n in kept], held[kept], shown, recipe.seed)
    facts = {"samples": len(table), "repeating": len(table) - len(kept)} | {
        side: _best(table.iloc[kept[held[kept] == which]])
        for side, which in (("discovery", False), ("held_out", True))
    }
    return Result(facts, {"samples": table, "phrases": found})


def figures(result: Result) -> pd.DataFrame:
    """The phrases, in the shape of `evidence.COLUMNS`."""
    found = result.tables["phrases"].rename(columns={"phrase": "key"}).assign(kind="phrase")
    return found[list(COLUMNS)]


def text(pair: Pair, ids: Sequence[int], start: int, gap: Floats | None = None) -> Text:
    """What ids say, special tokens aside, with each token's gap spread over its characters."""

    def said(stop: int) -> str:
        return str(pair.tokenizer.decode(list(ids[:stop]), skip_special_tokens=True))

    whole, begin = said(len(ids)), len(said(start))
    by = np.zeros(len(whole))
    if gap is not None:
        ends = [begin, *(min(len(said(stop)), len(whole)) for stop in range(start + 1, len(ids) + 1))]
        for first, behind, value in zip(ends[:-1], ends[1:], gap, strict=True):
            # A token that is only part of a character shows with the one that completes it.
            by[first:behind] += value / max(1, behind - first)
    return Text(whole, begin, by)


def fresh(ids: Sequence[int]) -> float:
    """Share of runs of three tokens that are different ones; 1 where there is none."""
    runs = [tuple(ids[n : n + 3]) for n in range(len(ids) - 2)]
    return len(set(runs)) / len(runs) if runs else 1.0


def _best(table: pd.DataFrame) -> dict[str, Any] | None:
    if not len(table):
        return None
    return {"gap": float(table["gap"].mean()), "top": float(table["gap"].nlargest(TOP).mean())}


def _base(
    pair: Pair, prefixes: Sequence[Sequence[int]], recipe: Recipe, length: int, check: Check
) -> list[list[int]]:
    asked = [VERSION, pair.identity, str(pair.whole.dtype), list(map(list, prefixes)), recipe.written, length]
    kept = files.cache_dir("whitebox") / f"base-{files.content_hash(asked)}.json"
    if not kept.exists():
        files.write_json(kept, grown(pair, prefixes, recipe, length, check))
    rows: list[list[int]] = files.read_json(kept)
    return rows
