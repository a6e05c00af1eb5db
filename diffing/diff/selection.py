"""Which features and probes of a diff are looked at, and in which order: filters, rankings and places in them.

Pure functions of tables. Promises that what was not tested is never shown, and what is not significant only where
it was asked for; that a family's rows stay together, its lead on top; and that a seed always draws the same dots.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import pandas as pd

from diffing.diff import ranking
from diffing.diff.measure import LEVEL
from diffing.probes.probes import PROBES

SAMPLED = 2000
"""Dots of features that do not differ: a sample, because 65,000 of them would say no more. Chosen by eye."""


class View(NamedTuple):
    """A way to compare: its columns, and what it is in words."""

    delta: str
    q: str
    words: str


VIEWS = {
    "plain": View("delta", "q", "whole answers"),
    "equal length": View(
        "delta_equal_length", "q_equal_length", "in the first L tokens of both answers, L the shorter one's length"
    ),
    "per 1,000 tokens": View("rate_difference", "q_rate", "active tokens per 1,000"),
}


RANKED_BY = {"rate_difference": "rate"}
"""What `ranking` calls a view's difference, where that is another name."""


@dataclass(frozen=True)
class Asked:
    """What a person wants to see."""

    view: str = "plain"
    more: str | None = None
    """`A` or `B`: only features that this side shows more."""
    search: str = ""
    """Part of a label, a probe's name or `#` and a number."""
    group: str | None = None
    """Category or tag that decides the order."""
    survives: bool = False
    """Only differences that are there at equal length too."""
    replicated: bool = False
    labelled: bool = False
    """Only features that a person or a language model named."""
    members: bool = False
    """A row for each feature of a family rather than for its lead."""
    weak: bool = False
    """Also what does not reach significance."""
    only: tuple[int, ...] = ()
    """Features picked one by one, which are shown whether or not they differ."""

    @property
    def by_tokens(self) -> bool:
        """Whether tokens are counted rather than prompts."""
        return self.view == "per 1,000 tokens"


def prepared(table: pd.DataFrame, categories: pd.DataFrame, group: str | None = None) -> pd.DataFrame:
    """A diff's features with `rate_difference`, their family's `size`, and `delta_in_group` where one is named.

    With a group also `place_in_group`, by which they are then ordered (`ranking`).
    """
    table = table.assign(rate_difference=table["rate_b"] - table["rate_a"])
    if group:
        here = categories[categories["group"] == group]
        here = here.assign(delta_in_group=here["delta"], place_in_group=ranking.places(here))
        table = table.merge(here[["feature", "delta_in_group", "place_in_group"]], on="feature")
    return table.assign(size=table["feature"].map(table.groupby("family").size()))


def chosen(table: pd.DataFrame, asked: Asked) -> pd.DataFrame:
    """The rows of a prepared table that pass all filters, in the order of `ranking`."""
    delta, q, _ = VIEWS[asked.view]
    # First of all, and so that no filter below lets it in again: what was not tested.
    kept = table[q].notna()
    if asked.more:
        kept &= table[delta] < 0 if asked.more == "A" else table[delta] > 0
    if asked.survives:
        kept &= table["survives_equal_length"].fillna(False).astype(bool)
    if asked.replicated:
        kept &= table["replicated"] == "yes"
    if asked.labelled:
        kept &= table["named_by"] != "rule"
    if asked.search:
        text = table["label"] + " " + table["probes"] + " #" + table["feature"].astype(str)
        kept &= text.str.contains(asked.search, case=False, regex=False)
    # Whoever picked a dot wants that feature, and not to hear that its family's lead is another.
    if asked.only:
        kept &= table["feature"].isin(asked.only)
    else:
        kept &= (table[q] < LEVEL) | asked.weak
        kept &= (table["feature"] == table["family"]) | asked.members
    rows = table[kept]
    by_place = rows["place_in_group"] if asked.group else ranking.places(rows, RANKED_BY.get(delta, delta))
    return _ordered(rows, by_place, asked.members)


def dots(table: pd.DataFrame, rows: pd.DataFrame, asked: Asked, seed: int) -> pd.DataFrame:
    """Difference and evidence, as `delta` and `q`: of the chosen rows' families, and of a sample of the rest."""
    delta, q, _ = VIEWS[asked.view]
    differing, rest = table[table[q] < LEVEL], table[table[q] >= LEVEL]
    # Where no row is chosen, all that differ stay: an empty picture would look like a study without differences.
    if len(rows):
        families = table.loc[table["feature"].isin(asked.only), "family"] if asked.only else rows["family"]
        differing = differing[differing["family"].isin(families)]
    shown = pd.concat([differing, rest.sample(min(SAMPLED, len(rest)), random_state=seed)])
    return shown.assign(delta=shown[delta], q=shown[q])


