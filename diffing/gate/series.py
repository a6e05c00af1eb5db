"""A series as a gate looks at it: what a timeline follows, in the form of every other comparison's things.

Promises the timeline's own figures and its one correction over all that it follows (own probes are a family of
their own), and that each thing says at which checkpoint it changed. Counts nothing itself.
"""

from typing import Any

import numpy as np

from diffing.diff.followed import SHARE
from diffing.diff.timeline import Timeline
from diffing.diff.told import FOLLOWING, LENGTH
from diffing.gate.items import BY, Item, What, apart, corrected, yes
from diffing.study.study import Study

KINDS: dict[str, What] = {"probe": "probe", "phrase": "phrase", "own": "own probe", "measure": "measure"}
"""What a gate calls the kinds of a timeline's items."""


def of(study: Study, found: Timeline) -> list[Item]:
    """All that was followed, by the checkpoint at which it changed and what changed all along last."""
    said = study.measures().dropna(subset="higher_is_better")
    better = dict(zip(said["name"], said["higher_is_better"].astype(bool), strict=True))
    items = [_item(row, better) for row in found.items.to_dict("records")]
    places = {"": len(found.keys)} | {key: place for place, key in enumerate(found.keys)}
    # Of one place the surest first, as the timeline has them.
    return corrected(apart(sorted(items, key=lambda item: places[item.at])))


def _item(row: Any, better: dict[str, bool]) -> Item:
    what, source, amount = KINDS[str(row["kind"])], str(row["item"]), row["unit"] != SHARE
    # Of what is no share the change is told as a share of its mean, as everywhere in a gate.
    scale = abs(row["before"] + row["after"]) / 2 or np.nan if amount else 1.0
    kept = yes(row["survives_equal_length"])
    confirmed = ("may be length" if kept == "no" else "yes") if row["changed"] else ""
    return Item(
        what=what,
        id=f"{'own' if what == 'own probe' else what}:{source}",
        name=source if what == "measure" else str(row["says"]) or source,
        kind="amount" if amount else "share",
        by=BY[what],
        source=source,
        share_a=float(row["before"]),
        share_b=float(row["after"]),
        delta=float(row["change"] / scale),
        ci_low=float(row["change_low"] / scale),
        ci_high=float(row["change_high"] / scale),
        q=float(row["q"]),
        heldout_delta=np.nan,
        heldout_q=np.nan,
        prompts=int(row["n_prompts"]),
        family="series, own" if what == "own probe" else "series",
        confirmed=confirmed,
        survives_length=kept,
        members=tuple(f"probe:{name}" for name in FOLLOWING) if (what, source) == ("probe", LENGTH) else (),
        higher=better.get(source) if what == "measure" else None,
        at="" if row["shape"] == "steady" else str(row["from"]),
        discordance=float(row["discordance"]),
    )
