"""A diff's features with what people call them.

Adds to the table the label that stands, who made it, and how it did when detected blind on the checkpoint that
shows the feature more; for a feature without one, what a rule says of the tokens it fires on, marked as a rule's
work. Changes no figure.
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
    more = [diff.b if delta > 0 else diff.a for delta in table["delta"].tolist()]
    found = [one.detection(side) if one else None for one, side in zip(said, more, strict=True)]
    table.insert(3, "score", [float("nan") if score is None else score[0] for score in found])
    return table
