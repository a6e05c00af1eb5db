"""Pairs of answers as the report shows them: cut into pieces, each with how strongly it shows what is claimed.

Promises that held-out prompts appear only in a finding whose author had seen such ones, and that the pieces of an
answer joined again are the answer. Knows no markup.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from diffing.common.colours import level
from diffing.common.words import count
from diffing.diff import pairs
from diffing.diff.answer import Behaviour
from diffing.findings.exhibits import Chooser
from diffing.findings.findings import Example, Finding
from diffing.findings.predicates import Predicate
from diffing.probes import excerpts, near, scan
from diffing.probes.excerpts import Excerpt
from diffing.probes.probes import PROBES
from diffing.probes.rules import Span
from diffing.report.facts import Facts
from diffing.study import prompts, responses

SHOWN = 2
"""Pairs of each kind: a reader sees that it is no single case. Every further pair is two answers to read."""
LONGEST = 8000
"""Characters of an answer that are shown, far more than most have: one runaway answer must not fill the page. What
is left out is said."""
WHOLE = 0.6
"""Of an answer, from which share on a mark tells no more than that it is there: nothing is marked then."""


class Piece(NamedTuple):
    """A run of text with its mark."""

    text: str
    level: int
    """0 where nothing is active, to 10 at the strongest activation of these answers."""
    told: str
    """What is active, for a hover text."""


class Answer(NamedTuple):
    """One side of a pair."""

    side: str
    """A or B."""
    name: str
    flag: str
    pieces: list[Piece]
    left_out: int
    """Characters behind the last piece."""


class Line(NamedTuple):
    """A part of an answer."""

    side: str
    """A or B."""
    excerpt: Excerpt
    length: str
    """Of the whole answer, in words."""


class Lines(NamedTuple):
    """One pair in a few lines."""

    prompt_id: str
    draw: int
    prompt: str
    answers: tuple[Line, Line]


class Pair(NamedTuple):
    """Both answers to one prompt."""

    prompt: str
    where: str
    """Category, split and draw."""
    answers: tuple[Answer, Answer]


def of_finding(
    facts: Facts, chooser: Chooser, finding: Finding, features: Sequence[int]
) -> tuple[list[Pair], list[Pair]]:
    """Examples and counter-examples: those chosen when it was written, else those that the figures choose."""
    probes = [name for name in finding.probes if name in scan.PRESENCE]
    chosen = [_allowed(facts, finding, some) for some in (finding.examples, finding.counter_examples)]
    if not all(chosen):
        by_figures = chooser.choose(features, probes, finding.sign, finding.predicate)
        chosen = [own or others for own, others in zip(chosen, by_figures, strict=True)]
    shown = [[pair(facts, example, features, probes) for example in some[:SHOWN]] for some in chosen]
    return shown[0], shown[1]


def of_behaviour(facts: Facts, each: Behaviour, length: int) -> Lines | None:
    """The clearest pair of a behaviour, if it has one."""
    if not each.examples:
        return None
    return lines(facts, Example(*each.examples[0]), Predicate.of_source(each.by, each.source), [], [], length)


def clearest(
    facts: Facts, chooser: Chooser, finding: Finding, features: Sequence[int], length: int
) -> Lines | None:
    """One pair that shows a finding: what a person chose, else the behaviour's, else what the figures choose."""
    place = facts.place(finding)
    same = facts.behaviours[place : place + 1]
    by_hand = _allowed(facts, finding, finding.examples)
    if finding.origin == "template" and same:
        # The clearest short pair, and no prompt that another behaviour shows; a draft's own were chosen by size.
        by_hand = [*_allowed(facts, finding, [Example(*row) for row in same[0].examples[:1]]), *by_hand]
    probes = [name for name in finding.probes if name in scan.PRESENCE]
    chosen = by_hand or chooser.choose(features, probes, finding.sign, finding.predicate).examples
    if not chosen:
        return None
    return lines(facts, chosen[0], finding.predicate, probes, features, length)


def lines(
    facts: Facts,
    example: Example,
    predicate: Predicate | None,
    probes: Sequence[str],
    features: Sequence[int],
    length: int,
) -> Lines:
    """A pair cut so that what its claim names is in view."""
    row = facts.prompts.set_index("id").loc[example.prompt_id]
    both = facts.pairs.set_index(["prompt_id", "draw"]).loc[(example.prompt_id, example.draw)]
    parts = []
    for side in "ab":
        text = str(both[f"text_{side}"])
        spans = _spans(facts, side, example, text, predicate, probes, features)
        parts.append(Line(side.upper(), excerpts.around(text, spans, length), count(len(text.split()), "word")))
    return Lines(example.prompt_id, example.draw, prompts.shown(row), (parts[0], parts[1]))


def _spans(
    facts: Facts,
    side: str,
    example: Example,
    text: str,
    predicate: Predicate | None,
    probes: Sequence[str],
    features: Sequence[int],
) -> list[Span]:
    """Where an answer shows what is claimed: what counts it, else the probes, else the features behind it."""
    if predicate is not None and predicate.known:
        found = [] if predicate.amount else predicate.spans(text)
    elif probes:
        found = [span for name in probes for span in PROBES[name].spans(text)]
    else:
        found, at = [], 0
        document = _document(facts, side.upper(), example)
        for piece in _by_features(facts, document, features) if document is not None and features else []:
            found += [(at, at + len(piece.text))] * (piece.level > 0)
            at += len(piece.text)
    covered = sum(end - start for start, end in found)
    return [] if covered > WHOLE * len(text) else found


