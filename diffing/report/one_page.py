"""The report on one page to share: the sentence, what changed with bars, three pairs, the limits, and its source.

The same sheet becomes a page of HTML that fetches and runs nothing, and a picture for where no page can be shown.
Promises that both say the same, that nothing on them is a claim which nothing tested, and that what is left out is
counted.
"""

from collections.abc import Sequence
from typing import NamedTuple

from diffing.common.escape import visible
from diffing.common.words import count
from diffing.diff import answer
from diffing.findings import brief
from diffing.probes.excerpts import Excerpt
from diffing.report import behaviours, examples, inside, limits, tables
from diffing.report.behaviours import Line
from diffing.report.cards import Card
from diffing.report.drawing import short
from diffing.report.facts import Facts
from diffing.report.text import unbroken

PAIRS = 3
"""Pairs of answers: as many as fit, and enough to see what is meant."""
LENGTH = 96
"""Characters of each excerpt: one line."""
NAMED = 6
"""Things that are named as unchanged or open; the report has all."""


class Shown(NamedTuple):
    """One pair in two lines."""

    title: str
    side: str
    excerpts: tuple[tuple[str, Excerpt], ...]
    """A's and B's."""


class Sheet(NamedTuple):
    """All that stands on the page."""

    a: str
    b: str
    sentence: str
    lines: list[Line]
    more: str
    """How many changes are not shown; empty where all are."""
    pairs: list[Shown]
    limits: str
    source: str


def sheet(facts: Facts, shown: Sequence[Card]) -> Sheet:
    """What the page says; `shown` are the facts' cards."""
    lines = behaviours.of(facts)
    left, features = len(lines) - answer.SHOWN, behaviours.by_features(facts)
    more = [f"{left} more that were counted"] * (left > 0) + [f"{features} that only features tell of"] * bool(
        features
    )
    told = facts.diff.summary
    return Sheet(
        a=visible(facts.a.name),
        b=visible(facts.b.name),
        sentence=unbroken(visible(answer.sentence(facts.diff))),
        lines=lines[: answer.SHOWN],
        more=f"Not shown: {' and '.join(more)}." if more else "",
        pairs=_pairs(facts),
        limits=_limits(facts),
        source=(
            f"Study {visible(facts.study.name)}, {count(told['prompts'], 'prompt')}, compared on "
            f"{told['created'][:10]} with Checkpoint Diffing {tables.program()}; reader {_reader(facts)}. "
            f"{_findings(shown)}"
        ),
    )


def _pairs(facts: Facts) -> list[Shown]:
    """Of the first behaviours that can be seen in a line."""
    out: list[Shown] = []
    for each in facts.behaviours:
        if len(out) == PAIRS or each.kind == "amount" or not (behaviours.confirmed(each) and each.said):
            continue
        lines = examples.of_behaviour(facts, each, LENGTH)
        # One without a mark, as of an answer that is one paragraph, shows nothing in a line.
        if lines is None or not any(piece.marked for said in lines.answers for piece in said.excerpt.pieces):
            continue
        both = tuple((said.side, said.excerpt) for said in lines.answers)
        out.append(Shown(behaviours.title(each), each.direction, both))
    return out


def _limits(facts: Facts) -> str:
    found = limits.found(facts)
    parts = [facts.made] if facts.made else []
    parts += [f"Did not change: {_first(found.same)}."] if found.same else []
    parts += [f"Cannot be told: {_first(found.cannot_tell)}."] if found.cannot_tell else []
    weights = [inside.one_line(facts)] if facts.inside.methods else []
    return " ".join([*parts, limits.smallest(facts), limits.TEXT_ALONE, *weights])


def _first(names: list[str]) -> str:
    plain = [name.split(" (")[0] for name in names[:NAMED]]
    left = len(names) - len(plain)
    return f"{', '.join(plain)}{f' and {left} more' if left else ''}"


def _reader(facts: Facts) -> str:
    from diffing.report import tables

    return short(tables.reader(facts))


def _findings(shown: Sequence[Card]) -> str:
    """How many claims the report holds, and how many of these nothing has tested."""
    made = [card for card in shown if card.id]
    untested = sum(not card.tested for card in made)
    if not made:
        return "No findings were written."
    open_ones = f", {untested} of them {brief.UNTESTED.lower()}" if untested else ""
    return f"The report has {count(len(made), 'finding')}{open_ones}."
