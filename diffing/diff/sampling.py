"""The prompts whose answers are looked at word by word: all of them, or a sample by the study's seed.

Features and surface probes are counted over all prompts, however many there are, since what is kept of them does
not grow with prompts. Phrases, habits and behaviours ask for every token of every answer at once: above a size
they are of a sample. Promises that the sample hangs on the seed, the prompts, the answers' lengths and the memory
that was allowed, and on no answer's words; and that what fits is never sampled.
"""

from typing import Any

import numpy as np

from diffing.common.arrays import Bools
from diffing.common.words import count
from diffing.diff.pairing import Pairing

MEMORY = 2.0
"""Gigabytes that a diff takes at most unless it is told otherwise: what a laptop has left."""
PROMPTS = 10_000
"""Prompts looked at word by word for each gigabyte: 20,000 tell a share to 0.4 points."""
TOKENS = 2_000_000
"""Tokens of their answers for each gigabyte: phrases take most of it while they are learned
(`docs/performance.md` has what was measured)."""


def of(pairs: Pairing, held: Bools, memory: float, seed: int) -> Pairing:
    """The pairs of the sample; the pairing itself where all of it fits.

    Only pairs of documents that are `held` can be looked at: of the others there are no places of tokens.
    """
    there = held[pairs.a] & held[pairs.b]
    pairs = pairs if there.all() else pairs.only(there)
    lengths = np.bincount(pairs.row, pairs.tokens_a + pairs.tokens_b, len(pairs.prompts))
    if len(lengths) <= PROMPTS * memory and lengths.sum() <= TOKENS * memory:
        return pairs
    # A stream of its own beside those of separability (3) and groups (5).
    order = np.random.default_rng([seed, 7]).permutation(len(lengths))[: int(PROMPTS * memory)]
    chosen = order[np.cumsum(lengths[order]) <= TOKENS * memory]
    taken = np.zeros(len(lengths), dtype=bool)
    taken[chosen] = True
    return pairs.only(taken[pairs.row])


def told(pairs: Pairing, some: Pairing) -> dict[str, Any]:
    """What the summary says of it; nothing where all prompts were looked at."""
    return {} if some is pairs else {"sampled": {"prompts": len(some.prompts), "of": len(pairs.prompts)}}


def in_words(facts: dict[str, Any]) -> str:
    """As a sentence; empty where all prompts were looked at."""
    raised = facts.get("raised", 0)
    higher = (
        f"Of {count(raised, 'feature')} a higher bar was taken, under which summaries of answers say nothing."
        if raised
        else ""
    )
    if "sampled" not in facts:
        return higher
    part, whole = facts["sampled"]["prompts"], facts["sampled"]["of"]
    return (
        f"Phrases and behaviours are of {part:,} prompts drawn by the study's seed from {count(whole, 'prompt')}; "
        f"features and surface probes are of all. {higher}"
    ).rstrip()
