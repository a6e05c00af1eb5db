"""Answers × features of a study as one sparse table: what search, groups and maps all begin from.

An answer is a row that the reader has read and whose prompt is asked; its own tokens alone are in it. Promises
that what is kept of an answer as a summary gives the same row as its positions would. Knows no sides beyond
their name.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from diffing.common.arrays import Array
from diffing.common.errors import UserError
from diffing.diff.stored import DiffSettings
from diffing.reader.encodings import Encodings
from diffing.study.study import Study

BLOCK = 500
"""Answers whose rows are read before they are joined: some megabytes each."""
SHARE = DiffSettings().share_of_peak
"""The bar of a diff: a feature is shown where it is above so much of its strongest activation."""
ANSWER = ["prompt_id", "checkpoint", "draw", "category", "split", "tokens", "document"]


@dataclass(frozen=True)
class Matrix:
    """Rows are answers, columns the reader's features."""

    answers: pd.DataFrame
    """A row an answer: `prompt_id, checkpoint, draw, category, split, tokens`, and `document`, its number among
    the
    study's encodings. Its index is 0 … n-1."""
    peaks: sparse.csr_matrix
    """Size of each feature's strongest activation, float32."""
    counts: sparse.csr_matrix
    """On how many of the answer's tokens it is active, int32."""

    def only(self, rows: Array) -> "Matrix":
        """Some of the answers, by number or as truth values."""
        kept = np.flatnonzero(rows) if np.asarray(rows).dtype == bool else np.asarray(rows, np.int64)
        answers = self.answers.iloc[kept].reset_index(drop=True)
        return Matrix(answers, self.peaks[kept], self.counts[kept])


def of(study: Study, checkpoints: Sequence[str] | None = None) -> Matrix:
    """What the study's reader saw in its answers; of some checkpoints alone where they are named."""
    keys = [study.checkpoint(key).key for key in checkpoints or [each.key for each in study.checkpoints]]
    encodings = Encodings.open(study)
    answers = _answers(study, encodings, keys)
    if answers.empty:
        raise UserError(
            f"The reader has read no answer of {', '.join(keys)} in study '{study.name}'; run "
            f"`python -m diffing encode {study.name}`."
        )
    shape = (len(answers), encodings.n_features)
    blocks = [
        _block(encodings, answers["document"].to_numpy()[start : start + BLOCK])
        for start in range(0, len(answers), BLOCK)
    ]
    features, peaks, counts, sizes = (np.concatenate(part) for part in zip(*blocks, strict=True))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    return Matrix(
        answers,
        sparse.csr_matrix((peaks, features, starts), shape),
        sparse.csr_matrix((counts, features, starts), shape),
    )


def _answers(study: Study, encodings: Encodings, keys: Sequence[str]) -> pd.DataFrame:
    documents = encodings.documents
    asked = study.prompts().set_index("id")
    asked = asked[asked["active"]]
    kept = (
        (documents["error"] == "") & documents["checkpoint"].isin(keys) & documents["prompt_id"].isin(asked.index)
    )
    rows = documents[kept]
    about = asked.loc[rows["prompt_id"], ["category", "split"]].reset_index(drop=True)
    table = rows.assign(document=rows.index).reset_index(drop=True)
    return pd.concat([table, about], axis=1)[ANSWER]


def _block(encodings: Encodings, documents: Array) -> tuple[Array, Array, Array, Array]:
    """Features, peaks and counts of some answers one behind another, and how many each has."""
    shown = list(encodings.summaries(documents))
    return (
        np.concatenate([one.feature for one in shown]).astype(np.int32),
        np.concatenate([one.peaks for one in shown]).astype(np.float32),
        np.concatenate([one.counts for one in shown]).astype(np.int32),
        np.array([len(one.feature) for one in shown], np.int64),
    )


def shown(matrix: Matrix, share: float = SHARE) -> sparse.csr_matrix:
    """Which answers show which features: above a share of the feature's strongest activation in these answers."""
    peaks = matrix.peaks
    # Not scipy's `max`, which takes many times as long.
    strongest = np.zeros(peaks.shape[1], np.float32)
    np.maximum.at(strongest, peaks.indices, peaks.data)
    over = peaks.data > np.float32(share) * strongest[peaks.indices]
    before = np.concatenate([[0], np.cumsum(over)])
    return sparse.csr_matrix(
        (np.ones(int(before[-1]), bool), peaks.indices[over], before[peaks.indptr]), peaks.shape
    )
