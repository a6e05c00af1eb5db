"""The answer to "what changed?": one sentence in plain words, and the list that stands behind it.

Made from a diff's behaviours and probes by templates. Promises that only what held-out prompts confirmed is said
to have changed, that what has no words of its own is in the list and never in the sentence, and that "did not
change" is said only where an interval lies inside its margin.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from diffing.common.words import count, listed, share
from diffing.diff import measure, summary
from diffing.diff.habits import KINDS
from diffing.diff.stored import OF_OLDER, Diff

SAID = 3
"""Behaviours of a side in the sentence: with length they are what a reader keeps in mind. The list has all."""


class Behaviour(NamedTuple):
    """Something that changed, or may have."""

    name: str
    """As the end of a sentence whose subject is an answer."""
    kind: str
    direction: str
    """A or B, whoever shows it more."""
    by: str
    """What counts it: a probe, a phrase or a feature."""
    share_a: float
    """Of held-out answers; of an amount its mean."""
    share_b: float
    delta: float
    """B minus A; of an amount as a share of the mean of both, as are the ends of its interval."""
    ci_low: float
    ci_high: float
    q: float
    confirmed: str
    """`yes`, `not confirmed` or `too few`."""
    survives_length: bool | None
    """Whether it is there at equal length too; None of length itself."""
    probes: list[str]
    phrases: list[str]
    features: list[int]

    @property
    def figures(self) -> str:
        """Both sides' figures, short."""
        if self.kind == "amount":
            return f"{self.share_a:,.0f} → {self.share_b:,.0f}"
        return f"{share(self.share_a)} → {share(self.share_b)}"


def behaviours(stored: Diff) -> list[Behaviour]:
    """All of a diff's behaviours, in order."""
    return [_behaviour(stored, row) for _, row in stored.behaviours.iterrows()]


def _behaviour(stored: Diff, row: "pd.Series[Any]") -> Behaviour:
    # Length is no habit, and none has the number 0.
    members = stored.habits[stored.habits["habit"] == row["habit"]]
    names = {kind: members.loc[members["kind"] == kind, "name"].tolist() for kind in KINDS}
    same = np.sign(row["delta_rarefied"]) == np.sign(row["delta"]) and row["q_rarefied"] < measure.LEVEL
    return Behaviour(
        name=str(row["name"]),
        kind=str(row["kind"]),
        direction=str(row["side"]).upper(),
        by=str(row["by"]),
        share_a=float(row["a"]),
        share_b=float(row["b"]),
        delta=float(row["delta"]),
        ci_low=float(row["ci_low"]),
        ci_high=float(row["ci_high"]),
        q=float(row["q"]),
        confirmed=str(row["confirmed"]),
        survives_length=None if row["kind"] == "amount" else bool(same),
        probes=names["probe"] or ([str(row["source"])] if row["by"] == "probe" else []),
        phrases=names["phrase"],
        features=[int(name) for name in names["feature"]],
    )


def sentence(stored: Diff) -> str:
    """What changed, length first."""
    if stored.older:
        return f"{OF_OLDER}; compare again."
    told = stored.summary
    if told.get("identical") == told["pairs"] > 0:
        return f"Nothing changed: {summary.identical(told)[0].lower()}{summary.identical(told)[1:]}"
    found = [each for each in behaviours(stored) if each.confirmed == "yes"]
    if not found:
        held = int(stored.behaviours["prompts"].max())
        if not held:
            return "No prompt was held out to confirm a change on; the list is of leads alone."
        return f"No change was confirmed on {count(held, 'held-out prompt')}; that does not prove that none is."
    parts = [_length(each) for each in found if each.kind == "amount"]
    named = [each for each in found if each.kind == "habit" and each.by != "feature"]
    for side in ("B", "A"):
        mine = [f"{each.name} ({each.figures})" for each in named if each.direction == side]
        if mine:
            more = f", and {len(mine) - SAID:,} more" if len(mine) > SAID else ""
            parts.append(f"{side} more often {_and(mine[:SAID], more)}")
    if not parts:
        return f"{count(len(found), 'change was', 'changes were')} confirmed that only features tell of."
    return f"{'; '.join(parts)}."


def _and(words: Sequence[str], more: str) -> str:
    return f"{', '.join(words)}{more}" if more else listed(list(words))


def _length(each: Behaviour) -> str:
    ratio = each.share_b / each.share_a if each.share_a else float("inf")
    way = "longer" if ratio >= 1 else "shorter"
    return f"B's answers are {share(abs(ratio - 1))} {way} ({each.figures} words)"


def whole(stored: Diff) -> dict[str, Any]:
    """Sentence and lists as plain data."""
    probes = stored.probes
    verdicts = {
        verdict: probes.loc[probes["verdict"] == verdict, "probe"].tolist()
        for verdict in ("no change", "cannot tell", "too rare to tell")
    }
    return {
        "sentence": sentence(stored),
        "a": stored.a,
        "b": stored.b,
        "prompts": stored.summary["prompts"],
        "behaviours": [each._asdict() for each in behaviours(stored)],
        "unchanged": verdicts["no change"],
        "cannot_tell": [*verdicts["cannot tell"], *verdicts["too rare to tell"]],
    }
