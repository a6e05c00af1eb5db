"""Groups of tokens that rise together, by non-negative factors of what rose at the positions that were drawn.

How many there are is what two halves of the documents agree on best, and how well they agree is told; of a group
nothing more is promised. The factors have a fixed start, so that the same rows give the same groups again.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import linear_sum_assignment

from diffing.common.arrays import Array, Floats, Ints

WIDEST = 1000
"""Tokens that are grouped: those that rose most in all."""
ROUNDS = 100
"""Steps of the factors at most: what they explain hardly grows behind that."""
SHOWN = 20
"""Tokens of a topic that are kept."""
TOKENS = ("topic", "token", "weight")


class Topics(NamedTuple):
    tokens: pd.DataFrame
    """A row a topic's token, with its share in the topic."""
    facts: dict[str, Any]


def found(rows: dict[str, Array], blocks: Ints, most: int, seed: int) -> Topics:
    """Topics of the drawn rows; none where nothing rose, or where a half of the blocks has too few rows."""
    empty = pd.DataFrame({name: [] for name in TOKENS}).astype({"topic": int, "token": int, "weight": float})
    if not rows:
        return Topics(empty, {"count": 0})
    matrix, tokens = risen(rows["rose"], rows["rose_by"])
    first = blocks[rows["document"]] % 2 == 0
    halves = [matrix[part] for part in (first, ~first)]
    # A factor needs a row and a column of its own.
    most = min(most, *(min((half.getnnz(1) > 0).sum(), (half.getnnz(0) > 0).sum()) for half in halves))
    if most < 2:
        return Topics(empty, {"count": 0})
    agreed = {
        count: agreement(*(factors(half, count, seed)[1] for half in halves)) for count in range(2, most + 1)
    }
    count = max(agreed, key=lambda count: agreed[count])
    shares, topics = factors(matrix, count, seed)
    mass = shares.sum(0) * topics.sum(1)
    order = np.argsort(-mass, kind="stable")
    within = topics[order] / np.maximum(topics[order].sum(1, keepdims=True), 1e-300)
    best = np.argsort(-within, axis=1, kind="stable")[:, :SHOWN]
    table = pd.DataFrame(
        {
            "topic": np.repeat(np.arange(count), best.shape[1]),
            "token": tokens[best].ravel(),
            "weight": np.take_along_axis(within, best, axis=1).ravel(),
        }
    )
    spread = -(within * np.log(np.maximum(within, 1e-300))).sum(1)
    leads = np.bincount((shares * topics.sum(1)).argmax(1)[shares.sum(1) > 0], minlength=count)
    return Topics(
        table[table["weight"] > 0].reset_index(drop=True),
        {
            "count": count,
            "agreement": {str(number): value for number, value in agreed.items()},
            "mass": (mass[order] / mass.sum()).tolist(),
            "leads": (leads[order] / max(1, leads.sum())).tolist(),
            "concentration": (1 - spread / np.log(len(tokens))).tolist(),
        },
    )


def risen(token: Ints, by: Floats) -> tuple[sparse.csr_matrix, Ints]:
    """Positions × tokens, by how much each rose; and which tokens these are."""
    row = np.repeat(np.arange(len(token)), token.shape[1])
    used = by.ravel() > 0
    wide = int(token.max()) + 1
    matrix = sparse.csr_matrix(
        (by.ravel()[used], (row[used], token.ravel()[used])), (len(token), wide), dtype=float
    )
    # What rose at one position alone goes with nothing.
    often = np.flatnonzero(matrix.getnnz(0) > 1)
    total = np.asarray(matrix.sum(0))[0]
    kept = np.sort(often[np.argsort(-total[often], kind="stable")[:WIDEST]])
    return matrix[:, kept].tocsr(), kept


def factors(matrix: sparse.csr_matrix, count: int, seed: int) -> tuple[Floats, Floats]:
    """Rows × topics and topics × columns, whose product is nearest to the matrix by Kullback and Leibler."""
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    model = NMF(
        count,
        solver="mu",
        beta_loss="kullback-leibler",
        init="nndsvda",
        max_iter=ROUNDS,
        tol=1e-3,
        random_state=seed,
    )
    with warnings.catch_warnings():
        # The steps are bounded on purpose.
        warnings.simplefilter("ignore", ConvergenceWarning)
        shares: Floats = model.fit_transform(matrix)
    topics: Floats = model.components_
    return shares, topics


def agreement(one: Floats, other: Floats) -> float:
    """Mean cosine of two halves' topics, each beside the one that fits it best."""
    units = [part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-300) for part in (one, other)]
    cosines = units[0] @ units[1].T
    return float(cosines[linear_sum_assignment(-cosines)].mean())
