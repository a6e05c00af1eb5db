"""A timeline in words: what changed between which checkpoints, length first, then measures, then what answers do.

Promises that only what was called is said to have changed, and that what has no room in the sentence is counted.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from diffing.common.words import count, listed, points, share
from diffing.diff import summary
from diffing.diff.followed import SHARE
from diffing.diff.timeline import Timeline
from diffing.probes.sayings import little

SAID = 3
"""Things of a direction that the sentence names at a step: a reader keeps no more in mind."""
NAMED = 5
"""Things that are named as perhaps length alone; the table has all."""
LENGTH, FOLLOWING = "words", ("characters", "sentences", "paragraphs")
"""How long answers are, and what mostly follows it and is not told beside it."""


def sentence(found: Timeline) -> str:
    """What changed along the checkpoints and where, length first."""
    rows = notable(found)
    if not found.items["changed"].any():
        asked = count(found.prompts, "prompt")
        return f"No change along {listed(found.names)} was confirmed on {asked}; that does not prove that none is."
    parts, told = list[str](), 0
    for place in range(1, len(found.keys)):
        here = rows[(rows["shape"] == "step") & (rows["from"] == found.keys[place])]
        said, number = _said(here, "before", "after")
        told += number
        parts += [f"Between {found.names[place - 1]} and {found.names[place]} {said}."] if said else []
    said, number = _said(rows[rows["shape"] == "steady"], "first", "last")
    told += number
    parts += [f"All along from {found.names[0]} to {found.names[-1]} {said}."] if said else []
    # Of all that changed, small words too: they have no line, and are changes all the same.
    changed = _apart_from_length(found)
    unsure = int(_unsure(changed).sum())
    rest = len(changed) - unsure - told
    more = (
        count(rest, "more thing" if parts else "thing") + " changed" if rest else "Nothing else changed for sure"
    )
    if unsure:
        more += f"; {count(unsure, 'other')} may have only because answers did not stay as long as they were"
    return " ".join([*parts, f"{more}."])


def notable(found: Timeline) -> pd.DataFrame:
    """What changed and is worth a line, the surest first: what people have words for before what was learned."""
    rows = _worth_a_line(found)
    return rows[~_unsure(rows)]


def may_be_length(found: Timeline) -> pd.DataFrame:
    """What changed, is worth a line and is not there for sure at equal length."""
    rows = _worth_a_line(found)
    return rows[_unsure(rows)]


def _unsure(rows: pd.DataFrame) -> "pd.Series[bool]":
    return ~rows["survives_equal_length"].fillna(True).astype(bool)


def _worth_a_line(found: Timeline) -> pd.DataFrame:
    rows = _apart_from_length(found)
    rows = rows[~rows["says"].map(little).astype(bool)]
    return rows.assign(learned=rows["kind"] == "phrase").sort_values("learned", kind="stable")


def _apart_from_length(found: Timeline) -> pd.DataFrame:
    """What changed, without what is the length of answers told once more."""
    rows = found.items[found.items["changed"]]
    if LENGTH in rows.loc[rows["kind"] == "probe", "item"].to_list():
        rows = rows[~((rows["kind"] == "probe") & rows["item"].isin(FOLLOWING))]
    return rows


def _said(rows: pd.DataFrame, early: str, late: str) -> tuple[str, int]:
    """What changed at one place, as the end of a sentence, and how many things that names."""
    parts, told = list[str](), 0
    for _, row in rows[(rows["item"] == LENGTH) & (rows["kind"] == "probe")].iterrows():
        longer = "longer" if row[late] > row[early] else "shorter"
        by = points(abs(row[late] / row[early] - 1)).lstrip("+") if row[early] else "–"
        parts.append(f"answers became {by}\u00a0% {longer} ({row[early]:,.0f} → {row[late]:,.0f} words)")
        told += 1
    for _, row in rows[rows["kind"] == "measure"].head(SAID).iterrows():
        way = "rose" if row[late] > row[early] else "fell"
        parts.append(f"“{row['item']}” {way} ({figures(row, early, late)})")
        told += 1
    shares = rows[(rows["unit"] == SHARE) & (rows["kind"] != "measure")]
    subject = "an answer "
    for often, some in (
        ("more often", shares[late] > shares[early]),
        ("more rarely", shares[late] < shares[early]),
    ):
        mine = [f"{row['says']} ({figures(row, early, late)})" for _, row in shares[some].head(SAID).iterrows()]
        if mine:
            parts.append(f"{subject}{often} {listed(mine)}")
            subject = ""
        told += len(mine)
    return "; ".join(parts), told


def plain(found: Timeline) -> dict[str, Any]:
    """All of it for another program."""
    told: dict[str, Any] = summary.plain(
        {
            "checkpoints": found.keys,
            "names": found.names,
            "sentence": sentence(found),
            "prompts": found.prompts,
            "left_out": found.left_out,
            "faults": found.faults,
            "items": found.items.to_dict("records"),
            "points": found.points.to_dict("records"),
        }
    )
    return told


def caution(found: Timeline) -> str:
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


def where(found: Timeline, row: Any, called: Sequence[str]) -> str:
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


def figures(row: "pd.Series[Any]", early: str, late: str) -> str:
    """Two values of an item as people read them: 9 → 38 %."""
    if row["unit"] == SHARE:
        return f"{100 * row[early]:.0f} → {share(row[late])}"
    return f"{amount(row[early])} → {amount(row[late])}"


def amount(value: float) -> str:
    """A mean in as many digits as anybody reads."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
