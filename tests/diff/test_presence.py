"""What documents show: without a bar no activation is read and nothing is kept."""

from types import SimpleNamespace

import numpy as np

from diffing.diff import presence
from tests.fakes.documents import Documents

DENSE = np.array([[0.0, 3.0, 0.0], [1.0, 2.0, 0.0]])


class Counting(Documents):
    """Documents that count how often they are opened, and whose activations nobody may read."""

    def __init__(self) -> None:
        super().__init__([DENSE])
        self.opened = 0

    def encoding(self, document: int) -> SimpleNamespace:
        self.opened += 1
        found = super().encoding(document)
        found.values = self.refuse
        return found

    def refuse(self) -> None:
        raise AssertionError("activations were read")


def test_without_a_threshold_no_activation_is_read_and_nothing_is_kept() -> None:
    store = Counting()
    shown = presence.shown(store, np.arange(1))
    assert store.opened == 0
    for opened in (1, 2):
        one = shown.document(0)
        assert [one.feature.tolist(), one.counts.tolist()] == [[0, 1], [1, 2]]
        assert [one.firsts.tolist(), one.lasts.tolist(), one.peaks.tolist()] == [[1, 0], [1, 1], [1.0, 3.0]]
        assert store.opened == opened


def test_a_bar_is_a_threshold_or_a_share_of_the_strongest_activation_of_both_sides() -> None:
    store = Documents([DENSE, np.array([[0.0, 9.0, 0.0]])])
    above = presence.shown(store, np.arange(2), threshold=2.0).document(0)
    assert [above.feature.tolist(), above.counts.tolist(), above.firsts.tolist()] == [[1], [1], [0]]
    # The second document sets the bar of feature 1 to 4.5, which nothing in the first passes.
    share = presence.shown(store, np.arange(2), share_of_peak=0.5).document(0)
    assert [share.feature.tolist(), share.counts.tolist()] == [[0], [1]]
