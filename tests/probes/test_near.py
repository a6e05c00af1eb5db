"""Nearness: which tokens lie at a probe's spans, and which probe a feature's active tokens fall on."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from diffing.probes import near, scan
from diffing.reader.records import Encoding


def test_two_tokens_on_either_side_of_a_span_are_near_it() -> None:
    tokens = np.array([[i, i + 1] for i in range(10)])
    there = near.near_tokens(tokens, {"a": [(4, 6)], "b": [(0, 1), (9, 10)], "c": [], "d": [(5, 6), (6, 7)]})
    assert [np.flatnonzero(column).tolist() for column in there.T] == [
        [2, 3, 4, 5, 6, 7],
        [0, 1, 2, 7, 8, 9],
        [],
        [3, 4, 5, 6, 7, 8],
    ]


def test_tokens_that_share_a_character_and_gaps_between_tokens_are_handled() -> None:
    tokens = np.array([[0, 2], [2, 3], [2, 3], [2, 3], [5, 6], [6, 7], [7, 8]])
    there = near.near_tokens(tokens, {"shared": [(2, 3)], "gap": [(3, 5)], "behind": [(8, 9)]})
    assert there.T.tolist() == [[True] * 6 + [False], [False, False, True, True, True, True, False], [False] * 7]


@settings(max_examples=60)
@given(st.data())
def test_nearness_equals_the_plain_definition(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 4), max_size=12))
    ends = np.cumsum(lengths, dtype=np.int64)
    tokens = np.stack([ends - lengths, ends], axis=1) if lengths else np.empty((0, 2), np.int64)
    size = int(ends[-1]) if lengths else 0
    cuts = sorted(data.draw(st.sets(st.integers(0, size), max_size=8)))
    spans = list(zip(cuts[::2], cuts[1::2], strict=False))
    plain = np.zeros((len(tokens), 1), bool)
    for start, end in spans:
        for hit in [i for i, (s, e) in enumerate(tokens) if s < end and e > start]:
            plain[max(0, hit - 2) : hit + 3] = True
    np.testing.assert_array_equal(near.near_tokens(tokens, {"it": spans}), plain)


class Store:
    """Encodings of texts whose tokens are single characters."""

    n_features = 10

    def __init__(self, texts: Sequence[str], fires: Sequence[dict[int, list[int]]]) -> None:
        self.records = [self.record(len(text), on) for text, on in zip(texts, fires, strict=True)]

    @staticmethod
    def record(n: int, on: dict[int, list[int]]) -> Encoding:
        runs = sorted(on.items())
        positions = [p for _, places in runs for p in places]
        return Encoding(
            ids=np.arange(n, dtype=np.uint32),
            spans=np.array([[i, i + 1] for i in range(n)], np.int32).reshape(-1, 2),
            feature=np.array([f for f, _ in runs], np.uint16),
            peak=np.ones(len(runs), np.float32),
            count=np.array([len(places) for _, places in runs], np.uint16),
            position=np.array(positions, np.uint16),
            code=np.empty(0, np.uint16),
        )

    def encoding(self, document: int) -> Encoding:
        return self.records[document]


def test_a_feature_is_tied_to_the_probe_its_active_tokens_fall_on() -> None:
    texts = ["abcdefgh  ijklmnop  qrs", "nothing to see here", "uvw! xyz abc  def"]
    fires = [{3: [8, 9, 18], 7: [0, 1]}, {7: [3, 4, 5], 9: [1]}, {3: [2, 13], 7: [9]}]
    store = Store(texts, fires)
    found = near.nearest(store, [7, 3, 5], [0, 1, 2], scan.scan(texts))
    # By hand: spaces at 8–9, 18–19 (tokens 6–11, 16–21) and 12–13 (10–15); the exclamation mark at 3 (1–5).
    assert found.tokens.to_dict() == {7: 6, 3: 5, 5: 0}
    assert found.share[["double spaces", "exclamation marks"]].to_numpy().tolist() == [[0, 0], [0.8, 0.2], [0, 0]]
    assert found.chance[["double spaces", "exclamation marks"]].to_numpy().tolist() == [18 / 59, 5 / 59]
    assert [found.words(feature) for feature in (7, 3, 5)] == ["", "double spaces:0.80", ""]


def test_nearness_is_over_the_documents_given() -> None:
    texts = ["a  b" + "x" * 20, "c  d" + "x" * 20]
    store = Store(texts, [{1: [1, 2, 3]}, {1: [20, 21, 22]}])
    first, second = (near.nearest(store, [1], [d], scan.scan([texts[d]])) for d in (0, 1))
    assert [first.words(1), second.words(1)] == ["double spaces:1.00", ""]
    assert near.nearest(store, [1], [], scan.scan([])).share.to_numpy().tolist() == [[0.0] * len(scan.PLACED)]
