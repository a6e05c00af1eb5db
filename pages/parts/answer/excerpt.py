"""Both answers of a pair in a few lines each, cut so that what a behaviour names is in view and marked."""

from collections.abc import Mapping, Sequence

import numpy as np

from diffing.common.errors import UserError
from diffing.diff import pairs, plain
from diffing.diff.answer import Behaviour
from diffing.diff.changes import Row
from diffing.findings.predicates import Predicate
from diffing.probes import excerpts
from diffing.probes.rules import Span
from diffing.reader.encodings import Encodings
from pages.parts import highlight, load
from pages.parts.address import Comparison

Texts = Mapping[tuple[str, str, int], str]
"""Answers by prompt, checkpoint and draw."""
WHOLE = 0.6
"""Of an answer, from which share on a mark tells no more than that it is there: nothing is marked then."""


def spans(here: Comparison, each: Behaviour, row: Row, side: str, text: str) -> Sequence[Span]:
    """Where an answer shows a behaviour."""
    if each.kind == "amount":
        return []
    predicate = Predicate.of_source(each.by, each.source)
    found = predicate.spans(text) if predicate is not None else _fired(here, each, row, side)
    covered = sum(end - start for start, end in found)
    return [] if covered > WHOLE * len(text) else found


def _fired(here: Comparison, each: Behaviour, row: Row, side: str) -> list[Span]:
    """The tokens on which a feature is active."""
    try:
        encodings: Encodings = load.encodings_to(here.study, row.prompt_id)
        document = pairs.documents(encodings, row.prompt_id)[here.a if side == "a" else here.b, row.draw]
        values = np.abs(encodings.dense(document, int(each.source)))
        tokens = encodings.tokens(document)
    except (UserError, KeyError):
        return []
    return [(int(start), int(end)) for start, end in np.asarray(tokens.spans)[values > 0].tolist()]


def pair(here: Comparison, each: Behaviour, row: Row, texts: Texts) -> str:
    """A line of each answer as HTML, under each other."""
    parts = []
    for side, key in (("a", here.a), ("b", here.b)):
        text = texts.get((row.prompt_id, key, row.draw), "")
        cut = excerpts.around(text, spans(here, each, row, side, text), plain.LINE)
        parts.append(
            f"{highlight.letter(side)}{highlight.excerpt(cut, side)}<small>{len(text.split()):,} words</small>"
        )
    return f'<div class="lines">{"".join(parts)}</div>'
