"""Everything that a gate looks at, in one form: behaviours, probes, phrases, own probes and measures.

Promises the figures of the tables that they come from, each row by the one test that its table judges it by, and a
`q_gate` under which a comparison in which nothing changed fails in at most one of twenty. Counts nothing itself: a
further table is a further function in `TABLES`.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import pandas as pd

from diffing.common import files
from diffing.diff import measures
from diffing.diff.stored import Diff
from diffing.diff.told import FOLLOWING, LENGTH
from diffing.findings import asking
from diffing.gate.expression import Type
from diffing.labels import called, names
from diffing.probes import own_probes
from diffing.probes.sayings import SAYINGS
from diffing.study.study import Study

BY = {"probe": "probe", "phrase": "phrase", "own probe": "own", "measure": "score"}
"""What counts the things of each table."""
What = Literal["behaviour", "probe", "phrase", "own probe", "measure"]

NAMES: Mapping[str, tuple[Type, str]] = {
    "what": ("text", "`behaviour`, `probe`, `phrase`, `own probe` or `measure`: the table it is of"),
    "id": ("text", "its name for programs, such as `probe:bold`"),
    "name": ("text", "what it is in words, such as `uses bold`"),
    "kind": ("text", "of a behaviour `amount`, `habit`, `place` or `content`; of others `amount` or `share`"),
    "direction": ("text", "`A` or `B`: who has more of it"),
    "category": ("text", "of content, the category of prompts that its figures are of; else empty"),
    "by": ("text", "what counts it: `probe`, `phrase`, `feature`, `own` of an own probe, `score` of a measure"),
    "better": ("text", "of a measure whose tool said which way is better, the side that is; else empty"),
    "share_a": ("number", "share of A's answers that show it; of an amount or a place its mean"),
    "share_b": ("number", "the same of B"),
    "delta": ("number", "B minus A: 0.1 is ten answers in a hundred; of an amount a share of the mean of both"),
    "ci_low": ("number", "lower end of delta's 95 % interval"),
    "ci_high": ("number", "upper end"),
    "least": ("number", "what the difference is at least: the end nearer to 0, as a size; 0 where 0 lies inside"),
    "q": ("number", "of its exact test, corrected over the tests of its own table"),
    "q_gate": ("number", "q times the number of families of tests that the gate looks at"),
    "heldout_delta": ("number", "delta on held-out, that is new, prompts alone"),
    "heldout_q": ("number", "q on these alone; not known of built-in probes and of phrases"),
    "confirmed": (
        "text",
        "`yes`, `may be length`, `not confirmed` or `too few`; empty where nothing was to confirm",
    ),
    "survives_length": ("text", "`yes` or `no`: whether it is there at equal length too; empty where not asked"),
    "prompts": ("number", "prompts that its figures are of"),
    "at": ("text", "in a series, the checkpoint at which it changed; empty where it did all along, and in a pair"),
}
"""What a rule may ask of each thing."""


class Item(NamedTuple):
    """One thing with its figures."""

    what: What
    id: str
    name: str
    kind: str
    by: str
    source: str
    """Its name in its table: a probe's name, a phrase's form, a feature's number."""
    share_a: float
    share_b: float
    delta: float
    ci_low: float
    ci_high: float
    q: float
    heldout_delta: float
    heldout_q: float
    prompts: int
    family: str
    """Of tests, corrected together."""
    confirmed: str = ""
    survives_length: str = ""
    category: str = ""
    q_gate: float = math.nan
    members: tuple[str, ...] = ()
    """Ids of what is part of it: probes and phrases of a behaviour."""
    higher: bool | None = None
    """Whether more of it is better; None where nobody said."""
    at: str = ""
    discordance: float = math.nan
    """Share of prompts that differ by chance, where the table knows it."""

    @property
    def direction(self) -> str:
        return "A" if self.delta < 0 else "B"

    @property
    def better(self) -> str:
        if self.higher is None or not self.delta:
            return ""
        return "B" if (self.delta > 0) == self.higher else "A"

    @property
    def least(self) -> float:
        return max(0.0, self.ci_low, -self.ci_high)

    @property
    def figures(self) -> dict[str, Any]:
        """By the names that a rule knows."""
        return {name: getattr(self, name) for name in NAMES}


def of(study: Study, stored: Diff) -> list[Item]:
    """All of a comparison's, behaviours first, each table in its own order."""
    return corrected(apart([item for table in TABLES for item in table(study, stored)]))


def corrected(found: Sequence[Item]) -> list[Item]:
    """The same with `q_gate`."""
    # Each family is corrected by itself; the smallest q of all, times their number, holds for all together
    # (Bonferroni), however they hang together.
    families = len({item.family for item in found if not math.isnan(item.q)})
    return [item._replace(q_gate=min(1.0, item.q * families) if item.q == item.q else item.q) for item in found]


def apart(found: Sequence[Item]) -> list[Item]:
    """The same, each by an id of its own: two phrases may read alike to a person."""
    times = Counter(item.id for item in found)
    return [
        item._replace(id=f"{item.id} #{files.content_hash([item.source], 6)}") if times[item.id] > 1 else item
        for item in found
    ]


