"""What the variant writes that its base would not: samples, ranked by how much likelier the variant finds them.

Each document lends its first few tokens, the variant goes on from there at temperature 1, and both models score
what it wrote. Promises figures from float32 log-probabilities of the very tokens. A change that shows only behind
certain prompts is seen only as far as such beginnings bring it about: a study's prompts are not put before them.
"""

from collections.abc import Sequence

import pandas as pd
from pydantic import Field

from diffing.common.step import Settings
from diffing.whitebox.measures import samples
from diffing.whitebox.method import Check, Cost
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.results import Result
from diffing.whitebox.texts import Document
from diffing.whitebox.writing.recipe import Recipe

NAME = "perplexity"
TITLE = "Perplexity differencing"
VERSION = 2
NEEDS = frozenset({"samples"})


class Options(Settings):
    """How much is written."""

    samples: int = Field(default=256, ge=4, le=100_000)
    """At most one a document. With 96 three of the six planted organisms were missed, with so many none."""
    length: int = Field(default=32, ge=4, le=4096)
    """Tokens of a sample at most."""
    given: int = Field(default=5, ge=1, le=64)
    """Tokens of a document that it goes on from: 1 to so many, in turn."""
    shown: int = Field(default=500, ge=1)
    """Phrases of the evidence: a null's as well, so that what it shows of them is known."""
    seed: int = Field(default=0, ge=0, lt=2**31)


def work(pair: Pair, documents: Sequence[Document], options: Options, check: Check) -> Result:
    """The variant's samples beside the base's."""
    chosen = documents[: options.samples]
    prefixes = [
        # What counts of a document, behind the token that begins it.
        (d.ids[0], *d.ids[d.start : min(d.stop, d.start + 1 + n % options.given)])
        for n, d in enumerate(chosen)
    ]
    recipe = Recipe(seed=options.seed)
    held_out = [document.held_out for document in chosen]
    return samples.taken(pair, prefixes, held_out, recipe, options.length, options.shown, check)


def cost(_pair: Pair, documents: Sequence[Document], options: Options) -> Cost:
    """Samples of both models, and the reading of the variant's by both."""
    count = min(len(documents), options.samples)
    return Cost(2 * count * options.length, 2 * count * (options.length + options.given + 1))


def figures(result: Result, _options: Options) -> pd.DataFrame:
    """The phrases that the variant prefers most, in nats a sample."""
    return samples.figures(result)
