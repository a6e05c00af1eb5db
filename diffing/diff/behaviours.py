"""What changed, as a reader would list it: how long answers are, then the rest, each asked of held-out prompts.

Habits are found on discovery prompts (`habits`); here each is measured on the held-out ones by the member that
names it (`naming`), so that what is said of a behaviour is what was counted of it. A habit of one category is
measured in that category (`content`), and what is no habit may have moved to another place (`moved`). Promises
that the order and the choice hang on discovery prompts alone, that figures come from held-out prompts alone, and
that all behaviours are corrected for together. A behaviour that did not come again is listed as such and is no
finding.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from diffing.common import stats
from diffing.common.arrays import Array, Bools, Floats, Ints
from diffing.diff import candidates, content, habits, measure, members, moved, naming, ranking
from diffing.diff.ground import Ground
from diffing.diff.habits import Candidate
from diffing.diff.moved import Moved
from diffing.diff.pairing import Pairing
from diffing.diff.phrases import Tested
from diffing.diff.plain import Marks
from diffing.diff.presence import Flat
from diffing.probes import near, scan
from diffing.probes.sayings import SAYINGS
from diffing.probes.scan import Scan
from diffing.reader.firing import Active

Kind = Literal["amount", "habit", "place", "content"]
LENGTH = "words"
"""The probe whose amount is how long an answer is; the other amounts follow it."""

COLUMNS = {
    "behaviour": "int64",
    "habit": "int64",
    "kind": "object",
    "name": "object",
    "category": "object",
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
    "adjusted_low": "float64",
    "adjusted_high": "float64",
    "survives_equal_length": "boolean",
}
"""Of the table of behaviours, and their types."""


class Found(NamedTuple):
    """What came of it."""

    habits: pd.DataFrame
    """Members of each habit, by discovery prompts alone."""
    behaviours: pd.DataFrame
    values: Floats
    """Documents × behaviours as they are numbered: how much of each a document shows, or where; NaN where that is
    nowhere."""
    marks: list[Marks | None]
    """Where the texts show each of them, in the same order; None of an amount."""


class _Named(NamedTuple):
    """A behaviour before it is measured."""

    habit: int
    """0 for an amount and for what has moved, which are none."""
    kind: Kind
    by: str
    source: str
    words: str
    category: str = ""


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
    named = [_Named(0, "amount", "probe", LENGTH, SAYINGS[LENGTH])] + _named(table, tables["features"])
    of_name: dict[tuple[str, str], Candidate] = {(each.kind, each.name): each for each in known}
    places = [of_name[(each.by, each.source)].tokens for each in named[1:]]
    grid = _grid(fires, places, scanned.counts()[LENGTH].to_numpy())
    named = _by_category(named, grid, pairs, discovery)
    taken = np.zeros(ground.size, dtype=bool)
    for kind, member in zip(table["kind"], table["name"], strict=True):
        if kind != "feature":
            taken[of_name[(kind, member)].tokens] = True
    apart = moved.of(moved.beside(scanned, fires.tokens, taken), pairs, discovery)
    apart = apart.without({each.source for each in named})
    parts = [_counted(named, grid, fires, pairs, discovery), _moved(apart, pairs, discovery)]
    behaved, order = _judged(pd.concat([part for part in parts if len(part)], ignore_index=True))
    values = np.hstack([grid.astype(np.float64), apart.places])
    differing = known + candidates.others(tables["features"], detailed, fires)
    marked = [
        _marks(kind, name, fires, of_name, scanned, said)
        for kind, name in zip(behaved["by"], behaved["source"], strict=True)
    ]
    marks = [None if kind == "amount" else each for kind, each in zip(behaved["kind"], marked, strict=True)]
    return Found(members.filled(table, ground, of_name, differing), behaved, values[:, order], marks)


def _marks(
    by: str, source: str, fires: Active, of_name: Mapping[tuple[str, str], Candidate], scanned: Scan, said: Tested
) -> Marks:
    """Where texts show what counts a behaviour."""
    if by == "probe":
        return Marks.of_scan(scanned, scan.NAMES.index(source))
    if by == "phrase":
        return Marks.of_scan(said.spans, said.rows["form"].tolist().index(source))
    tokens = of_name[by, source].tokens
    document = np.searchsorted(fires.tokens.begins, tokens, side="right") - 1
    return Marks(document, *fires.tokens.spans[tokens].T)


def _named(table: pd.DataFrame, features: pd.DataFrame) -> list[_Named]:
    """Each habit by its name."""
    tokens = dict(zip(features["feature"], features["tokens"], strict=True))
    named = []
    for number, rows in table.groupby("habit", sort=True):
        name = naming.of(rows, tokens)
        named.append(_Named(int(number), "habit", name.kind, name.name, name.words))
    return named


def _tested(tables: Mapping[str, pd.DataFrame], said: Tested) -> dict[habits.Kind, int]:
    """Of each kind, how many the candidates were chosen from."""
    counted: dict[habits.Kind, int] = {"phrase": said.tested}
    return counted | {
        "probe": int(tables["probes"]["p_discovery"].count()),
        "feature": int(tables["features"]["p_discovery"].count()),
    }


def columns(found: Found) -> Floats:
    """What a classifier sees of the behaviours: the logarithm of length, where things stand, what is shown."""
    kinds = found.behaviours["kind"].to_numpy()
    shows = (found.values > 0).astype(np.float64)
    shows[:, kinds == "amount"] = np.log1p(found.values[:, kinds == "amount"])
    placed = found.values[:, kinds == "place"]
    # What is nowhere stands in the middle, which tells nothing.
    shows[:, kinds == "place"] = np.where(np.isfinite(placed), placed, 0.5)
    return shows


def _known(
    tables: Mapping[str, pd.DataFrame], fires: Active, detailed: Sequence[int], scanned: Scan, spans: Scan
) -> list[Candidate]:
    """All that may be or belong to a habit."""
    probes, said = tables["probes"], tables["phrases"]
    single = [not near.PROBES[name].counted_only for name in probes["probe"]]
    known = candidates.of_spans("probe", probes[single], "probe", list(scan.NAMES), scanned, fires)
    known += candidates.of_spans("phrase", said, "form", said["form"].tolist(), spans, fires)
    return known + candidates.of_features(tables["features"], detailed, fires)


def _grid(fires: Active, places: Sequence[Array], lengths: Array) -> Ints:
    """Documents × behaviours: length first, then how many tokens show each habit."""
    begins, documents = fires.tokens.begins, len(fires.tokens.begins) - 1
    number = np.repeat(np.arange(documents), np.diff(begins))
    grid = np.zeros((documents, 1 + len(places)), np.int64)
    grid[:, 0] = lengths
    for column, tokens in enumerate(places, start=1):
        grid[:, column] = np.bincount(number[tokens], minlength=documents)
    return grid


def _flat(grid: Ints, tokens: Ints) -> Flat:
    """The grid in the shape of features; `tokens` are the documents' lengths."""
    row, feature = np.nonzero(grid)
    amount = grid[row, feature]
    # All over the answer: what is cut at equal length is not asked for here.
    return Flat(
        n_features=grid.shape[1],
        indptr=np.searchsorted(row, np.arange(len(grid) + 1)),
        feature=feature,
        count=amount,
        first=np.zeros(len(row), np.int64),
        last=tokens[row] - 1,
        peak=amount.astype(np.float32),
    )