def noise_band(table: pd.DataFrame, asked: Asked) -> float | None:
    """The usual difference between two draws of one checkpoint; it is known of whole answers alone."""
    band = table["noise_band"].median() if asked.view == "plain" else float("nan")
    return None if pd.isna(band) else float(band)


def differing(table: pd.DataFrame) -> pd.DataFrame:
    """The rows whose difference holds after correction, in presence or in amount."""
    return table[table["verdict"] == "differs"]


def differ_between_groups(groups: pd.DataFrame) -> bool:
    """Whether a feature's difference is not the same in all of these groups of prompts; tags have no such test."""
    first = groups.iloc[0]
    return bool(first["kind"] == "category" and first["q_heterogeneity"] < LEVEL)


def by_amount(table: pd.DataFrame) -> "pd.Series[bool]":
    """Which rows of a diff are judged by how much an answer has, as (nearly) every answer shows them.

    An older diff judged everything by presence.
    """
    if "judged_by" not in table:
        return pd.Series(False, index=table.index)
    return table["judged_by"] == "amount"


SHARES = ["frequency_a", "frequency_b", "delta", "ci_low", "ci_high"]
"""What says how often each side shows something."""


def judged(table: pd.DataFrame) -> pd.DataFrame:
    """A diff's probes in the order of `ranking`, each by its own test, with what can be shown of it.

    Adds `q_judged`, the q of that test. Where amounts tell, shares say nothing and are blank; where shares do,
    `change` is.
    """
    amount = by_amount(table)
    table = table.assign(q_judged=table["q"].where(~amount, table["q_mean"]))
    if "change" in table:
        changes = ["change", "change_low", "change_high"]
        table = table.assign(**table[changes].where(amount))
    table = table.assign(**table[SHARES].mask(amount))
    # What is no surer by its size is put by its test, and what was not tested last.
    least = -ranking.at_least(table).abs()
    return table.loc[table.assign(least=least).sort_values(["least", "q_judged"], kind="stable").index]


def probes(table: pd.DataFrame) -> pd.DataFrame:
    """A diff's probes as `judged` has them, with what each counts as `description`."""
    table = judged(table)
    return table.assign(description=[PROBES[name].description for name in table["probe"]])


def leaning(features: pd.DataFrame, probes: pd.DataFrame) -> Literal["a", "b"]:
    """The side that most of these rows of a diff are shown more on; B where nothing tells."""
    deltas = [*features["delta"], *probes["delta"]]
    return "a" if sum(1 if delta < 0 else -1 for delta in deltas) > 0 else "b"


def row_of(table: pd.DataFrame, feature: int) -> pd.Series | None:
    """A feature's row of a diff, by its number and not by its place."""
    rows = table[table["feature"] == feature]
    return rows.iloc[0] if len(rows) else None


def family_of(table: pd.DataFrame, row: pd.Series) -> pd.DataFrame:
    """The other members of a feature's family."""
    return table[(table["family"] == row["family"]) & (table["feature"] != row["feature"])]


class Place(NamedTuple):
    """Where a feature stands in a ranking; nothing stands before or after one that is not in it."""

    at: int | None
    """From 0."""
    of: int
    before: int | None = None
    after: int | None = None


def place(ranking: Sequence[int], feature: int) -> Place:
    """A feature's place in a ranking, and its neighbours there."""
    if feature not in ranking:
        return Place(None, len(ranking))
    at = ranking.index(feature)
    last = len(ranking) - 1
    before = ranking[at - 1] if at > 0 else None
    return Place(at, len(ranking), before, ranking[at + 1] if at < last else None)


def _ordered(rows: pd.DataFrame, place: "pd.Series[int]", members: bool) -> pd.DataFrame:
    if not members:
        return rows.loc[place.sort_values(kind="stable").index]
    lead = place.groupby(rows["family"]).transform("min")
    # By the first member of the family, then family by family, its lead on top whatever its own place.
    ranks = pd.DataFrame(
        {"lead": lead, "family": rows["family"], "rest": rows["feature"] != rows["family"], "own": place}
    )
    return rows.loc[ranks.sort_values(list(ranks), kind="stable").index]
