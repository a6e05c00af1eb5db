"""Does anything differ at all? One test at 5 % over every view of a diff.

Each view (presence, the cuts, the rate, what is counted ...) is corrected by itself, so with eight of them a pair
in which nothing changed still says something in one study of seven. Here each view gives one p, Simes's (1986),
the smallest q that Benjamini and Hochberg's rule gives in it; the smallest of these times their number is the
whole diff's (Bonferroni). Promises that this holds however the views hang together, as they do: they look at the
same answers. Within a view it holds wherever Benjamini and Hochberg's rule does, and is proven by exchanging sides
(`docs/method.md`). Knows tables and columns, and takes what is there: a view that a table lacks is no view.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from diffing.common import stats
from diffing.common.words import count, small

LEVEL = 0.05

Says = Literal["differs", "cannot tell"]

EVERY = (
    *("p", "p_equal_length", "p_equal_length_tail", "p_rarefied"),
    *("p_rate", "p_mean", "p_heterogeneity"),
)
"""All tests of a table of things that are counted: so few rows make one view of them, not seven."""

VIEWS: dict[str, tuple[str, tuple[str, ...]]] = {
    "presence": ("features", ("p",)),
    "first and last tokens": ("features", ("p_equal_length", "p_equal_length_tail")),
    "equal numbers of tokens": ("features", ("p_rarefied",)),
    "rate": ("features", ("p_rate",)),
    "strength": ("features", ("p_mean",)),
    "categories": ("features", ("p_heterogeneity",)),
    "surface probes": ("probes", EVERY),
    "phrases": ("phrases", EVERY),
}
"""Each view's name, its table and the columns that hold its p-values."""


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
    out = []
    for name, (table, wanted) in VIEWS.items():
        there = tables.get(table)
        if there is None:
            continue
        columns = [there[column].to_numpy(dtype=np.float64) for column in wanted if column in there]
        p = np.concatenate(columns) if columns else np.empty(0)
        tests = int(np.count_nonzero(~np.isnan(p)))
        if tests:
            out.append(Seen(name, tests, float(np.nanmin(stats.benjamini_hochberg(p)))))
    return out
