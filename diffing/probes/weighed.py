"""A property as features with weights and a threshold: what an answer scores, and on which tokens it rests.

An answer's score is the weighted sum of how strongly it shows each feature, from 0 to 1: its peak as a share of a
peak that is high for the feature, and no more than 1. So no feature outweighs the others because its SAE's numbers
are large, and one loud token counts as one. Promises that the score of an answer hangs on the answer and the
property alone, so that it is the same in every study that the same reader has read; of another reader's answers
there is no score.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field, field_validator
from scipy import sparse

from diffing.common.arrays import Array, Floats, ranges
from diffing.common.errors import UserError
from diffing.common.step import Settings
from diffing.probes.rules import Span
from diffing.reader.encodings import Encodings

MOST = 500
"""Features of one property: above those that any choice gives."""


class Weighted(Settings):
    """One of the features."""

    feature: int = Field(ge=0)
    weight: float = Field(allow_inf_nan=False)
    top: float = Field(gt=0, allow_inf_nan=False)
    """The peak from which it counts in full."""


class Property(Settings):
    """What answers are searched for, as it is kept."""

    sentence: str = Field(min_length=1, max_length=300)
    reader: str = Field(min_length=1, max_length=200)
    """Key of the reader whose features these are."""
    features: tuple[Weighted, ...] = Field(min_length=1, max_length=MOST)
    threshold: float = Field(allow_inf_nan=False)
    """An answer that scores as much has the property."""
    set_by: Literal["feedback", "quantile"]
    """Whether people's yes and no set it, or a share of all answers."""
    chosen_by: str = Field(max_length=200)

    @field_validator("sentence", "chosen_by")
    @classmethod
    def _one_line(cls, text: str) -> str:
        return " ".join(text.split())

    @property
    def shown(self) -> str:
        return f"scores {self.threshold:.2f} or more on {len(self.features)} features for “{self.sentence}”"


class Weights(NamedTuple):
    """A property's features as arrays, ascending."""

    feature: Array
    weight: Floats
    top: Floats

    @classmethod
    def of(cls, features: Iterable[Weighted]) -> "Weights":
        ordered = sorted(features, key=lambda each: each.feature)
        columns = zip(*((each.feature, each.weight, each.top) for each in ordered), strict=True)
        feature, weight, top = columns
        return cls(np.array(feature, np.int64), np.array(weight, float), np.array(top, float))

    def contributions(self, peaks: sparse.csr_matrix) -> sparse.csr_matrix:
        """What each feature adds to the score of each row, in the order of `feature`."""
        own = peaks[:, self.feature].tocsr().astype(np.float64)
        own.data = np.minimum(own.data / self.top[own.indices], 1) * self.weight[own.indices]
        return own

    def scores(self, peaks: sparse.csr_matrix) -> Floats:
        return np.asarray(self.contributions(peaks).sum(axis=1), np.float64).ravel()


def places(kept: Property, encodings: Encodings, documents: Sequence[int]) -> list[list[Span]]:
    """Where each document has what speaks for the property; nothing where it scores under the threshold."""
    if encodings.reader_key != kept.reader:
        raise UserError(
            f"The features for “{kept.sentence}” are of another reader than has read these answers; search again "
            "and keep what is found."
        )
    weights = Weights.of(kept.features)
    size = (1, encodings.n_features)
    found: list[list[Span]] = []
    for document in documents:
        seen = encodings.summary(document)
        row = sparse.csr_matrix((seen.peaks, seen.feature, [0, len(seen.feature)]), size)
        has = weights.scores(row)[0] >= kept.threshold
        found.append(spans(encodings, document, weights) if has else [])
    return found


def spans(encodings: Encodings, document: int, weights: Weights) -> list[Span]:
    """Stretches of a document on which features fire that speak for it; of a summary the first place of each.

    The whole answer where none does: a property can be what an answer lacks.
    """
    value = marks(encodings, document, weights)
    _, where = encodings.places(document)
    on = np.flatnonzero(value > 0)
    # Tokens next to each other are one stretch.
    opens = np.flatnonzero(np.diff(on, prepend=-2) > 1)
    closes = np.append(opens[1:], len(on)) - 1
    stretches = [
        (int(where[on[first], 0]), int(where[on[last], 1]))
        for first, last in zip(opens.tolist(), closes.tolist(), strict=True)
    ]
    whole = [(0, int(where[:, 1].max()))] if len(where) else []
    return [(start, end) for start, end in stretches if start < end] or whole


def marks(encodings: Encodings, document: int, weights: Weights) -> Floats:
    """How much each token speaks for the property: the weighted strengths of what fires on it."""
    ids, _ = encodings.places(document)
    value = np.zeros(len(ids))
    speaks = np.flatnonzero(weights.weight > 0)
    weight, top, wanted = weights.weight[speaks], weights.top[speaks], weights.feature[speaks]
    if not encodings.positions(document):
        seen = encodings.summary(document)
        _, runs, which = np.intersect1d(seen.feature, wanted, assume_unique=True, return_indices=True)
        strength = np.minimum(seen.peaks[runs] / top[which], 1) * weight[which]
        np.add.at(value, np.asarray(seen.firsts)[runs].astype(np.int64), strength)
        return value
    record = encodings.encoding(document)
    _, runs, which = np.intersect1d(record.feature, wanted, assume_unique=True, return_indices=True)
    starts, count = record.starts(), record.count[runs].astype(np.int64)
    entries = ranges(starts[runs], count)
    of = np.repeat(which, count)
    strength = np.minimum(np.abs(record.values()[entries]) / top[of], 1) * weight[of]
    np.add.at(value, record.position[entries].astype(np.int64), strength)
    return value
