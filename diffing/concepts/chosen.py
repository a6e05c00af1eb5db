"""A sentence turned into weighted features: by labels, by a model, by an embedding of labels, or by examples.

Whoever names a property or an axis begins here; what is then done with the features does not ask how they were
chosen. Promises that every feature says why it is there and whose label spoke for it. A label is a hypothesis,
so a choice by labels is one too: only `by_examples` has looked at what the features do in these answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import xlogy

from diffing import labels
from diffing.common.arrays import Array, Floats
from diffing.common.errors import UserError
from diffing.common.step import Progress
from diffing.common.words import share
from diffing.concepts import bm25, embedding, picking
from diffing.concepts.matrix import Matrix, shown
from diffing.labels import mentions
from diffing.labels.history import Label
from diffing.models.questions import Asking
from diffing.study.study import Study

By = Literal["labels", "embedding", "model", "examples"]
MOST = 100
"""Features of one choice by labels, as in the published recipe."""
OF_EXAMPLES = 30
"""Features of one choice by examples. Of 10, 30, 100 and 300 the best to rank by (`bench/retrieval.py`): a few
examples show many features by chance."""
STEEP = 2.0
"""Power of a label's score in its weight: the tail of a ranking of labels shares a word and little else."""
SHRINKAGE = 2.0
"""Answers that the share of all answers counts for beside the examples: with five of them, a feature that all show
and nobody else gets a share of 0.7."""
LEAST = 3
"""Answers that must show a feature: what one or two show stands out in any set that holds them."""
NULLS, LEVEL = 200, 0.95
"""Random sets of examples, and the share of them whose strongest feature one must pass to stand out."""


@dataclass(frozen=True)
class Chosen:
    """Features that speak for a sentence, the strongest first."""

    sentence: str
    by: By
    features: pd.DataFrame
    """`feature, weight, label, why`; negative weights speak against it."""
    beyond_null: int | None = None
    """By examples: how many features stand out more than the strongest of random sets of as many."""
    cost: float | None = None
    """By a model: the dollars that picking took; None where nobody told."""

    @property
    def weights(self) -> dict[int, float]:
        return dict(zip(self.features["feature"].tolist(), self.features["weight"].tolist(), strict=True))


def by_labels(study: Study, sentence: str, most: int = MOST) -> Chosen:
    """By the words that labels share with the sentence (BM25); the best label weighs 1."""
    known = usable(study)
    numbers = [*known]
    scores = bm25.Index([_said(known[each]) for each in numbers]).scores(_asked(sentence))
    words = set(bm25.terms(sentence))
    rows = [
        (number, score, _shared(known[number], words))
        for number, score in zip(numbers, scores.tolist(), strict=True)
        if score > 0
    ]
    if not rows:
        raise UserError(
            f"No label of study '{study.name}' shares a word with “{sentence}”; say it in other words, or "
            "choose by examples."
        )
    return _of_labels(sentence, "labels", rows, known, most)


def by_embedding(study: Study, sentence: str, model: str = embedding.MODEL, most: int = MOST) -> Chosen:
    """By the likeness of labels to the sentence in a Sentence-Transformers model, which must be installed."""
    known = usable(study)
    numbers = [*known]
    likeness = embedding.likeness(_asked(sentence), [_said(known[each]) for each in numbers], model)
    rows = [
        (number, score, f"{score:.2f} alike in {model}")
        for number, score in zip(numbers, likeness.tolist(), strict=True)
        if score > 0
    ]
    return _of_labels(sentence, "embedding", rows, known, most)


def by_model(study: Study, sentence: str, asking: Asking, progress: Progress, most: int = MOST) -> Chosen:
    """By a language model that picks from labels; `picking.estimate` says first what that takes."""
    known = usable(study)
    picked, spent = picking.pick(
        _asked(sentence), {number: _said(label) for number, label in known.items()}, asking, progress
    )
    rows = [(one.feature, float(one.fits), f"picked by {asking.who}: {one.why}") for one in picked]
    if not rows:
        raise UserError(f"{asking.who} picked no feature for “{sentence}”; say it in other words.")
    return replace(_of_labels(sentence, "model", rows, known, most), cost=spent.cost)


def usable(study: Study) -> dict[int, Label]:
    """Labels that say something; a `UserError` where there are none."""
    known = {
        n: label for n, label in labels.current(study).items() if label.label and not mentions.unclear(label.label)
    }
    if not known:
        raise UserError(
            f"The features of study '{study.name}' have no labels yet; import some or write them with "
            f"`python -m diffing label {study.name}`, or choose by examples."
        )
    return known


def _asked(sentence: str) -> str:
    if not sentence.strip():
        raise UserError("There is nothing to look for; say in a few words what answers do.")
    return sentence


def _said(label: Label) -> str:
    return f"{label.label}. {label.description}" if label.description else label.label


def _shared(label: Label, words: set[str]) -> str:
    said = dict.fromkeys(word for word in bm25.WORD.findall(_said(label).lower()) if bm25.stem(word) in words)
    return "its label says " + ", ".join(f"“{word}”" for word in said)


