"""How well an answer's features tell which checkpoint wrote it: a cross-validated AUC and its permutation null.

A ridge classifier on standardised presence, folds by prompt, so that no prompt is both learned from and judged.
One answer a side and prompt is used; where both are the same text there is nothing to tell, and the pair is left
out and counted. Promises a null that keeps prompts whole: it exchanges the sides of each prompt by a coin and
repeats the whole cross-validation. Promises too that equal scores are equal on every processor.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from diffing.common.arrays import Array, Bools, Floats, Ints
from diffing.common.words import count
from diffing.diff.pairing import Pairing
from diffing.diff.presence import Shown

FOLDS = 5
"""As is usual: each fit learns from four prompts in five."""
LEAST = 10
"""Prompts below which nothing is said: two to a fold."""
WIDTH = 8192
"""Columns that the features are hashed into when there are more.

Inner products then err by about 1.6 % of an answer's product with itself, the root of 2 / 8192, and a table of
1,000 answers takes 64 MB.
"""
LIMIT = 500
"""Prompts that are used at most, drawn by the seed.

With 500 an AUC has a standard error of about two points at most, and the time of a fit grows with their cube.
"""

TIE = 1e-9
"""Scores that are no further apart are equal. Labels are 1 and -1, and so scores of that size: rounding moves them
by some 1e-13, and answers that do not show the same features hardly come this close."""


class Separability(NamedTuple):
    """How far apart the two checkpoints are by all features together."""

    auc: float
    """Chance that a random answer of B scores above a random answer of A; NaN where it cannot be told."""
    paired: float
    """The same for the two answers to one prompt."""
    null_mean: float
    null_high: float
    """The AUC that one permutation in twenty exceeds."""
    p: float
    prompts: int
    """Those with answers that are not the same text."""
    permutations: int
    reason: str = ""
    """Why it cannot be told; empty where it can."""


class Apart(NamedTuple):
    """What it was found from, so that it can be asked what else tells the sides apart."""

    figures: Separability
    pairs: Ints
    """Those that were used."""
    inner: Floats
    """Of their answers, A's and then B's, over all features."""


def separability(shown: Shown, pairing: Pairing, seed: int, permutations: int = 200) -> Separability:
    """Separability of the pairing's sides, from the first draw of each prompt."""
    return apart(shown, pairing, seed, permutations).figures


def apart(shown: Shown, pairing: Pairing, seed: int, permutations: int) -> Apart:
    """The same, with what it was found from."""
    # A stream of its own beside that of groups (5): what one draws does not move the other.
    random = np.random.default_rng([seed, 3])
    different = np.flatnonzero(~pairing.identical)
    # The first pair of each prompt that is not one text twice; pairs come by prompt.
    first = different[np.unique(pairing.row[different], return_index=True)[1]]
    if len(first) > LIMIT:
        first = np.sort(random.choice(first, LIMIT, replace=False))
    n = len(first)
    if n < LEAST:
        reason = _reason(n, len(pairing.prompts))
        return Apart(
            Separability(np.nan, np.nan, np.nan, np.nan, np.nan, n, 0, reason), first, np.zeros((2 * n, 2 * n))
        )
    inner = _inner_products(shown, np.concatenate([pairing.a[first], pairing.b[first]]), random)
    # Labels of A's answers: minus one as they are, then with the sides of some prompts exchanged.
    label = np.where(random.random((n, permutations + 1)) < 0.5, 1.0, -1.0)
    label[:, 0] = -1.0
    fold = random.permutation(np.arange(n) % FOLDS)
    aucs, pairs = np.zeros(permutations + 1), np.zeros(permutations + 1)
    for number in range(FOLDS):
        score, truth = _judged(inner, label, fold == number)
        share = np.mean(fold == number)
        aucs += _auc(score, truth) / FOLDS
        half = len(score) // 2
        margin = (score[half:] - score[:half]) * truth[half:]
        pairs += share * (np.mean(margin > 0, axis=0) + np.mean(margin == 0, axis=0) / 2)
    null = aucs[1:]
    figures = Separability(
        auc=float(aucs[0]),
        paired=float(pairs[0]),
        null_mean=float(null.mean()),
        null_high=float(np.quantile(null, 0.95)),
        # An AUC is a mean of whole numbers' quotients: equal ones may differ in the last digits.
        p=float((1 + np.sum(null >= aucs[0] - 1e-12)) / (1 + permutations)),
        prompts=n,
        permutations=permutations,
    )
    return Apart(figures, first, inner)


class Carried(NamedTuple):
    """How well a classifier that learned on discovery prompts tells held-out answers apart, by what it saw."""

    everything: float
    """All features; NaN of each where too few prompts of either kind differ."""
    these: float
    """Some columns alone."""
    rest: float
    """All features, less what a line over these columns says of each."""
    prompts: int
    """Held-out ones."""


