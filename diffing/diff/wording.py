"""The words that only one of two texts has, in order: what a reader's eye would look for side by side.

Promises spans of each text that are whole words, and a bound on time and memory whatever the texts hold: words
after the first `MOST` are compared with nothing and stay unmarked.
"""

import re

from rapidfuzz.distance import Indel

from diffing.probes.rules import Span

MOST = 16_000
"""Words of a text: 100,000 characters of prose. The comparison keeps a bit for each pair of words, here 32 MB."""
WORD = re.compile(r"\S+")


def only(a: str, b: str) -> tuple[list[Span], list[Span]]:
    """Where A has words that B has not at that place, and where B has; neighbours are joined."""
    places = [[match.span() for match in WORD.finditer(text)][:MOST] for text in (a, b)]
    words = [[text[start:end] for start, end in spans] for text, spans in zip((a, b), places, strict=True)]
    ours: list[Span] = []
    theirs: list[Span] = []
    for step in Indel.opcodes(*words):
        if step.tag in ("delete", "replace"):
            ours.append((places[0][step.src_start][0], places[0][step.src_end - 1][1]))
        if step.tag in ("insert", "replace"):
            theirs.append((places[1][step.dest_start][0], places[1][step.dest_end - 1][1]))
    return ours, theirs
