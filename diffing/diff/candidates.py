"""What may be a habit: features, probes and phrases that differ on discovery prompts, and not by length alone.

Promises that held-out prompts are not looked at, so that whatever is found here can be tested on them. Knows where
each candidate stands in the answers; what moves with what is for `habits`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from diffing.common import stats
from diffing.common.arrays import Array
from diffing.diff.ground import Ground, p_of
from diffing.diff.habits import Candidate, Habit, Kind
from diffing.diff.measure import LEVEL
from diffing.diff.pairing import Pairing
from diffing.probes import near
from diffing.probes.scan import Scan
from diffing.reader.firing import Active

MOST = 400
"""Candidates of a kind, those with the smallest p first: of a pair that differs in everything the first hundreds
hold every habit many times over, and each is asked about beside all habits."""

COLUMNS = {
    "habit": "int64",
    "lead": "bool",
    "kind": "object",
    "name": "object",
    "p": "float64",
    "delta": "float64",
    "share": "float64",
    "correlation": "float64",
    "left": "float64",
}
"""Of the table of habits, and their types."""


def discovery(pairs: Pairing) -> Pairing:
    """The pairs of discovery prompts."""
    return pairs.only(pairs.prompts["split"].to_numpy()[pairs.row] == "discovery")


def of_features(table: pd.DataFrame, detailed: Sequence[int], fires: Active) -> list[Candidate]:
    """Features with details that differ, with the tokens on which they fire."""
    named = [int(name) for name in _differing(table, "feature") if int(name) in {*detailed}]
    return _with_tokens(named[:MOST], detailed, fires)


def others(table: pd.DataFrame, detailed: Sequence[int], fires: Active) -> list[Candidate]:
    """Features with details that differ over all prompts, and of which discovery prompts alone are not sure."""
    sure = table["q_discovery"] < LEVEL
    return _with_tokens(table.loc[(table["q"] < LEVEL) & ~sure, "feature"].tolist(), detailed, fires)


def _with_tokens(features: Sequence[int], detailed: Sequence[int], fires: Active) -> list[Candidate]:
    places = {feature: place for place, feature in enumerate(detailed)}
    runs = fires.by_feature(len(detailed))
    found = []
    for feature in [feature for feature in features if feature in places]:
        own = runs.indices[runs.indptr[places[feature]] : runs.indptr[places[feature] + 1]]
        found.append(Candidate("feature", str(feature), np.sort(fires.runs[own].indices)))
    return found


def of_spans(
    kind: Kind, table: pd.DataFrame, column: str, names: Sequence[str], scanned: Scan, fires: Active
) -> list[Candidate]:
    """Probes or phrases that differ, with the tokens that their spans reach.

    `names` are the column's in the scan's order.
    """
    differ = [str(name) for name in _differing(table, column)]
    if not differ:
        return []
    cells = near.near(fires.tokens, scanned, len(names), around=0).tocsc()
    number = {name: place for place, name in enumerate(names)}
    found = []
    for name in [name for name in differ if name in number][:MOST]:
        place = number[name]
        found.append(Candidate(kind, name, np.sort(cells.indices[cells.indptr[place] : cells.indptr[place + 1]])))
    return found


def _differing(table: pd.DataFrame, column: str) -> list[Any]:
    """Rows that differ on discovery prompts, the smallest p first."""
    rows = table[table["q_discovery"] < LEVEL]
    return list(rows.sort_values(["p_discovery", column], kind="stable")[column])


def more_than_length(ground: Ground, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that still differ where as many random tokens of both answers are looked at."""
    if not candidates:
        return []
    p = p_of(np.column_stack([ground.difference(each.tokens) for each in candidates]))
    return [each for each, q in zip(candidates, stats.benjamini_hochberg(p), strict=True) if q < LEVEL]


def table(ground: Ground, candidates: Sequence[Candidate], found: Sequence[Habit]) -> pd.DataFrame:
    """A row for each habit's lead and each of its members, habits numbered from 1 in their order."""
    rows: list[dict[str, Any]] = []
    for number, habit in enumerate(found, start=1):
        rows.append(_row(ground, candidates[habit.lead], number, True, 1.0, 1.0, 1.0))
        for member in habit.members:
            rows.append(_row(ground, candidates[member.candidate], number, False, *member[1:]))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _row(ground: Ground, candidate: Candidate, habit: int, lead: bool, *said: float) -> dict[str, Any]:
    difference: Array = ground.difference(candidate.tokens)
    share, correlation, left = said
    return {
        "habit": habit,
        "lead": lead,
        "kind": candidate.kind,
        "name": candidate.name,
        "p": float(p_of(difference[:, None])[0]),
        "delta": float(difference.mean()),
        "share": share,
        "correlation": correlation,
        "left": left,
    }
