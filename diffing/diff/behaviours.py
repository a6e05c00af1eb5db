"""What changed, as a reader would list it: how long answers are, then the habits, each asked of held-out prompts.

Habits are found on discovery prompts (`habits`); here each is measured on the held-out ones by the member that
names it (`naming`), so that what is said of a behaviour is what was counted of it. Promises that the order and the
choice hang on discovery prompts alone, that figures come from held-out prompts alone, and that all behaviours are
corrected for together. A behaviour that did not come again is listed as such and is no finding.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from diffing.common import stats
from diffing.common.arrays import Array, Bools
from diffing.diff import candidates, habits, measure, naming, ranking
from diffing.diff.ground import Ground
from diffing.diff.habits import Candidate
from diffing.diff.pairing import Pairing
from diffing.diff.phrases import Tested
from diffing.diff.presence import Flat
from diffing.probes import near, scan
from diffing.probes.sayings import SAYINGS
from diffing.probes.scan import Scan
from diffing.reader.firing import Active

Kind = Literal["amount", "habit"]
LENGTH = "words"
"""The probe whose amount is how long an answer is; the other amounts follow it."""

COLUMNS = {
    "behaviour": "int64",
    "habit": "int64",
    "kind": "object",
    "name": "object",
    "by": "object",
    "source": "object",
    "side": "object",
    "delta_discovery": "float64",
    "least_discovery": "float64",
    "prompts": "int64",
    "a": "float64",
    "b": "float64",
    "delta": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "more_a": "int64",
    "more_b": "int64",
    "p": "float64",
    "q": "float64",
    "confirmed": "object",
    "delta_rarefied": "float64",
    "q_rarefied": "float64",
}
"""Of the table of behaviours, and their types."""


class Found(NamedTuple):
    """What came of it."""

    habits: pd.DataFrame
    """Members of each habit, by discovery prompts alone."""
    behaviours: pd.DataFrame


class _Named(NamedTuple):
    """A behaviour before it is measured."""

    habit: int
    """0 for an amount, which is none."""
    kind: Kind
    by: str
    source: str
    words: str


def of(
    tables: Mapping[str, pd.DataFrame],
    fires: Active,
    detailed: Sequence[int],
    scanned: Scan,
    said: Tested,
    pairs: Pairing,
) -> Found:
    """What changed, from a diff's tables; `pairs` number documents as `fires` does."""
    discovery = pairs.prompts["split"].to_numpy()[pairs.row] == "discovery"
    ground = Ground(pairs.only(discovery), fires.tokens)
    known = _known(tables, fires, detailed, scanned, said.spans)
    found = candidates.more_than_length(ground, known)
    table = candidates.table(ground, found, habits.peel(ground, found, _tested(tables, said)))
    tokens = dict(zip(tables["features"]["feature"], tables["features"]["tokens"], strict=True))
    named = [_Named(0, "amount", "probe", LENGTH, SAYINGS[LENGTH])]
    for number, rows in table.groupby("habit", sort=True):
        name = naming.of(rows, tokens)
        named.append(_Named(int(number), "habit", name.kind, name.name, name.words))
    of_name = {(each.kind, each.name): each for each in found}
    places = [of_name[(each.by, each.source)].tokens for each in named[1:]]  # type: ignore[index]
    shown = _shown(fires, places, scanned.counts()[LENGTH].to_numpy())
    return Found(table, _measured(named, shown, pairs, discovery))


def _tested(tables: Mapping[str, pd.DataFrame], said: Tested) -> dict[habits.Kind, int]:
    """Of each kind, how many the candidates were chosen from."""
    counted: dict[habits.Kind, int] = {"phrase": said.tested}
    return counted | {
        "probe": int(tables["probes"]["p_discovery"].count()),
        "feature": int(tables["features"]["p_discovery"].count()),
    }


