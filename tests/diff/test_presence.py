"""What a document shows: with no bar as it is stored, with one only what lies above it."""

from dataclasses import dataclass

import numpy as np
import pytest

from diffing.common.arrays import Array
from diffing.diff import presence
from diffing.reader.records import Encoding
from diffing.reader.summaries import Document
from tests.fakes.documents import Documents

DENSE = np.array([[0.0, 3.0, 1.0], [2.0, 0.0, 1.0], [0.0, 4.0, 1.0]])
"""Tokens × features of a document."""


def columns(document: Document) -> list[list[float]]:
    return [
        array.tolist()
        for array in (document.feature, document.counts, document.firsts, document.lasts, document.peaks)
    ]


@dataclass(frozen=True, slots=True)
class Sealed(Encoding):
    """A record whose activations must not be asked for."""

    def values(self) -> Array:
        raise AssertionError("activations were read")


class Sealing(Documents):
    def encoding(self, document: int) -> Encoding:
        record = super().encoding(document)
        return Sealed(
            *(record.ids, record.spans, record.feature, record.peak, record.count, record.position, record.code)
        )


def test_a_threshold_of_0_reads_no_activation_and_keeps_nothing() -> None:
    shown = presence.shown(Sealing([DENSE]), np.arange(1))
    document = shown.document(0)
    assert columns(document) == [[0, 1, 2], [1, 2, 3], [1, 0, 0], [1, 2, 2], [2, 4, 1]]
    assert shown.document(0) is not document


@pytest.mark.parametrize(("threshold", "share"), [(1.0, 0.0), (0.0, 0.5), (3.0, 0.9)])
def test_only_what_lies_above_the_bar_is_shown(threshold: float, share: float) -> None:
    documents = Documents([DENSE, 2 * DENSE])
    bar = np.maximum(threshold, share * np.array([4.0, 8.0, 2.0]))
    shown = presence.shown(documents, np.arange(2), threshold, share)
    for number, dense in enumerate(documents.dense):
        over = dense > bar
        features = np.flatnonzero(over.any(axis=0))
        at = [np.flatnonzero(over[:, feature]) for feature in features]
        assert columns(shown.document(number)) == [
            features.tolist(),
            [len(tokens) for tokens in at],
            [tokens[0] for tokens in at],
            [tokens[-1] for tokens in at],
            dense.max(axis=0)[features].tolist(),
        ]


def test_codes_are_over_a_bar_where_values_are() -> None:
    random = np.random.default_rng(0)
    count = random.integers(1, 6, 300).astype(np.uint16)
    shared = np.repeat(count > 1, count)
    record = Encoding(
        ids=np.empty(0),
        spans=np.empty(0),
        feature=np.arange(300),
        peak=(random.gamma(2.0, 1.0, 300) * random.choice([-1, 1], 300)).astype(np.float32),
        count=count,
        position=np.empty(0),
        code=random.integers(0, 2**15, int(shared.sum())).astype(np.uint16),
        negative=random.random(int(count.sum())) < 0.3,
    )
    for bar in (np.zeros(300), random.gamma(2.0, 0.5, 300), np.full(300, 100.0)):
        bar = bar.astype(np.float32)
        np.testing.assert_array_equal(record.over(bar), np.abs(record.values()) > np.repeat(bar, count))
