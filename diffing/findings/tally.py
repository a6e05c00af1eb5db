"""What follows from blind votes: counts, shares with exact intervals and tests, and how far voters agree.

The prompt is the unit: all votes on a prompt and question together go to A, to B or to neither. Votes for neither,
and prompts on which votes balance, are counted and left out of shares and tests. Promises that of fewer than
`LEAST` decided prompts nothing is said but their counts. The tests are for a number of votes that was settled
beforehand: who looks in between and stops at a good moment will find too much.
"""

from itertools import combinations
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from diffing.common import stats
from diffing.common.words import count, share, small
from diffing.diff import summary
from diffing.findings import votes
from diffing.study.study import Study

LEAST = 10
"""Decided prompts under which nothing is said: near one half an exact interval of fewer is wider than sixty
points, and even nine of ten is only just too much for chance."""

Group = Literal["all", "voter", "category"]
ALONE = {"all": "", "voter": "voter", "category": "category"}
"""By which column each kind of row is made."""


class Row(NamedTuple):
    """How a question was answered, by all or by some."""

    question: str
    words: str
    group: Group
    value: str
    """Which voter or category; empty of all."""
    votes: int
    for_a: int
    """Prompts that went to A."""
    for_b: int
    neither: int
    """Prompts without a difference, or whose votes balance; left out of what follows."""
    held_out: int
    """Prompts among these that are held out."""
    share_b: float
    """B's part of the decided prompts; NaN where there are too few."""
    low: float
    """Clopper and Pearson's exact 95 % interval."""
    high: float
    p: float
    """Exact two-sided binomial test of one half."""
    q: float
    """After Benjamini and Hochberg, over the rows of the same group."""

    @property
    def decided(self) -> int:
        return self.for_a + self.for_b


class Agreement(NamedTuple):
    """How far two voters agree on the pairs that both have voted on."""

    question: str
    words: str
    one: str
    other: str
    pairs: int
    same: float
    """Share of pairs with the same vote, no difference being one; NaN under `LEAST` pairs."""
    kappa: float
    """The same beyond what their shares alone give (Cohen's kappa); NaN too where chance alone gives all of it."""


class Tally(NamedTuple):
    """All that follows."""

    rows: list[Row]
    agreement: list[Agreement]
    left_chosen: int
    """Votes for the answer on the left, over all questions: of a fair coin about half."""
    decided: int
    """Votes for either."""


def of(study: Study, a: str = "", b: str = "") -> Tally:
    """What all that counts says of two checkpoints."""
    return counted(votes.table(study, a, b))


def counted(table: pd.DataFrame) -> Tally:
    """The same of a table of votes."""
    rows = [row for group, column in ALONE.items() for row in _group(table, group, column)]
    said = table["said"]
    return Tally(rows, _agreements(table), int((said == "left").sum()), int((said != "no difference").sum()))


def _group(table: pd.DataFrame, group: Any, column: str) -> list[Row]:
    out = []
    for keys, some in table.groupby(["question", *([column] if column else [])], sort=False):
        value = str(keys[1]) if column else ""
        # Without a category there is nothing to tell apart by it.
        if group != "category" or value:
            out.append(_row(some, group, value))
    q = stats.benjamini_hochberg(np.array([row.p for row in out], np.float64))
    return [row._replace(q=float(each)) for row, each in zip(out, q, strict=True)]


def _row(some: pd.DataFrame, group: Group, value: str) -> Row:
    """Those votes, whatever was asked."""
    by_prompt = np.sign(some.groupby("prompt_id")["pick"].sum())
    for_a, for_b = int((by_prompt < 0).sum()), int((by_prompt > 0).sum())
    told = (np.nan, np.nan, np.nan, np.nan)
    if for_a + for_b >= LEAST:
        test = binomtest(for_b, for_a + for_b)
        ends = test.proportion_ci(0.95, method="exact")
        told = (for_b / (for_a + for_b), float(ends.low), float(ends.high), float(test.pvalue))
    held = int(some.loc[some["held_out"], "prompt_id"].nunique())
    first = some.iloc[0]
    neither = len(by_prompt) - for_a - for_b
    return Row(
        str(first["question"]),
        str(first["words"]),
        group,
        value,
        len(some),
        for_a,
        for_b,
        neither,
        held,
        *told,
        np.nan,
    )