def _document(facts: Facts, side: str, example: Example) -> int | None:
    """The row of the encodings that holds an answer; None where it was not read, or no positions are kept."""
    key, rows = (facts.a if side == "A" else facts.b).key, facts.encodings.documents
    here = (rows["prompt_id"] == example.prompt_id) & (rows["draw"] == example.draw)
    place = np.flatnonzero(here & (rows["checkpoint"] == key) & (rows["error"] == ""))
    return int(place[0]) if len(place) and facts.encodings.positions(int(place[0])) else None


def _allowed(facts: Facts, finding: Finding, chosen: Sequence[Example]) -> list[Example]:
    """Those that may be shown: of prompts that are still there, and held-out ones only where they were seen."""
    split = facts.prompts.set_index("id")["split"]
    whole = responses.kept(facts.pairs).set_index(["prompt_id", "draw"]).index
    # Prompts may have been taken out, and answers collected anew, since the finding was written.
    known = [pair for pair in chosen if pair.prompt_id in split.index and (pair.prompt_id, pair.draw) in whole]
    return [pair for pair in known if finding.held_out_seen or split[pair.prompt_id] == "discovery"]


def pair(facts: Facts, example: Example, features: Sequence[int], probes: Sequence[str]) -> Pair:
    row = facts.prompts.set_index("id").loc[example.prompt_id]
    both = facts.pairs.set_index(["prompt_id", "draw"]).loc[(example.prompt_id, example.draw)]
    answers = tuple(
        answer(facts, side, example, str(both[f"text_{side.lower()}"]), str(both[f"flag_{side.lower()}"]), marks)
        for side, marks in (("A", (features, probes)), ("B", (features, probes)))
    )
    parts = [str(row["category"]) or "no category", str(row["split"]), f"draw {example.draw + 1}"]
    return Pair(prompts.shown(row), " · ".join(parts), (answers[0], answers[1]))


def answer(
    facts: Facts,
    side: str,
    example: Example,
    text: str,
    flag: str,
    marks: tuple[Sequence[int], Sequence[str]],
) -> Answer:
    """One answer with the tokens marked that any of the features is active on, else the probes' places."""
    checkpoint = facts.a if side == "A" else facts.b
    features, probes = marks
    document = _document(facts, side, example) if features else None
    cut = _by_probes(text, probes) if document is None else _by_features(facts, document, features)
    pieces, room = [], LONGEST
    for piece in cut:
        if room <= 0:
            break
        pieces.append(piece._replace(text=piece.text[:room]))
        room -= len(piece.text)
    return Answer(side, checkpoint.name, flag, pieces, max(0, len(text) - LONGEST))


def _by_features(facts: Facts, document: int, features: Sequence[int]) -> list[Piece]:
    """Values are shares of each feature's strongest activation on either side."""
    tokens = facts.encodings.tokens(document)
    # Cut once by silent tokens: pieces hang on the tokens alone, so those of every feature lie on these.
    cut = [piece for piece, _ in tokens.pieces(np.zeros(len(tokens.ids), np.float32))]
    share, notes = np.zeros(len(cut)), [""] * len(cut)
    for feature in features:
        values = [value for _, value in tokens.pieces(facts.encodings.dense(document, feature))]
        # Of both sides together, or the weaker side's answers would look as strong as the other's.
        largest = pairs.full_colour(facts.table.loc[feature]) or 1.0
        for place, value in enumerate(values):
            if abs(value) > 0:
                share[place] = max(share[place], abs(value) / largest)
                notes[place] += f"{'; ' if notes[place] else ''}feature {feature}: {value:.2f}"
    return [Piece(text, level(float(s), 1.0), note) for text, s, note in zip(cut, share, notes, strict=True)]


def _by_probes(text: str, probes: Sequence[str]) -> list[Piece]:
    by_probe = near.probe_spans(text)
    spans = sorted((start, end, name) for name in probes for start, end in by_probe[name])
    pieces, at = [], 0
    for start, end, name in spans:
        # Of two that overlap the first is marked: a piece has one mark.
        if start < at:
            continue
        # Level 6 of 10, by eye: a span is there or not, and has no strength to show.
        pieces += [Piece(text[at:start], 0, ""), Piece(text[start:end], 6, name)]
        at = end
    return [piece for piece in [*pieces, Piece(text[at:], 0, "")] if piece.text]


def excerpt(shown: Answer, width: int = 420) -> str:
    """The surroundings of the first mark as plain text, marks between « and »."""
    text = "".join(f"«{seen(piece.text)}»" if piece.level else piece.text for piece in shown.pieces)
    # Neighbouring tokens have one pair of marks.
    text = text.replace("»«", "")
    # A third of the width before the first mark, as what follows is what it leads to. 420 are five or six lines.
    at = max(0, text.find("«") - width // 3)
    left = len(text) - at - width + shown.left_out
    return ("… " if at else "") + text[at : at + width] + (f" … ({left:,} more characters)" if left > 0 else "")


def seen(text: str) -> str:
    """White space that is marked is the point of the mark."""
    # A break is kept behind its sign, so that the text runs on as it does in the answer.
    return text.replace(" ", "·") if not text.strip(" ") else text.replace("\n", "⏎\n")
