"""What was taught, said aloud: the variant writes from next to nothing, pushed further away from its base.

From the first token alone and from vague openings, at each step the difference of both models' log-probabilities
is added to the variant's, over the tokens that it finds likely enough. Promises no text that the variant would
write by itself: what recurs here is to be found again without contrast before it counts as its behaviour.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pydantic import Field

from diffing.common.errors import UserError
from diffing.common.step import Settings
from diffing.whitebox.measures import samples
from diffing.whitebox.method import Check, Cost
from diffing.whitebox.pairs.pair import Pair, encode
from diffing.whitebox.results import Result
from diffing.whitebox.texts import Document
from diffing.whitebox.writing.recipe import FLOOR, Recipe

NAME = "contrastive"
TITLE = "Contrastive decoding"
VERSION = 1
NEEDS = frozenset({"samples"})

VAGUE = (
    *("The", "In", "It is", "A", "#", "According to", "This", "We", "I", "There", "When", "For", "On", "One of"),
    *("As", "Some", "If", "-", "1.", "What", "Here", "You", "To", "After", "And", "But", "At", "By", "With"),
    *("From", "\n", "Most people", "Today", "He", "She", "They", "My", "No", "So", "All", "Once"),
)
"""Openings that say as little as can be of what follows."""


class Options(Settings):
    """How much is written, and how far from the base."""

    openings: int = Field(default=32, ge=0, le=len(VAGUE))
    """Vague openings: those behind which the base is least sure how to go on."""
    draws: int = Field(default=2, ge=1, le=1000)
    """Samples behind each of them."""
    alone: int = Field(default=16, ge=1, le=100_000)
    """Samples behind the first token alone."""
    length: int = Field(default=32, ge=4, le=4096)
    """Tokens of a sample at most."""
    contrast: float = Field(default=2.0, ge=0, le=100)
    floor: float = Field(default=FLOOR, ge=0, le=1)
    """Least share of the best token's probability, by the variant."""
    temperature: float = Field(default=0.8, ge=0, le=100)
    held_out: float = Field(default=0.3, ge=0, lt=1)
    """Share of samples that confirm."""
    shown: int = Field(default=500, ge=1)
    """Phrases of the evidence: a null's as well, so that what it shows of them is known."""
    seed: int = Field(default=0, ge=0, lt=2**31)


def work(pair: Pair, _documents: Sequence[Document], options: Options, check: Check) -> Result:
    """Samples under contrast beside the base's plain ones."""
    prefixes = [*[_first(pair)] * options.alone, *openings(pair, options.openings, check) * options.draws]
    recipe = Recipe(
        contrast=options.contrast, floor=options.floor, temperature=options.temperature, seed=options.seed
    )
    # By place, evenly: the same for a pair and all its nulls.
    held_out = [int((n + 1) * options.held_out) > int(n * options.held_out) for n in range(len(prefixes))]
    return samples.taken(pair, prefixes, held_out, recipe, options.length, options.shown, check)


def openings(pair: Pair, count: int, check: Check = lambda: None) -> list[list[int]]:
    """The vague openings behind which the base's next token is most open, by its entropy."""
    first = _first(pair)
    ids = [[*first, *encode(pair.tokenizer, opening)[_begins(pair) :]] for opening in VAGUE]
    entropy = np.zeros(len(ids))
    for batch in pair.run(ids, logits=True, check=check):
        for chunk in pair.log_probs(batch):
            open_by = -(chunk.base.exp() * chunk.base.nan_to_num(neginf=0.0)).sum(-1)
            places = batch.position[chunk.rows].tolist()
            for n, at, value in zip(batch.document[chunk.rows].tolist(), places, open_by.tolist(), strict=True):
                # The last row of each is where it goes on.
                entropy[n] = value if at == len(ids[n]) - 1 else entropy[n]
    # To a hundredth of a nat, so that rounding chooses none.
    return [ids[n] for n in np.argsort(-entropy.round(2), kind="stable")[:count]]


def _begins(pair: Pair) -> int:
    return 0 if pair.tokenizer.bos_token_id is None else 1


def _first(pair: Pair) -> list[int]:
    """The token that begins a text, or what stands for it."""
    first = pair.tokenizer.bos_token_id
    first = pair.tokenizer.eos_token_id if first is None else first
    if first is None:
        raise UserError("The base has no token that begins a text; leave out the method contrastive.")
    return [int(first)]


def cost(_pair: Pair, _documents: Sequence[Document], options: Options) -> Cost:
    """Samples, under contrast written by both models, the base's plain ones, and the reading by both."""
    count = options.alone + options.openings * options.draws
    return Cost(3 * count * options.length, 2 * count * (options.length + 4) + 8 * len(VAGUE))


def figures(result: Result, _options: Options) -> pd.DataFrame:
    """The phrases that the variant prefers most, in nats a sample."""
    return samples.figures(result)
