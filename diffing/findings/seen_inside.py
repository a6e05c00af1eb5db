"""What was seen from inside, held against the answers: which clues these show too, and how one becomes a finding.

A word, a phrase or a habit can be counted in answers. A direction, a place where the stream moves and a module
cannot: their name is no sentence about answers, so they stay clues. Promises that only what stands above its nulls
becomes a finding, that this says what is counted in answers and nothing of weights, and that clues which are shown
beside each other are corrected for together. Loads no model.
"""

import re
from collections import Counter
from typing import Any, NamedTuple

import pandas as pd

from diffing.common.errors import UserError
from diffing.findings import brief, counting, findings, votes
from diffing.findings.counting import Counted
from diffing.findings.findings import Finding, Side
from diffing.findings.predicates import Predicate
from diffing.probes import symbols
from diffing.probes.phrases import Phrase
from diffing.probes.probes import PROBES
from diffing.study import plain, responses
from diffing.study.study import Study
from diffing.whitebox.sight import clues, seen
from diffing.whitebox.sight.clues import Clue
from diffing.whitebox.sight.seen import Inside

WRITTEN = ("token", "word", "phrase")
"""Kinds of evidence whose text can stand in an answer as it is."""
HABIT = "habit"
"""The kind whose text is a surface probe's name."""
ON_ONE_LINE = "↵⇥␣"
"""Marks by which a text is told on one line: it is not written so."""
WORD = re.compile(r"\w+(?:['’]\w+)*")


class Held(NamedTuple):
    """A clue, and what answers to held-out prompts show of it."""

    clue: Clue
    predicate: Predicate | None
    """What counts it; None where nothing can."""
    counted: Counted | None = None
    within: str = ""
    """A word that holds it, where discovery answers have it only inside of others."""

    @property
    def words(self) -> str:
        """What the answers say to it, in a clause."""
        if self.predicate is None:
            return "cannot be counted in answers"
        if self.within:
            return f"in these answers only inside other words, such as {clues.quoted(self.within)}"
        if self.counted is None or not self.counted.prompts:
            return "not counted: there are no answers to new (held-out) prompts"
        if not self.counted.a and not self.counted.b:
            return "not seen in these answers"
        sign = sign_of(self.clue)
        verdict = "not settled by answers"
        if self.counted.holds(sign):
            verdict = "answers show it too"
        elif self.counted.contrary(sign):
            verdict = "answers show the contrary"
        return f"{verdict}: {self.counted.words}"


class Made(NamedTuple):
    """A finding that was asked for."""

    finding: Finding
    new: bool
    """Whether it did not stand there before."""


def sign_of(clue: Clue) -> int:
    """The sign of B minus A in answers, if they show what is seen inside."""
    return -1 if clue.less else 1


def predicate_of(clue: Clue) -> Predicate | None:
    """What counts a clue in answers; None where nothing can."""
    kinds = {figure.kind.removesuffix(" less") for figure in clue.figures if figure.above or not clue.above}
    if HABIT in kinds and clue.text in PROBES:
        return Predicate.of_probe(clue.text)
    if not kinds & {*WRITTEN} or any(mark in clue.text for mark in ON_ONE_LINE):
        return None
    read = symbols.read([clue.text])
    signs = tuple(read.names[number] for number in read.folded)
    return Predicate.of_phrase(Phrase("anywhere", signs, clue.text)) if signs else None


def lacking(study: Study, a: str = "", b: str = "") -> str:
    """Why no clue can be counted, in a sentence; empty where one can."""
    try:
        pairs = _pairs(study, *study.sides(a, b))
    except UserError as error:
        return str(error)
    if len(pairs):
        return ""
    return (
        f"Study '{study.name}' has no answers of both checkpoints to count a clue in; collect them first: "
        f"weights can be asked like any other ('collect {study.name}')."
    )


def _pairs(study: Study, a: str, b: str) -> pd.DataFrame:
    """The pairs of answers that count, of the plain checkpoints."""
    return responses.kept(study.pairs(*plain.sides(study, a, b)))


def held(study: Study, found: Inside) -> tuple[Held, ...]:
    """The clues above their nulls with what answers show of each, corrected over all that are counted here."""
    above = [clue for clue in found.clues if clue.above]
    predicates = [predicate_of(clue) for clue in above]
    known = [each for each in predicates if each is not None]
    if not known or lacking(study, found.base, found.variant):
        return tuple(Held(clue, each) for clue, each in zip(above, predicates, strict=True))
    sides = plain.sides(study, found.base, found.variant)
    counts = iter(counting.count(study, *sides, known))
    words = _words(study, *sides)
    return tuple(
        Held(clue, each, next(counts) if each is not None else None, _within(words, clue, each))
        for clue, each in zip(above, predicates, strict=True)
    )