def _by_category(named: Sequence[_Named], grid: Ints, pairs: Pairing, discovery: Bools) -> list[_Named]:
    """The same, each habit that belongs to one category of prompts said to be of that."""
    chosen = pairs.only(discovery)
    shows = (grid[:, 1:] > 0).astype(np.float64)
    difference = np.zeros((len(chosen.prompts), shows.shape[1]))
    np.add.at(difference, chosen.row, (shows[chosen.b] - shows[chosen.a]) / chosen.draws[chosen.row, None])
    held_out = pairs.only(~discovery).prompts["group"].value_counts().to_dict()
    of = ["", *content.categories(difference, chosen.prompts["group"], held_out)]
    return [
        each._replace(kind="content", category=group, words=f"{each.words}, where the prompt is of “{group}”")
        if group
        else each
        for each, group in zip(named, of, strict=True)
    ]


def _counted(named: Sequence[_Named], grid: Ints, fires: Active, pairs: Pairing, discovery: Bools) -> pd.DataFrame:
    """Rows of what is counted: chosen by discovery prompts, measured on the held-out ones."""
    shown = _flat(grid, np.diff(fires.tokens.begins))
    parts = [_measured(named, shown, pairs, discovery)]
    for group in {each.category for each in named} - {""}:
        inside = (pairs.prompts["group"] == group).to_numpy()[pairs.row]
        parts.append(_measured(named, shown, pairs.only(inside), discovery[inside]))
        own = np.array([each.category == group for each in named])
        parts[0].loc[own] = parts[-1].loc[own]
    return parts[0]


