"""Which features and probes of a diff are looked at, and in which order: filters, rankings and places in them.

Pure functions of tables. Promises that what was not tested is never shown, and what is not significant only where
it was asked for; and that a family's rows stay together, its lead on top.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binom

from diffing.common import stats
from diffing.common.arrays import Floats
from diffing.diff import ranking
from diffing.diff.answer import Behaviour
from diffing.diff.measure import LEVEL
from diffing.probes.probes import PROBES

LIVE = 500
"""Dots that can be pointed at: as many as an eye tells apart and a page sends in a moment. Chosen by eye."""


class View(NamedTuple):
    """A way to compare: its columns, and what it is in words."""

    delta: str
    q: str
    words: str


VIEWS = {
    "presence": View("delta", "q", "share of prompts whose answer shows it"),
    "equal length": View(
        "delta_rarefied", "q_rarefied", "among as many random tokens of both answers as the shorter one has"
    ),
    "per 1,000 tokens": View("rate_difference", "q_rate", "active tokens in 1,000"),
    "strength": View("strength_difference", "q_mean", "mean of an answer's strongest activation"),
}
GROUPED = View("delta_in_group", "q_in_group", "share of this category's prompts whose answer shows it")
"""In one category or tag, where presence alone is known."""

RANKED_BY = {"rate_difference": "rate", "strength_difference": "strength"}
"""What `ranking` calls a view's difference, where that is another name."""


@dataclass(frozen=True)
class Asked:
    """What a person wants to see."""

    view: str = "presence"
    more: str | None = None
    """`A` or `B`: only features that this side shows more."""
    search: str = ""
    """Part of a name, a token, a probe's name or `#` and a number."""
    group: str | None = None
    """Category or tag whose prompts alone are looked at."""
    everything: bool = False
    """Also what may be length alone."""
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
    def by(self) -> View:
        """What is compared; a category has presence alone."""
        return GROUPED if self.group else VIEWS[self.view]


def prepared(table: pd.DataFrame, categories: pd.DataFrame, group: str | None = None) -> pd.DataFrame:
    """A diff's features with `rate_difference`, their family's `size`, and strengths as shares of the strongest.

    With a group its prompts' `delta_in_group`, the interval, an exact test corrected over what has such figures,
    and `place_in_group` (`ranking`), of those features alone.
    """
    table = table.assign(rate_difference=table["rate_b"] - table["rate_a"])
    strongest = table[["peak_a", "peak_b"]].abs().max(axis=1).replace(0.0, np.nan)
    table = table.assign(strength_a=table["mean_a"] / strongest, strength_b=table["mean_b"] / strongest)
    table = table.assign(strength_difference=table["strength_b"] - table["strength_a"], p_strength=table["p_mean"])
    if group:
        here = categories[categories["group"] == group]
        here = here.assign(place_in_group=ranking.places(here), q_in_group=_q_in_group(here))
        names = {"delta": "delta_in_group", "ci_low": "low_in_group", "ci_high": "high_in_group"}
        columns = ["feature", *names.values(), "q_in_group", "place_in_group"]
        table = table.merge(here.rename(columns=names)[columns], on="feature")
    return table.assign(size=table["feature"].map(table.groupby("family").size()))


def _q_in_group(rows: pd.DataFrame) -> Floats:
    """Are more of a group's prompts on which one side alone shows something that side's than by chance?"""
    fewer, more = (
        rows[["discordant_a", "discordant_b"]].min(axis=1),
        rows[["discordant_a", "discordant_b"]].sum(axis=1),
    )
    p = np.minimum(2 * binom.cdf(fewer.to_numpy(), more.to_numpy(), 0.5), 1.0)
    return stats.benjamini_hochberg(p)


def chosen(table: pd.DataFrame, asked: Asked) -> pd.DataFrame:
    """The rows of a prepared table that pass all filters, in the order of `ranking`."""
    delta, q = asked.by.delta, VIEWS[asked.view].q
    # First of all, and so that no filter below lets it in again: what was not tested.
    kept = table[q].notna()
    if asked.more:
        kept &= table[delta] < 0 if asked.more == "A" else table[delta] > 0
    # Whoever picked features wants these, and not to hear that their family's lead is another.
    if asked.only:
        kept &= table["feature"].isin(asked.only)
    else:
        kept &= length_proof(table) | asked.everything | asked.weak
        kept &= (table[q] < LEVEL) | asked.weak
        kept &= (table["feature"] == table["family"]) | asked.members
    if asked.replicated:
        kept &= table["replicated"] == "yes"
    if asked.labelled:
        kept &= table["named_by"] != "rule"
    if asked.search:
        text = table["title"] + " " + table["label"] + " " + table["probes"] + " #" + table["feature"].astype(str)
        kept &= text.str.contains(asked.search, case=False, regex=False)
    rows = table[kept]
    by_place = rows["place_in_group"] if asked.group else ranking.places(rows, RANKED_BY.get(delta, delta))
    return _ordered(rows, by_place, asked.members)


def length_proof(table: pd.DataFrame) -> "pd.Series[bool]":
    """Which rows' differences are there at equal length too."""
    return table["survives_equal_length"].fillna(False).astype(bool)


class Dots(NamedTuple):
    """Differences and evidence, as `delta` and `q`."""

    live: pd.DataFrame
    """The first of the chosen rows, which can be pointed at and opened."""
    cloud: pd.DataFrame
    """All else that was tested, of which only the shape is shown."""
    chosen: int
    tested: int


def dots(table: pd.DataFrame, rows: pd.DataFrame, asked: Asked) -> Dots:
    """The chosen rows of a prepared table against all that was tested."""
    delta, q, _ = asked.by
    tested = table[table[VIEWS[asked.view].q].notna()]
    live = rows.head(LIVE)
    cloud = tested[~tested["feature"].isin(live["feature"])]
    shown = [each.assign(delta=each[delta], q=each[q]) for each in (live, cloud)]
    return Dots(shown[0], shown[1], len(rows), len(tested))


class Group(NamedTuple):
    """Chosen rows that belong to one behaviour."""

    behaviour: Behaviour | None
    """None of those that belong to none, which come last."""
    rows: pd.DataFrame


def grouped(rows: pd.DataFrame, table: pd.DataFrame, behaviours: Sequence[Behaviour]) -> list[Group]:
    """Rows by the behaviour that their family is a part of, in the order of the behaviours."""
    family = dict(zip(table["feature"], table["family"], strict=True))
    of_family: dict[int, int] = {}
    for place, each in enumerate(behaviours):
        for feature in each.features:
            of_family.setdefault(family.get(feature, -1), place)
    place = rows["family"].map(of_family)
    groups = [Group(each, rows[place == at]) for at, each in enumerate(behaviours)]
    return [group for group in [*groups, Group(None, rows[place.isna()])] if len(group.rows)]


def noise_band(table: pd.DataFrame, asked: Asked) -> float | None:
    """The usual difference between two draws of one checkpoint; it is known of whole answers alone."""
    whole = asked.view == "presence" and not asked.group
    band = table["noise_band"].median() if whole else float("nan")
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
