"""What a timeline and a set of checkpoints have in common: their figures, and the question of equal length.

Promises that an item is asked at equal length by the very contrast by which it was called.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from diffing.common import stats
from diffing.common.arrays import Floats
from diffing.common.errors import UserError
from diffing.diff import like_length, measure, measures, steps
from diffing.diff.followed import SHARE, Group
from diffing.study.study import Study

LEVEL = ("change_rarefied", "p_rarefied", "adjusted_low", "adjusted_high")
"""Columns of what is left of a change at equal length."""


@dataclass(frozen=True)
class Series:
    """What came of three or more checkpoints."""

    keys: list[str]
    names: list[str]
    """Of the checkpoints, as people call them."""
    items: pd.DataFrame
    """A row an item, the surest changes first."""
    points: pd.DataFrame
    """A row for each item and checkpoint: share or mean, with its 95 % interval."""
    prompts: int
    """Prompts that every checkpoint answered."""
    left_out: int
    """Active prompts that some checkpoint did not answer."""
    faults: list[str]
    """Own probes without figures, and why."""

    @property
    def called(self) -> list[str]:
        """The checkpoints' names where these tell them apart, else their keys."""
        return self.names if len({*self.names}) == len(self.names) else self.keys

    def points_of(self, kind: str, item: str) -> pd.DataFrame:
        """An item's checkpoints, in order."""
        return self.points[(self.points["kind"] == kind) & (self.points["item"] == item)]

    def table(self) -> pd.DataFrame:
        """The items with what each checkpoint has beside them: one table for a file."""
        wide = self.points.pivot(index=["kind", "item"], columns="checkpoint", values=["value", "low", "high"])
        wide.columns = pd.Index([f"{name}_{key}" for name, key in wide.columns])
        ordered = [f"{name}_{key}" for key in self.keys for name in ("value", "low", "high")]
        return self.items.join(wide[ordered], on=["kind", "item"])


def order(study: Study, keys: Sequence[str] = ()) -> list[str]:
    """The checkpoints asked for; a `UserError` where they are no three different ones of the study."""
    chosen = list(keys) or [checkpoint.key for checkpoint in study.checkpoints]
    for key in chosen:
        study.checkpoint(key)
    if len(study.checkpoints) < 3:
        raise UserError(f"Study '{study.name}' has two checkpoints; a timeline takes three, so use `answer`.")
    if len(chosen) < 3 or len(set(chosen)) < len(chosen):
        raise UserError(
            f"A timeline takes three or more different checkpoints in order; {', '.join(chosen)} are none."
        )
    return chosen


def points(group: Group, keys: Sequence[str]) -> pd.DataFrame:
    """Each checkpoint by itself: Wilson's interval of a share, Student's of a mean."""
    n = len(group.values)
    value = group.values.mean(axis=0) if n else np.full(group.values.shape[1:], np.nan)
    half = steps.half_width(group.values)
    share = np.array([unit == SHARE for unit in group.units], dtype=bool)
    low, high = stats.wilson(np.where(share, value, 0.0), max(n, 1))
    return pd.DataFrame(
        {
            "kind": group.kind,
            "item": np.repeat(np.array(group.names, object), len(keys)),
            "checkpoint": list(keys) * len(group.names),
            "value": value.T.ravel(),
            "low": np.where(share, low, value - half).T.ravel(),
            "high": np.where(share, high, value + half).T.ravel(),
        }
    )


def at_equal_length(group: Group, weights: Floats, p: Floats | None) -> dict[str, Any]:
    """What is left of each change among as many words, and on the line at like lengths; NaN where not asked.

    `weights` are those of `steps.weights` or `steps.against_others`, `p` that of the group's `level`.
    """
    asked = np.array([unit == SHARE for unit in group.units], bool)
    if p is None or group.level is None or group.lengths is None or not len(group.level):
        return dict.fromkeys(LEVEL, np.nan)
    fit = like_length.line(group.values, group.lengths, weights)
    change = steps.contrast(group.level, weights).mean(axis=0)
    columns = (change, p, fit.low, fit.high)
    return {name: np.where(asked, column, np.nan) for name, column in zip(LEVEL, columns, strict=True)}


def survives(items: pd.DataFrame) -> "pd.Series[Any]":
    """Whether what changed did so at equal length too, as in a diff; blank where that is not asked."""
    names = ("change", "change_rarefied", "q_rarefied", "adjusted_low", "adjusted_high")
    change, *rest = (items[name].to_numpy(np.float64) for name in names)
    kept = pd.Series(measure.at_equal_length(np.sign(change), *rest), index=items.index, dtype="boolean")
    asked = items["changed"] & (items["unit"] == SHARE) & (items["kind"] != "measure")
    return kept.where(asked, pd.NA)


def as_compared(group: Group, weights: Floats) -> tuple[Floats, Floats]:
    """Ends of a measure's 95 % interval of the change, as a comparison of two checkpoints has them."""
    early, late = (steps.contrast(group.values, np.maximum(way * weights, 0.0))[:, 0] for way in (-1, 1))
    # Means over several checkpoints are no yes or no, and as little is a share whose answers are several.
    yes = group.units[0] == SHARE
    whole = bool(np.isin(np.abs(weights[weights != 0]), 1.0).all())
    bounded = bool(((group.values >= 0) & (group.values <= 1)).all())
    kind: measures.Kind = "yes/no" if yes and whole else "share" if bounded else "number"
    low, high = measures.change_interval(np.column_stack([early, late]), kind, group.draws)
    return np.array([low]), np.array([high])