def _measured(named: Sequence[_Named], shown: Flat, pairs: Pairing, discovery: Bools) -> pd.DataFrame:
    """A row for each; without q, which hangs on all of them."""
    amount = np.array([each.kind == "amount" for each in named])
    before, after = (measure.table(shown, pairs.only(chosen), amount)[0] for chosen in (discovery, ~discovery))
    before = before.assign(judged_by=np.where(amount, "amount", "presence"))
    delta = np.where(amount, before["change"], before["delta"])
    figures: dict[str, Any] = _said(named) | {
        # Length is always asked for, so nothing was chosen; its side is that of all prompts that chose the others.
        "side": np.where(np.sign(np.nan_to_num(delta)) >= 0, "b", "a"),
        "delta_discovery": delta,
        # At equal length, as the habits were found: longer answers show more of nearly everything.
        "least_discovery": np.where(amount, ranking.at_least(before), ranking.at_least(before, "delta_rarefied")),
        "prompts": after["n_prompts"],
        "a": np.where(amount, after["mean_a"], after["frequency_a"]),
        "b": np.where(amount, after["mean_b"], after["frequency_b"]),
        "delta": np.where(amount, after["change"], after["delta"]),
        "ci_low": np.where(amount, after["change_low"], after["ci_low"]),
        "ci_high": np.where(amount, after["change_high"], after["ci_high"]),
        "more_a": after["discordant_a"],
        "more_b": after["discordant_b"],
        "p": np.where(amount, after["p_mean"], after["p"]),
        # Of length itself nothing is left at equal length, and the question is none.
        "delta_rarefied": np.where(amount, np.nan, after["delta_rarefied"]),
        "p_rarefied": np.where(amount, np.nan, after["p_rarefied"]),
        "adjusted_low": np.where(amount, np.nan, after["adjusted_low"]),
        "adjusted_high": np.where(amount, np.nan, after["adjusted_high"]),
    }
    return pd.DataFrame(figures)


def _moved(apart: Moved, pairs: Pairing, discovery: Bools) -> pd.DataFrame:
    """Rows of what stands elsewhere than before."""
    before, after = (moved.figures(apart, pairs.only(chosen)) for chosen in (discovery, ~discovery))
    ways = np.sign(before["delta"].to_numpy())
    named = [_Named(0, "place", "probe", probe, f"{SAYINGS[probe]} nearer to the end") for probe in apart.probes]
    side = np.where(ways >= 0, "b", "a")
    least = np.where(ways >= 0, before["ci_low"].clip(lower=0), before["ci_high"].clip(upper=0))
    figures = _said(named) | {"side": side, "delta_discovery": before["delta"], "least_discovery": least}
    # As many random tokens have no places, so nothing was asked of them.
    nothing = dict.fromkeys(("delta_rarefied", "p_rarefied", "adjusted_low", "adjusted_high"), np.nan)
    return after.assign(**figures, **nothing)


def _said(named: Sequence[_Named]) -> dict[str, Any]:
    return {
        "kind": [each.kind for each in named],
        "habit": [each.habit for each in named],
        "name": [each.words for each in named],
        "category": [each.category for each in named],
        "by": [each.by for each in named],
        "source": [each.source for each in named],
    }


def _judged(table: pd.DataFrame) -> tuple[pd.DataFrame, Ints]:
    """With q, corrected over all of them, and in order; and which rows stand where."""
    # Only what was chosen is asked again, and so corrected for.
    q = stats.benjamini_hochberg(table["p"].to_numpy(np.float64))
    same = (q < measure.LEVEL) & (np.sign(table["delta"]) == np.where(table["side"] == "b", 1, -1))
    table = table.assign(q=q, q_rarefied=stats.benjamini_hochberg(table["p_rarefied"].to_numpy(np.float64)))
    survives = _survives(table)
    words = np.where(np.isnan(table["p"]), "too few", "not confirmed")
    # What differs and is not there at equal length too may be nothing but length, of which the first line tells.
    words = np.where(same, np.where(survives.fillna(True), "yes", "may be length"), words)
    table = table.assign(confirmed=words, survives_equal_length=survives)
    # Amounts first; then what is largest at least.
    order = np.lexsort((-table["least_discovery"].abs().fillna(0.0), table["kind"] != "amount"))
    table = table.iloc[order].assign(behaviour=np.arange(1, len(table) + 1))
    return table[list(COLUMNS)].astype(COLUMNS).reset_index(drop=True), np.asarray(order)


def _survives(table: pd.DataFrame) -> "pd.Series[Any]":
    """Whether each is there at equal length too: among random tokens, and on the line at like lengths.

    As `measure.survives` has it; blank of amounts and places, of which it is not asked.
    """
    way = np.sign(table["delta"].to_numpy(np.float64))
    columns = ("delta_rarefied", "q_rarefied", "adjusted_low", "adjusted_high")
    kept = measure.at_equal_length(way, *(table[name].to_numpy(np.float64) for name in columns))
    return pd.Series(kept, dtype="boolean").mask(table["kind"].isin(("amount", "place")))
