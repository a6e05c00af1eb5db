"""Does anything differ at all? One test at 5 % over every view of a diff.

Each view (presence, the cuts, the rate, what is counted ...) is corrected by itself, so with eight of them a pair
in which nothing changed still says something in one study of seven. Here each view gives one p, Simes's (1986),
the smallest q that Benjamini and Hochberg's rule gives in it; the smallest of these times their number is the
whole diff's (Bonferroni). Promises that this holds however the views hang together, as they do: they look at the
same answers. Within a view it holds wherever Benjamini and Hochberg's rule does, and is proven by exchanging sides
(`docs/method.md`). Knows tables and columns, and takes what is there: a view that a table lacks is no view.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from diffing.common.arrays import Floats
from diffing.common.words import count, small

LEVEL = 0.05

Says = Literal["differs", "cannot tell"]

FAMILIES = {
    "presence": ("q",),
    "first and last tokens": ("q_equal_length", "q_equal_length_tail"),
    "equal numbers of tokens": ("q_rarefied",),
    "rate": ("q_rate",),
    "strength": ("q_mean",),
    "categories": ("q_heterogeneity",),
}
"""Tests that are corrected together, and the columns of their q."""
COUNTED = {"surface probes": "probes", "phrases": "phrases"}
"""Things that are counted, and their tables: all families of one are one view, being of so few rows."""


class Seen(NamedTuple):
    """One view."""

    view: str
    tests: int
    p: float
    """Of "nothing differs in this view"."""


def of(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """`p` over all views, what it `says`, and the `views` it is made of; `p` is None where nothing was tested."""
    seen = views(tables)
    p = min(1.0, len(seen) * min(view.p for view in seen)) if seen else None
    says: Says = "differs" if p is not None and p < LEVEL else "cannot tell"
    return {"p": p, "says": says, "views": [view._asdict() for view in seen]}


def in_words(anything: Mapping[str, Any] | None) -> str:
    """The first words of an answer; none of a diff that an older version made."""
    if anything is None:
        return ""
    views, p = len(anything["views"]), anything["p"]
    if p is None:
        return "No difference can be told: nothing differs on enough prompts to be tested."
    over = f"p = {small(p)} over {count(views, 'view')} together"
    if anything["says"] == "differs":
        return f"Something differs ({over})."
    return f"No difference can be told ({over}); that does not prove no change."


def views(tables: Mapping[str, pd.DataFrame]) -> list[Seen]:
    """Every view in which something was tested.

    What is tested hangs on how much prompts differ and not on which way, so exchanging sides changes no view.
    """
    seen = []
    if "features" in tables:
        seen += [_together(name, [found]) for name, found in _families(tables["features"]).items()]
    for name, table in COUNTED.items():
        families = _families(tables[table]) if table in tables else {}
        if families:
            seen.append(_together(name, [*families.values()]))
    return seen


def _families(table: pd.DataFrame) -> dict[str, Floats]:
    """The q of each family of tests that a table has.

    Its smallest is Simes's p of the family; where only the first of many candidates became rows, as with phrases,
    it is no smaller than that.
    """
    found = {}
    for name, columns in FAMILIES.items():
        q = [table[column].to_numpy(dtype=np.float64) for column in columns if column in table]
        made = np.concatenate(q) if q else np.empty(0)
        if len(made := made[~np.isnan(made)]):
            found[name] = made
    return found


def _together(view: str, families: Sequence[Floats]) -> Seen:
    p = min(1.0, len(families) * min(float(q.min()) for q in families))
    return Seen(view, sum(map(len, families)), p)
