"""A diff's features with what people call them.

Adds to the table the label that stands, who made it and its score, and for a feature without one what a rule says
of the tokens it fires on, marked as a rule's work. Changes no figure.
"""

import pandas as pd

from diffing import labels
from diffing.diff import Diff
from diffing.study import Study


def named(study: Study, diff: Diff) -> pd.DataFrame:
    """The features table with `label`, `named_by` and `score` after the feature's number."""
    table = diff.features
    current = labels.current(study)
    said = [current.get(feature) for feature in table["feature"].tolist()]
    rule = table["tokens"] if "tokens" in table else pd.Series("", index=table.index)
    table = table.copy()
    table.insert(
        1, "label", [one.label if one else other or "no label" for one, other in zip(said, rule, strict=True)]
    )
    table.insert(2, "named_by", [one.author_kind if one else "rule" for one in said])
    table.insert(3, "score", [score_of(one.score) if one else None for one in said])
    return table


def score_of(score: object) -> float | None:
    """A label's blind detection score, where it has one."""
    if not isinstance(score, dict):
        return None
    value = score.get("detection", score)
    value = value.get("balanced_accuracy") if isinstance(value, dict) else value
    return float(value) if isinstance(value, int | float) else None
