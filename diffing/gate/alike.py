"""What fails a gate twice: things counted in answers that change on the same prompts, told as one.

Of two things that rise or fall on the same prompts, or of two phrases of which one is within the other, the later
stands with the earlier. Promises that behaviours are never told as part of one another, that only what changed the
same way is put together, and that no figure and no verdict hangs on it. Looks at all prompts: no test hangs on it.
"""

import json
from collections.abc import Sequence

import numpy as np

from diffing.common.arrays import Floats
from diffing.gate import earlier
from diffing.gate.items import Item
from diffing.probes.learned import ALIKE
from diffing.study import responses
from diffing.study.study import Study

COUNTED = ("probe", "phrase")


def wholes(study: Study, sides: tuple[str, str], failing: Sequence[Item]) -> dict[str, str]:
    """By id of what only tells another thing again: the id of that one. Behaviours are to come first."""
    found = [item for item in failing if item.by in COUNTED and item.kind in ("share", "habit", "content")]
    if all(item.what == "behaviour" for item in found):
        return {}
    changes = _changes(study, sides, found)
    out: dict[str, str] = {}
    for place, item in enumerate(found):
        if item.what == "behaviour":
            continue
        for head in found[:place]:
            if head.id in out or head.direction != item.direction:
                continue
            if _within(head, item) or _together(changes[head.id], changes[item.id]):
                out[item.id] = head.id
                break
    return out


def _changes(study: Study, sides: tuple[str, str], found: Sequence[Item]) -> dict[str, Floats]:
    """By thing: B less A of each pair's answers, 1 where only B shows it."""
    pairs = responses.kept(study.pairs(*sides))
    wanted = [*dict.fromkeys((item.by, item.source) for item in found)]
    shown = [
        {key: amount > 0 for key, amount in earlier.counts(pairs[f"text_{side}"].to_list(), study, wanted).items()}
        for side in "ab"
    ]
    by_key = {key: shown[1][key].astype(np.float64) - shown[0][key] for key in wanted}
    return {item.id: by_key[item.by, item.source] for item in found}


def _together(some: Floats, others: Floats) -> bool:
    """Whether both change on the same prompts, as alike as phrases that one phrase stands for."""
    spread = float(some.std() * others.std())
    return spread > 0 and float(np.mean(some * others) - some.mean() * others.mean()) / spread >= ALIKE


def _within(head: Item, item: Item) -> bool:
    """Whether one of two phrases is a piece of the other."""
    if not head.by == item.by == "phrase":
        return False
    long, short = (" ".join(json.loads(each.source)["symbols"]).casefold() for each in (head, item))
    return f" {short} " in f" {long} " or f" {long} " in f" {short} "