def _of_labels(
    sentence: str, by: By, rows: Sequence[tuple[int, float, str]], known: Mapping[int, Label], most: int
) -> Chosen:
    best = sorted(rows, key=lambda row: (-row[1], row[0]))[:most]
    top = best[0][1] if best else 1.0
    table = pd.DataFrame(
        [
            (number, (score / top) ** STEEP, known[number].label, f"{why} (label by {known[number].author})")
            for number, score, why in best
        ],
        columns=["feature", "weight", "label", "why"],
    )
    return Chosen(sentence, by, table)


def by_examples(
    matrix: Matrix,
    yes: Array | Sequence[int],
    no: Array | Sequence[int] = (),
    sentence: str = "",
    known: Mapping[int, Label] | None = None,
    most: int = OF_EXAMPLES,
    seed: int = 0,
) -> Chosen:
    """By what example answers (rows of the matrix) show more or less often than the rest.

    The weight is the log of the odds ratio, with both shares pulled to that of all answers, times how much
    likelier two shares are than one, by which features are ordered. Answers that were said not to have the
    property count as much as all the rest. The null draws as many examples at random.
    """
    mine, others = np.unique(np.asarray(yes, np.int64)), np.unique(np.asarray(no, np.int64))
    if not len(mine):
        raise UserError("There is no example of an answer that has it; name at least one.")
    if len(np.intersect1d(mine, others)):
        raise UserError("One answer is named as having it and as not having it; take it out of one list.")
    if len(mine) == len(matrix.answers):
        raise UserError("All answers are examples, and none is left to hold them against; name some of them.")
    contrast = _Contrast(shown(matrix).astype(np.float32), others)
    odds, strength = contrast.of(mine)
    random = np.random.default_rng([seed, 21])
    pool = np.setdiff1d(np.arange(len(matrix.answers)), others)
    drawn = (random.choice(pool, min(len(mine), len(pool)), replace=False) for _ in range(NULLS))
    null = np.array([np.abs(contrast.of(rows)[1]).max() for rows in drawn])
    bar = float(np.quantile(null, LEVEL))
    order = np.lexsort([np.arange(len(odds)), -np.abs(strength)])[:most]
    order = order[strength[order] != 0]
    here = contrast.shares(mine)
    rows = [
        (
            int(f),
            float(odds[f] * np.abs(strength[f])),
            known[f].label if known and f in known else f"feature {f}",
            f"{share(here[f])} of examples show it, {share(contrast.everywhere[f])} of all",
        )
        for f in order.tolist()
    ]
    table = pd.DataFrame(rows, columns=["feature", "weight", "label", "why"])
    return Chosen(sentence, "examples", table, int((np.abs(strength) > bar).sum()))


class _Contrast:
    """Example answers held against the rest, feature by feature."""

    def __init__(self, shows: sparse.csr_matrix, no: Array) -> None:
        self._shows, self._no = shows, _sum(shows[no]) if len(no) else None
        self._n_no = len(no)
        self._total = _sum(shows)
        self.everywhere = self._total / max(shows.shape[0], 1)
        # Never 0 or 1: what nobody or everybody shows has odds, too.
        self._prior = (self._total + 0.5) / (shows.shape[0] + 1)

    def shares(self, rows: Array) -> Floats:
        return _sum(self._shows[rows]) / len(rows)

    def of(self, yes: Array) -> tuple[Floats, Floats]:
        """Log odds ratio of every feature, and its strength: the signed root of the likelihood ratio."""
        mine, n = _sum(self._shows[yes]), len(yes)
        rest, n_rest = self._total - mine, self._shows.shape[0] - n
        there = self._odds(rest, n_rest)
        strength = _root(mine, n, rest, n_rest)
        if self._no is not None:
            there = (there + self._odds(self._no, self._n_no)) / 2
            strength = (strength + _root(mine, n, self._no, self._n_no)) / np.sqrt(2)
        return self._odds(mine, n) - there, np.where(self._total >= LEAST, strength, 0.0)

    def _odds(self, count: Floats, size: int) -> Floats:
        rate = (count + SHRINKAGE * self._prior) / (size + SHRINKAGE)
        return np.asarray(np.log(rate / (1 - rate)))


def _root(left: Floats, n_left: int, right: Floats, n_right: int) -> Floats:
    """How much likelier two shares are than one: not a Wald score, which falls again where one of them is 0."""
    both = (left + right) / (n_left + n_right)
    ratio = sum(
        xlogy(part, np.maximum(part, 1e-300) / (size * np.clip(rate, 1e-300, None)))
        for count, size in ((left, n_left), (right, n_right))
        for part, rate in ((count, both), (size - count, 1 - both))
    )
    return np.asarray(np.sign(left / n_left - right / n_right) * np.sqrt(np.maximum(2 * ratio, 0)))


def _sum(rows: sparse.csr_matrix) -> Floats:
    return np.asarray(rows.sum(axis=0), np.float64).ravel()
