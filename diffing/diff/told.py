"""A timeline in words: what changed between which checkpoints, length first, then measures, then what answers do.

Promises that only what was called is said to have changed, and that what has no room in the sentence is counted.
"""

from typing import Any

import pandas as pd

from diffing.common.words import count, listed, points, share
from diffing.diff.timeline import SHARE, Timeline
from diffing.probes.sayings import little

SAID = 3
"""Things of a direction that the sentence names at a step: a reader keeps no more in mind."""
LENGTH, FOLLOWING = "words", ("characters", "sentences", "paragraphs")
"""How long answers are, and what mostly follows it and is not told beside it."""


def sentence(found: Timeline) -> str:
    """What changed along the checkpoints and where, length first."""
    rows = found.items[found.items["changed"]]
    if rows.empty:
        asked = count(found.prompts, "prompt")
        return f"No change along {listed(found.names)} was confirmed on {asked}; that does not prove that none is."
    if LENGTH in rows["item"].to_list():
        rows = rows[~((rows["kind"] == "probe") & rows["item"].isin(FOLLOWING))]
    # What people or the program have words for comes before what was learned.
    rows = rows.assign(learned=rows["kind"] == "phrase").sort_values("learned", kind="stable")
    parts, told = list[str](), 0
    for place in range(1, len(found.keys)):
        here = rows[(rows["shape"] == "step") & (rows["from"] == found.keys[place])]
        said, number = _said(here, "before", "after")
        told += number
        parts += [f"Between {found.names[place - 1]} and {found.names[place]} {said}."] if said else []
    said, number = _said(rows[rows["shape"] == "steady"], "first", "last")
    told += number
    parts += [f"All along from {found.names[0]} to {found.names[-1]} {said}."] if said else []
    rest = count(len(rows) - told, "more thing") if parts else count(len(rows), "thing")
    return " ".join([*parts, f"{rest} changed." if len(rows) > told else "Nothing else changed for sure."])


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
    shares = shares[~shares["says"].map(little).astype(bool)]
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


def figures(row: "pd.Series[Any]", early: str, late: str) -> str:
    """Two values of an item as people read them: 9 → 38 %."""
    if row["unit"] == SHARE:
        return f"{share(row[early])[:-2]} → {share(row[late])}"
    return f"{row[early]:,.3g} → {row[late]:,.3g}"