def _behaviours(study: Study, stored: Diff) -> list[Item]:
    phrases = dict(zip(stored.phrases["form"], stored.phrases["phrase"], strict=True))
    found, every = [], called.behaviours(study, stored)
    titles = _titles(study, stored, [int(each.source) for each in every if each.by == "feature"])
    for each in every:
        source = phrases.get(each.source, each.source)
        where = f"@{each.category}" if each.category else ""
        place = "place of " if each.moved else ""
        found.append(
            Item(
                what="behaviour",
                id=f"behaviour:{place}{each.by}:{source}{where}",
                name=titles[int(each.source)] if each.by == "feature" and not each.author else each.name,
                kind=each.kind,
                by=each.by,
                source=each.source,
                share_a=each.share_a,
                share_b=each.share_b,
                delta=each.delta,
                ci_low=each.ci_low,
                ci_high=each.ci_high,
                q=each.q,
                heldout_delta=each.delta,
                heldout_q=each.q,
                prompts=each.prompts,
                family="behaviour",
                confirmed=each.confirmed,
                survives_length=yes(each.survives_length),
                category=each.category,
                members=(
                    *(f"probe:{name}" for name in each.probes),
                    *(f"phrase:{phrases.get(form, form)}" for form in each.phrases),
                    # How long answers are is one behaviour, in whatever it is counted.
                    *(f"probe:{name}" for name in FOLLOWING if each.source == LENGTH),
                ),
            )
        )
    return found


def _titles(study: Study, stored: Diff, features: Sequence[int]) -> dict[int, str]:
    """What answers do that only features tell of: where each stands, and its label where it has one."""
    if not features:
        return {}
    rows = stored.features[stored.features["feature"].isin(features)]
    titles = {}
    for row in names.named(study, rows, stored.a, stored.b, stored.probes).to_dict("records"):
        labelled = row["named_by"] != "rule" and not row["refuted"]
        label = f"; its label is “{row['label']}”" if labelled and row["label"] != row["title"] else ""
        titles[int(row["feature"])] = f"shows feature {row['feature']}, which stands at {row['title']}{label}"
    return titles


def _probes(_study: Study, stored: Diff) -> list[Item]:
    rows = stored.probes.to_dict("records")
    return [_row(row, "probe", str(row["probe"]), SAYINGS[str(row["probe"])]) for row in rows]


def _phrases(_study: Study, stored: Diff) -> list[Item]:
    rows = stored.phrases.to_dict("records")
    return [
        _row(row, "phrase", str(row["phrase"]), str(row["phrase"]))._replace(source=str(row["form"]))
        for row in rows
    ]


def _own(study: Study, stored: Diff) -> list[Item]:
    if not own_probes.load(study):
        return []
    found = []
    for row in asking.table(study, stored.a, stored.b).to_dict("records"):
        name, asked = str(row["probe"]), row["kind"] == "question"
        item = _row(row, "own probe", name, str(row["says"]) or name)
        # Counted and asked ones are corrected apart.
        found.append(item._replace(family=f"{item.family}, asked" if asked else item.family))
    return found


def _measures(study: Study, stored: Diff) -> list[Item]:
    rows = measures.table(study, stored.a, stored.b)
    return [_measure(row) for row in rows[rows["n_prompts"] > 0].to_dict("records")]


def _measure(row: Mapping[Any, Any]) -> Item:
    amount = row["kind"] == "number"
    # Of what is no share the change is told as a share of its mean.
    scale = abs(row["mean_a"] + row["mean_b"]) / 2 or math.nan if amount else 1.0
    higher = None if not row["better"] else (row["better"] == "B") == (row["delta"] > 0)
    return Item(
        what="measure",
        id=f"measure:{row['measure']}",
        name=str(row["measure"]),
        kind="amount" if amount else "share",
        by=BY["measure"],
        source=str(row["measure"]),
        share_a=row["mean_a"],
        share_b=row["mean_b"],
        delta=row["delta"] / scale,
        ci_low=row["ci_low"] / scale,
        ci_high=row["ci_high"] / scale,
        q=row["q"],
        heldout_delta=row["delta_heldout"] / scale,
        heldout_q=row["q_heldout"],
        prompts=row["n_prompts"],
        family="measure",
        higher=higher,
    )


TABLES: Sequence[Callable[[Study, Diff], list[Item]]] = (_behaviours, _probes, _phrases, _own, _measures)
"""What a gate looks at."""


def _row(row: Mapping[Any, Any], what: What, source: str, name: str) -> Item:
    """A row of a table of probes, by the test that judges it."""
    amount = row["judged_by"] == "amount"
    kind, mean, ends = ("amount", "mean", "change") if amount else ("share", "frequency", "ci")
    held = float(row["delta_heldout"])
    return Item(
        what=what,
        id=f"{'own' if what == 'own probe' else what}:{source}",
        name=name,
        kind=kind,
        by=BY[what],
        source=source,
        share_a=float(row[f"{mean}_a"]),
        share_b=float(row[f"{mean}_b"]),
        delta=float(row["change" if amount else "delta"]),
        ci_low=float(row[f"{ends}_low"]),
        ci_high=float(row[f"{ends}_high"]),
        q=float(row["q_mean" if amount else "q"]),
        # What held-out prompts say is of who shows it, which says nothing where all do.
        heldout_delta=math.nan if amount else held,
        heldout_q=math.nan if amount else float(row.get("q_heldout", math.nan)),
        prompts=0 if pd.isna(row["n_prompts"]) else int(row["n_prompts"]),
        family=f"{what}, {kind}",
        confirmed="" if amount or pd.isna(row["replicated"]) else str(row["replicated"]),
        survives_length="" if amount else yes(row["survives_equal_length"]),
    )


def yes(value: Any) -> str:
    return "" if value is None or pd.isna(value) else "yes" if value else "no"