def _known(
    tables: Mapping[str, pd.DataFrame], fires: Active, detailed: Sequence[int], scanned: Scan, spans: Scan
) -> list[Candidate]:
    """All that may be or belong to a habit."""
    probes, said = tables["probes"], tables["phrases"]
    single = [not near.PROBES[name].counted_only for name in probes["probe"]]
    known = candidates.of_spans("probe", probes[single], "probe", list(scan.NAMES), scanned, fires)
    known += candidates.of_spans("phrase", said, "form", said["form"].tolist(), spans, fires)
    return known + candidates.of_features(tables["features"], detailed, fires)


def _shown(fires: Active, places: Sequence[Array], lengths: Array) -> Flat:
    """Documents × behaviours in the shape of features: length first, then how many tokens show each habit."""
    begins, documents = fires.tokens.begins, len(fires.tokens.begins) - 1
    number = np.repeat(np.arange(documents), np.diff(begins))
    grid = np.zeros((documents, 1 + len(places)), np.int64)
    grid[:, 0] = lengths
    for column, tokens in enumerate(places, start=1):
        grid[:, column] = np.bincount(number[tokens], minlength=documents)
    row, feature = np.nonzero(grid)
    amount = grid[row, feature]
    # All over the answer: what is cut at equal length is not asked for here.
    return Flat(
        n_features=grid.shape[1],
        indptr=np.searchsorted(row, np.arange(documents + 1)),
        feature=feature,
        count=amount,
        first=np.zeros(len(row), np.int64),
        last=np.diff(begins)[row] - 1,
        peak=amount.astype(np.float32),
    )


def _measured(named: Sequence[_Named], shown: Flat, pairs: Pairing, discovery: Bools) -> pd.DataFrame:
    """The table: chosen and ordered by discovery prompts, measured on the held-out ones."""
    amount = np.array([each.kind == "amount" for each in named])
    before, after = (measure.table(shown, pairs.only(chosen), amount)[0] for chosen in (discovery, ~discovery))
    before = before.assign(judged_by=np.where(amount, "amount", "presence"))
    delta = np.where(amount, before["change"], before["delta"])
    # Length is always asked for, so nothing was chosen; its side is that of all prompts that chose the others.
    up = np.sign(np.nan_to_num(delta)) >= 0
    p = np.where(amount, after["p_mean"], after["p"])
    # Only what was chosen is asked again, and so corrected for.
    q = stats.benjamini_hochberg(p)
    again = np.where(amount, after["change"], after["delta"])
    same = (q < measure.LEVEL) & (np.sign(again) == np.where(up, 1, -1))
    words = np.where(same, "yes", np.where(np.isnan(p), "too few", "not confirmed"))
    figures: dict[str, Any] = {
        "kind": [each.kind for each in named],
        "habit": [each.habit for each in named],
        "name": [each.words for each in named],
        "by": [each.by for each in named],
        "source": [each.source for each in named],
        "side": np.where(up, "b", "a"),
        "delta_discovery": delta,
        # At equal length, as the habits were found: longer answers show more of nearly everything.
        "least_discovery": np.where(amount, ranking.at_least(before), ranking.at_least(before, "delta_rarefied")),
        "prompts": after["n_prompts"],
        "a": np.where(amount, after["mean_a"], after["frequency_a"]),
        "b": np.where(amount, after["mean_b"], after["frequency_b"]),
        "delta": again,
        "ci_low": np.where(amount, after["change_low"], after["ci_low"]),
        "ci_high": np.where(amount, after["change_high"], after["ci_high"]),
        "more_a": after["discordant_a"],
        "more_b": after["discordant_b"],
        "p": p,
        "q": q,
        "confirmed": words,
        # Of length itself nothing is left at equal length, and the question is none.
        "delta_rarefied": np.where(amount, np.nan, after["delta_rarefied"]),
        "q_rarefied": stats.benjamini_hochberg(np.where(amount, np.nan, after["p_rarefied"])),
    }
    table = pd.DataFrame(figures)
    # Amounts first; then what is largest at least.
    order = np.lexsort((-table["least_discovery"].abs().fillna(0.0), ~amount))
    table = table.iloc[order].assign(behaviour=np.arange(1, len(table) + 1))
    return table[list(COLUMNS)].astype(COLUMNS).reset_index(drop=True)