def _words(study: Study, a: str, b: str) -> Counter[str]:
    """How often discovery answers have each word, in small letters."""
    prompts = study.prompts()
    mine = _pairs(study, a, b)
    mine = mine[mine["prompt_id"].isin(prompts.loc[prompts["split"] == "discovery", "id"])]
    texts = [*mine["text_a"], *mine["text_b"]]
    return Counter(word for text in texts for word in WORD.findall(symbols.folded(text)))


def _within(words: Counter[str], clue: Clue, predicate: Predicate | None) -> str:
    """The word that holds a piece of a word most often; empty where the clue stands by itself, or nowhere."""
    piece = symbols.folded(clue.text)
    if predicate is None or not WORD.fullmatch(piece) or piece in words:
        return ""
    holding = {word: number for word, number in words.items() if piece in word}
    # Of equals the first in order, so that the same answers name the same word.
    return min(holding, key=lambda word: (-holding[word], word), default="")


def make(study: Study, text: str, author: str, a: str = "", b: str = "", less: bool | None = None) -> Made:
    """Write down as a finding that answers hold what a clue names; a `UserError` says why it cannot be one.

    `less`: which one is meant where some methods see more of it inside and others less; the stronger unless told.
    """
    found = seen.of(study, a, b)
    clue = named(found, text, less)
    if not clue.above:
        raise UserError(f"{clue.said.rstrip('.')}; only what stands above its nulls becomes a finding.")
    predicate = predicate_of(clue)
    if predicate is None:
        raise UserError(
            f"{clues.quoted(clue.text)} cannot be counted in answers and stays a clue; say what answers do, with "
            "something to count ('findings … --add … --count …')."
        )
    if why := lacking(study, found.base, found.variant):
        raise UserError(why)
    if word := _within(_words(study, *plain.sides(study, found.base, found.variant)), clue, predicate):
        raise UserError(
            f"{clues.quoted(clue.text)} stands in these answers only inside other words, such as "
            f"{clues.quoted(word)}; count the word that you mean ('findings … --count words:{word}')."
        )
    side: Side = "a" if clue.less else "b"
    with study.held():
        known = _said(study, found, predicate.shown, side)
        if known is not None:
            return Made(_noted(study, known, found, clue, author), new=False)
        made = findings.add(
            study,
            predicate.shown,
            side,
            a=found.base,
            b=found.variant,
            origin="inside",
            author=author,
            predicate=predicate,
            held_out_seen=votes.held_out_seen(study, author),
            evidence=_rests_on(found, clue),
        )
    return Made(made, new=True)


def named(found: Inside, text: str, less: bool | None = None) -> Clue:
    """The clue of a name, the strongest where more and less of it are two."""
    wanted = " ".join(text.split()).casefold()
    for clue in found.clues:
        if " ".join(clue.text.split()).casefold() == wanted and less in (None, clue.less):
            return clue
    known = ", ".join(clues.quoted(clue.text) for clue in found.clues if clue.above) or "nothing"
    raise UserError(
        f"'{text[:80]}' was not seen inside '{found.base}' and '{found.variant}' of study '{found.study}'; what "
        f"stands above all nulls is {known}."
    )


def _said(study: Study, found: Inside, claim: str, side: Side) -> Finding | None:
    """The finding of the same words and side, whoever wrote it: counted twice it would be corrected for twice."""
    mine = (each for each in findings.load(study) if (each.a, each.b) == (found.base, found.variant))
    return next((each for each in mine if each.side == side and each.claim.lower() == claim.lower()), None)


def _noted(study: Study, finding: Finding, found: Inside, clue: Clue, author: str) -> Finding:
    titles = [found.method(name).title for name in clue.methods]
    text = f"Also {brief.from_inside(titles, clue.nulls)}."
    there = finding.origin == "inside" or any(note.text == text for note in finding.notes)
    return finding if there else findings.note(study, finding.id, text, author)


def _rests_on(found: Inside, clue: Clue) -> dict[str, Any]:
    """What a finding keeps of its clue: `brief.from_inside` words it."""
    seen_by = [found.method(name) for name in clue.methods]
    return {
        "clue": clue.text,
        "less": clue.less,
        "methods": [each.title for each in seen_by],
        "nulls": clue.nulls,
        "results": [each.place.name for each in seen_by],
    }
