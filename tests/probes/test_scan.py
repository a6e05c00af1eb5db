"""Probes over many answers: a row a text, cuts that show no more than the whole, halves that make the whole."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from diffing.probes import scan
from diffing.probes.probes import PROBES
from tests.fakes.markup import LETTER, MARKUP


def test_the_table_has_a_row_a_text_and_a_column_a_probe() -> None:
    texts = [LETTER, "", "Plain words."]
    counts = scan.table(texts)
    expected = pd.DataFrame([{n: PROBES[n].count(text) for n in counts.columns} for text in texts])
    pd.testing.assert_frame_equal(counts, expected)
    assert set(counts.columns) == set(PROBES)
    assert scan.table([]).shape == (0, len(PROBES))


def test_a_cut_counts_the_spans_that_reach_into_it() -> None:
    text = "Sure. **one** two **three**"
    scanned = scan.scan([text, text])
    columns = ["bold", "assenting opening", "characters", "words"]
    first = scanned.counts(end=np.array([8, 27]))[columns]
    last = scanned.counts(start=np.array([8, 14]))[columns]
    assert first.values.tolist() == [[1, 1, 8, 2], [2, 1, 27, 4]]
    assert last.values.tolist() == [[2, 0, 19, 3], [1, 0, 13, 2]]


@settings(max_examples=50)
@given(MARKUP, st.integers(0, 200), st.integers(0, 200))
def test_a_cut_shows_nothing_that_the_whole_does_not(text: str, start: int, end: int) -> None:
    scanned = scan.scan([text])
    cut = scanned.counts(np.array([start]), np.array([end]))
    assert (cut <= scanned.counts()).all(axis=None)


def test_a_scan_of_some_texts_is_the_scan_of_those_texts() -> None:
    texts = [LETTER, "", "**a** b", "c!"]
    some, fresh = scan.scan(texts).of(np.array([3, 0, 1])), scan.scan([texts[3], texts[0], texts[1]])
    pd.testing.assert_frame_equal(some.counts(), fresh.counts())
    assert [some.start.tolist(), some.probe.tolist()] == [fresh.start.tolist(), fresh.probe.tolist()]
