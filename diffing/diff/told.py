"""A timeline in words: what changed between which checkpoints, length first, then measures, then what answers do.

Promises that only what was called is said to have changed, and that what has no room in the sentence is counted.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from diffing.common.words import count, listed, points, share
from diffing.diff import summary
from diffing.diff.along import Series
from diffing.diff.followed import SHARE
from diffing.diff.timeline import Timeline
from diffing.probes.sayings import little

SAID = 3
"""Things of a direction that the sentence names at a step: a reader keeps no more in mind."""
NAMED = 5
"""Things that are named as perhaps length alone; the table has all."""
LENGTH, FOLLOWING = "words", ("characters", "sentences", "paragraphs")
"""How long answers are, and what mostly follows it and is not told beside it."""


class Said(NamedTuple):
    """What is to be said, from the shortest to all of it."""

    headline: str
    """In one short sentence: how much, and where."""
    parts: list[tuple[str, str]]
    """Of each place: where, and what there, as one sentence in two pieces."""
    rest: str
    """What the parts have no room for."""

    @property
    def whole(self) -> str:
        return " ".join([*(f"{where} {what}" for where, what in self.parts), self.rest])


def said(found: Timeline) -> Said:
    """What changed along the checkpoints and where, length first."""
    if not found.items["changed"].any():
        asked, every = count(found.prompts, "prompt"), listed(found.called)
        nothing = f"No change along {every} was confirmed on {asked}; that does not prove that none is."
        return Said(nothing, [], nothing)
    rows, parts, told, called = notable(found), list[tuple[str, str]](), 0, found.called
    for place in range(1, len(called)):
        here = rows[(rows["shape"] == "step") & (rows["from"] == found.keys[place])]
        what, number = _said(here)
        told += number
        parts += [(_between(called, place), f"{what}.")] if what else []
    what, number = _said(rows[rows["shape"] == "steady"])
    told += number
    parts += [(f"All along from {called[0]} to {called[-1]}", f"{what}.")] if what else []
    more = rest(found, told, CHANGED if parts else CHANGED._replace(more="thing"))
    return Said(_headline(found), parts, more)


def _between(called: Sequence[str], place: int) -> str:
    return f"Between {called[place - 1]} and {called[place]}"


def _headline(found: Timeline) -> str:
    rows = sure(found)
    if rows.empty:
        return "Something changed, and all of it may be length alone."
    steps = rows[rows["shape"] == "step"]["from"].value_counts()
    called, keys = found.called, found.keys
    where = {f"between {called[keys.index(key) - 1]} and {called[keys.index(key)]}": n for key, n in steps.items()}
    where |= {"all along": len(rows) - int(steps.sum())} if steps.sum() < len(rows) else {}
    most = sorted(where.items(), key=lambda each: -each[1])
    named = listed([f"{number:,} {place}" for place, number in most])
    along = f"along {len(keys)} checkpoints"
    if len(most) == 1:
        return f"{count(len(rows), 'thing')} changed {along}, {most[0][0]}."
    return f"{count(len(rows), 'thing')} changed {along}: {named}."


class Rest(NamedTuple):
    """How it is said that there is more."""

    more: str
    does: str
    nothing: str
    unsure: str


CHANGED = Rest(
    "more thing",
    "changed",
    "Nothing else changed for sure",
    "may be length alone",
)


def rest(found: Series, told: int, words: Rest) -> str:
    """What there is besides so many things that were told, and what may be length alone."""
    unsure = len(_apart_from_length(found)) - len(sure(found))
    left = len(sure(found)) - told
    said = f"{count(left, words.more)} {words.does}" if left else words.nothing
    return f"{said}; {count(unsure, 'other')} {words.unsure}." if unsure else f"{said}."


def sure(found: Series) -> pd.DataFrame:
    """What changed and is not length alone: small words too, which have no line and are changes all the same."""
    rows = _apart_from_length(found)
    return rows[~_unsure(rows)]


def notable(found: Series) -> pd.DataFrame:
    """What changed and is worth a line, the surest first: what people have words for before what was learned."""
    rows = _worth_a_line(found)
    return rows[~_unsure(rows)]


def may_be_length(found: Series) -> pd.DataFrame:
    """What changed, is worth a line and is not there for sure at equal length."""
    rows = _worth_a_line(found)
    return rows[_unsure(rows)]


def _unsure(rows: pd.DataFrame) -> "pd.Series[bool]":
    return ~rows["survives_equal_length"].fillna(True).astype(bool)


def _worth_a_line(found: Series) -> pd.DataFrame:
    rows = _apart_from_length(found)
    rows = rows[~rows["says"].map(little).astype(bool)]
    return rows.assign(learned=rows["kind"] == "phrase").sort_values("learned", kind="stable")


def _apart_from_length(found: Series) -> pd.DataFrame:
    """What changed, without what is the length of answers told once more."""
    rows = found.items[found.items["changed"]]
    if LENGTH in rows.loc[rows["kind"] == "probe", "item"].to_list():
        rows = rows[~((rows["kind"] == "probe") & rows["item"].isin(FOLLOWING))]
    return rows


def _said(rows: pd.DataFrame) -> tuple[str, int]:
    """What changed at one place, as the end of a sentence, and how many things that names."""
    parts, told = list[str](), 0
    for _, row in rows[(rows["item"] == LENGTH) & (rows["kind"] == "probe")].iterrows():
        longer = "longer" if row["after"] > row["before"] else "shorter"
        by = points(abs(row["after"] / row["before"] - 1)).lstrip("+") if row["before"] else "–"
        parts.append(f"answers became {by}\u00a0% {longer} ({row['before']:,.0f} → {row['after']:,.0f} words)")
        told += 1
    for _, row in rows[rows["kind"] == "measure"].head(SAID).iterrows():
        way = "rose" if row["after"] > row["before"] else "fell"
        parts.append(f"“{row['item']}” {way} ({figures(row)})")
        told += 1
    shares = rows[(rows["unit"] == SHARE) & (rows["kind"] != "measure")]
    subject = "an answer "
    for often, some in (
        ("more often", shares["after"] > shares["before"]),
        ("more rarely", shares["after"] < shares["before"]),
    ):
        mine = [f"{row['says']} ({figures(row)})" for _, row in shares[some].head(SAID).iterrows()]
        if mine:
            parts.append(f"{subject}{often} {listed(mine)}")
            subject = ""
        told += len(mine)
    return "; ".join(parts), told


def plain(found: Series, said: str) -> dict[str, Any]:
    """All of it for another program, with the sentence that says it."""
    told: dict[str, Any] = summary.plain(
        {
            "checkpoints": found.keys,
            "names": found.names,
            "sentence": said,
            "prompts": found.prompts,
            "left_out": found.left_out,
            "faults": found.faults,
            "items": found.items.to_dict("records"),
            "points": found.points.to_dict("records"),
        }
    )
    return told


def caution(found: Series) -> str:
    """What may have changed only because answers did not stay as long as they were; empty where nothing may."""
    rows = may_be_length(found)
    if rows.empty:
        return ""
    left = len(rows) - NAMED
    named = listed([*rows["says"].head(NAMED), *([f"{left:,} more"] if left > 0 else [])])
    return (
        f"May be length alone: {named}. Longer answers show more of nearly everything, and in as many words of "
        f"each answer {'this is' if len(rows) == 1 else 'these are'} not there for sure."
    )


def at_equal_length(row: Any) -> str:
    """Whether a change is there at equal length too, in a word or three."""
    if pd.isna(row["survives_equal_length"]):
        return "–"
    return "yes" if row["survives_equal_length"] else "may be length"


def where(found: Series, row: Any, called: Sequence[str]) -> str:
    """Where an item changed: between two checkpoints, with the range that the step may lie in, or all along.

    `called` is what the checkpoints are called in it.
    """
    if not row["changed"]:
        return "–"
    if row["shape"] == "steady":
        return "steadily"
    low, at, high = (found.keys.index(row[name]) for name in ("from_low", "from", "from_high"))
    said = f"{called[at - 1]} → {called[at]}"
    return said if low == high else f"{said} ({called[low - 1]} → {called[high]})"


def figure(unit: str, value: float) -> str:
    """A share or a mean as people read it."""
    return share(value) if unit == SHARE else "–" if pd.isna(value) else amount(value)


def figures(row: "pd.Series[Any]") -> str:
    """An item before and after as people read it: 9 → 38 %."""
    early, late = row["before"], row["after"]
    if row["unit"] == SHARE:
        return f"{100 * early:.0f} → {share(late)}"
    return f"{amount(early)} → {amount(late)}"


def amount(value: float) -> str:
    """A mean in as many digits as anybody reads."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