def carried(found: Apart, columns: Floats, pairing: Pairing) -> Carried:
    """How much of what tells the sides apart some columns carry; `columns` is the pairing's answers × them."""
    held = pairing.prompts["split"].to_numpy()[pairing.row[found.pairs]] == "held-out"
    if min(held.sum(), (~held).sum()) < LEAST:
        return Carried(np.nan, np.nan, np.nan, int(held.sum()))
    table = columns[np.concatenate([pairing.a[found.pairs], pairing.b[found.pairs]])]
    table = table - table.mean(axis=0)
    spread = table.std(axis=0)
    table = table[:, spread > 1e-9] / spread[spread > 1e-9]
    # Learned on discovery prompts as everything here: from all of them it would take the sides' own means out.
    learned = np.linalg.pinv(table[np.tile(~held, 2)], rcond=1e-9)
    left = np.eye(len(table))
    left[:, np.tile(~held, 2)] -= table @ learned
    label = -np.ones((len(held), 1))
    told = []
    for inner in (found.inner, table @ table.T, left @ found.inner @ left.T):
        score, truth = _judged(inner.copy(), label, held)
        told.append(float(_auc(score, truth)[0]))
    return Carried(told[0], told[1], told[2], int(held.sum()))


def _reason(differing: int, prompts: int) -> str:
    if prompts and not differing:
        return "all answers are identical on both sides"
    few = f"only {count(differing, 'prompt')} of the {LEAST} that it takes"
    return f"{few} have answers that are not identical" if prompts >= LEAST else f"there are {few}"


def _inner_products(shown: Shown, documents: Array, random: np.random.Generator) -> Floats:
    """Documents x documents over centred features of unit variance."""
    shows = [shown.document(document).feature for document in documents.tolist()]
    share = np.zeros(shown.n_features)
    for feature in shows:
        share[feature] += 1 / len(documents)
    deviation = np.sqrt(np.maximum(share * (1 - share), 0))
    # What every answer shows, or none, tells no side: 0 but for rounding, and no divisor.
    scale = np.divide(1.0, deviation, out=np.zeros(len(share)), where=deviation > 1e-6)
    width = min(WIDTH, shown.n_features)
    if width < shown.n_features:
        # By signs of a coin, so that features which share a column add noise and no bias.
        column = random.integers(0, width, shown.n_features)
        scale *= random.choice([-1.0, 1.0], shown.n_features)
    else:
        column = np.arange(width)
    table = np.empty((len(documents), width), dtype=np.float64)
    for row, feature in enumerate(shows):
        # Features that share a column add up.
        table[row] = np.bincount(column[feature], weights=scale[feature], minlength=width)
    table -= table.mean(axis=0)
    return np.asarray(table @ table.T)


def _judged(inner: Floats, label: Floats, held: Bools) -> tuple[Floats, Floats]:
    """Scores of the held prompts' answers by a ridge fitted on the others, and their labels."""
    train, test = np.flatnonzero(np.tile(~held, 2)), np.flatnonzero(np.tile(held, 2))
    truth = np.concatenate([label, -label])
    kernel = inner[np.ix_(train, train)]
    # A penalty as large as an average answer: nothing is tuned, so nothing leaks. Answers that are all alike have
    # products of zero, and a little keeps the matrix positive.
    kernel[np.diag_indices_from(kernel)] += max(float(np.trace(kernel)) / len(kernel), 1e-9)
    weight = cho_solve(cho_factor(kernel, lower=True, check_finite=False), truth[train], check_finite=False)
    score = inner[np.ix_(test, train)] @ weight
    return _tied(score), truth[test]


def _tied(score: Floats) -> Floats:
    """Each column with scores that only rounding keeps apart made equal: to the lowest of each run of such."""
    order = np.argsort(score, axis=0)
    ascending = np.take_along_axis(score, order, axis=0)
    begins = np.diff(ascending, axis=0, prepend=-np.inf) > TIE
    lowest = np.maximum.accumulate(np.where(begins, ascending, -np.inf), axis=0)
    tied = np.empty_like(score)
    np.put_along_axis(tied, order, lowest, axis=0)
    return tied


def _auc(score: Floats, truth: Floats) -> Floats:
    """The Mann-Whitney AUC of each column, ties counting half."""
    # Each prompt's two answers have opposite labels, so half of the answers are of either.
    half = len(score) // 2
    ranks = _ranks(score)
    rank_sum = np.sum(np.where(truth > 0, ranks, 0.0), axis=0)
    return np.asarray((rank_sum - half * (half + 1) / 2) / half**2)


def _ranks(score: Floats) -> Floats:
    """Each column's ranks from 1 up; equal scores share the mean of theirs."""
    # By hand, as `scipy.stats` takes a second to import, and pages read what is stored here.
    ordered = np.sort(score, axis=0)
    sides = [
        np.column_stack([np.searchsorted(ordered[:, i], score[:, i], side) for i in range(score.shape[1])])
        for side in ("left", "right")
    ]
    return np.asarray((sides[0] + sides[1] + 1) / 2)
