"""The column that says which probes a feature goes with: what is written is read."""

from diffing.labels import contradictions
from diffing.probes import near
from diffing.probes.near import Tie


def test_what_the_column_says_is_read_again() -> None:
    ties = [Tie("double spaces", 0.96), Tie("numbered items", 0.1)]
    assert near.column(ties) == "double spaces:0.96; numbered items:0.10"
    assert near.read_column(near.column(ties)) == ties


def test_an_empty_column_says_nothing() -> None:
    assert near.column([]) == ""
    assert near.read_column("") == []


def test_labels_are_held_against_the_same_column() -> None:
    assert contradictions.nearest("bold:0.83; links:0.61") == {"bold": 0.83, "links": 0.61}
