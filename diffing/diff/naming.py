"""What a habit is called: after its probe or phrase where one moves as it does, else after its tokens.

Promises that a name is one of the habit's own members, and that what names a habit is said with it: a rule's words
are not a person's. Reads tables of a diff; asks nobody.
"""

import json
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffing.diff.habits import KINDS, Kind
from diffing.probes.phrases import Phrase
from diffing.probes.sayings import SAYINGS

MOVES_ALIKE = 0.7
"""Correlation with a habit's lead from which a probe or phrase stands for the habit: it then shares half of the
variance over prompts. Chosen by eye on the sample's ten habits, which begin at 0.88."""


class Name(NamedTuple):
    """A habit's name."""

    kind: Kind
    """What gave it."""
    name: str
    """The member: a probe's name, a phrase's form, a feature's number."""
    words: str
    """As the end of a sentence whose subject is an answer."""


def of(habit: pd.DataFrame, tokens: Mapping[int, str]) -> Name:
    """The name of one habit, from its rows of the diff's `habits`; `tokens` are the features' own words."""
    rows = habit[habit["lead"] | (habit["correlation"].abs() >= MOVES_ALIKE)]
    # Of those that move as it does, and the same way round, the kind that says most; then the best founded.
    way = np.sign(habit.loc[habit["lead"], "delta"].iloc[0])
    rows = rows[np.sign(rows["delta"]) == way]
    rows = rows.assign(place=[KINDS.index(kind) for kind in rows["kind"]])
    row = rows.sort_values(["place", "p", "lead"], ascending=[True, True, False], kind="stable").iloc[0]
    return Name(row["kind"], row["name"], words(row["kind"], row["name"], tokens))


def words(kind: Kind, name: str, tokens: Mapping[int, str]) -> str:
    """What an answer does that shows this."""
    if kind == "probe":
        return SAYINGS.get(name, f"has {name}")
    if kind == "phrase":
        return Phrase.of(json.loads(name)).shown
    said = tokens.get(int(name), "")
    return f"{said} (feature {name})" if said else f"shows feature {name}"