def _agreements(table: pd.DataFrame) -> list[Agreement]:
    out = []
    for question, some in table.groupby("question", sort=False):
        grid = some.pivot_table(index=["prompt_id", "draw"], columns="voter", values="pick", aggfunc="last")
        for one, other in combinations(grid.columns, 2):
            both = grid[[one, other]].dropna()
            if len(both):
                same, kappa = _agree(both[one].to_numpy(), both[other].to_numpy())
                words = str(some["words"].iloc[0])
                out.append(Agreement(str(question), words, str(one), str(other), len(both), same, kappa))
    return out


def _agree(one: "np.ndarray[Any, Any]", other: "np.ndarray[Any, Any]") -> tuple[float, float]:
    if len(one) < LEAST:
        return np.nan, np.nan
    same = float(np.mean(one == other))
    chance = sum(float(np.mean(one == pick) * np.mean(other == pick)) for pick in (-1, 0, 1))
    return same, (same - chance) / (1 - chance) if chance < 1 else np.nan


# In words and as plain data.


def sentence(row: Row) -> str:
    """One row as people say it: who was preferred how often, or why nothing can be said."""
    neither = count(row.neither, "more prompt")
    left = (
        f"; {neither} without a difference {'is' if row.neither == 1 else 'are'} left out" if row.neither else ""
    )
    if row.decided < LEAST:
        return (
            f"{count(row.decided, 'prompt')} decided so far, A {row.for_a} and B {row.for_b}: too few to say "
            f"anything, {LEAST} are needed{left}."
        )
    side, number = ("B", row.for_b) if row.for_b >= row.for_a else ("A", row.for_a)
    part = row.share_b if side == "B" else 1 - row.share_b
    low, high = (row.low, row.high) if side == "B" else (1 - row.high, 1 - row.low)
    what = "preferred" if row.question == votes.BETTER.key else "saw more of it in"
    who = row.value if row.group == "voter" else "People"
    where = f" of category “{row.value}”" if row.group == "category" else ""
    return (
        f"{who}, voting blind, {what} {side} on {number} of {row.decided} prompts{where}: "
        f"{share(part)} [{share(low)} to {share(high)}], exact p = {small(row.p)}{left}."
    )


def shown(row: Row) -> dict[str, object]:
    """A row as the page and the command show it."""
    few = row.decided < LEAST
    return {
        "question": row.words,
        "by": row.group,
        "which": row.value,
        "A": row.for_a,
        "B": row.for_b,
        "no difference": row.neither,
        "B's share": "too few" if few else share(row.share_b),
        "95 %": "–" if few else f"{share(row.low)} to {share(row.high)}",
        "q": "–" if few else small(row.q),
    }


def agreement_words(each: Agreement) -> str:
    """How far two voters agree."""
    if np.isnan(each.same):
        return f"{each.one} and {each.other} have {count(each.pairs, 'pair')} in common: too few to say anything."
    kappa = "" if np.isnan(each.kappa) else f", kappa {each.kappa:.2f}"
    return f"{each.one} and {each.other} agree on {share(each.same)} of {each.pairs} pairs{kappa}."


def frame(told: Tally) -> pd.DataFrame:
    """The rows as a table."""
    return pd.DataFrame([row._asdict() for row in told.rows], columns=list(Row._fields))


def plain(told: Tally) -> dict[str, Any]:
    """As plain data; what is not said is null."""
    return {
        "rows": [summary.plain(row._asdict()) for row in told.rows],
        "agreement": [summary.plain(each._asdict()) for each in told.agreement],
        "left_chosen": told.left_chosen,
        "decided": told.decided,
        "least": LEAST,
    }
