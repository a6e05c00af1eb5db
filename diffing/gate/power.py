"""What a gate could not have seen: the smallest change it would have found, and how many prompts one takes.

Counted as the engine counts it for a diff (`stats.smallest_detectable`), at the level of the gate: α over the
tests of a table and over all families that the gate looks at. Promises nothing of amounts: a table's figure is of
what answers show or do not. Does not know rules or files.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from diffing.common import stats
from diffing.diff import measure
from diffing.diff.smallest import Smallest
from diffing.diff.stored import Diff
from diffing.gate.items import Item, What

ASKED = ("own probe", "measure")
"""Tables of which each row was asked for by name."""
FAR = 20
"""Times as many prompts from which on it is not said how many: nobody will ask them (as `measure.FAR`)."""
STEP = 1.25
"""From one number of prompts that is tried to the next, before the last two are halved between."""


class Power(NamedTuple):
    """Of one table."""

    what: What
    prompts: int
    tests: int
    discordance: float
    """Share of prompts that differ by chance."""
    smallest: float
    """Change that is found four times in five; infinite where none is."""
    needed: int | None
    """Prompts, in all, that the size asked for takes; None where it takes more than `FAR` times as many."""
    enough: bool
    families: int = 1
    """Tables that the gate looks at, each of which has a part of the level."""
    unit: str = "prompt"

    @property
    def sentence(self) -> str:
        """For a person."""
        tests = self.tests * self.families
        return Smallest(self.smallest, self.prompts, tests, self.discordance, NAMED[self.what], self.unit).sentence


NAMED = {
    "behaviour": "a typical behaviour",
    "probe": "a typical surface probe",
    "phrase": "a typical phrase",
    "own probe": "each own probe",
    "measure": "each measure",
}


def of(stored: Diff, found: Sequence[Item], gated: Sequence[Item], size: float) -> list[Power]:
    """The power of each table that a rule can fail on, for a change of this size; `gated` is what it can fail
    on."""
    families = _families(found)
    told = stored.summary
    chance = _background(gated, _background(found, told["background_discordance"]))
    out = []
    for what in dict.fromkeys(item.what for item in gated):
        mine = [item for item in found if item.what == what and item.kind not in ("amount", "place")]
        prompts, tests = told["prompts"], max(1, sum(not math.isnan(item.q) for item in mine))
        differing = chance
        if what == "behaviour":
            prompts = told["prompts"] - told["discovery"]
        elif what == "phrase":
            tests = max(1, int(told.get("tested_phrases") or 1))
        elif what in ASKED:
            if not mine:
                # Amounts alone, of which nothing is reckoned here.
                continue
            # Each was asked for by name, so the one that differs most by chance decides; its questions may rest on
            # fewer prompts.
            prompts = min((item.prompts for item in mine), default=prompts)
            differing = max((_discordance(item) for item in mine), default=chance)
        power = _power(what, prompts, told["prompts"], tests, differing, size, measure.LEVEL / families)
        unit = "new prompt" if what == "behaviour" else "prompt"
        out.append(power._replace(families=families, unit=unit))
    return out


def along(whole: int, found: Sequence[Item], gated: Sequence[Item], size: float) -> list[Power]:
    """The same of a series of so many prompts.

    Reckoned as if only the newest checkpoint and the one before it were asked: a step is tested on all of them,
    and so found more easily than that.
    """
    families = _families(found)
    chance = _background(gated, _background(found, 0.0))
    out = []
    for what in dict.fromkeys(item.what for item in gated):
        mine = [item for item in found if item.what == what and item.kind == "share" and item.prompts]
        if not mine:
            continue
        prompts, differing = mine[0].prompts, chance
        if what in ASKED:
            prompts = min(item.prompts for item in mine)
            differing = max(_discordance(item) for item in mine)
        # A step and a line of each, corrected together.
        tests = 2 * max(1, sum(item.family == mine[0].family and not math.isnan(item.q) for item in found))
        unit = "new prompt" if what == "phrase" else "prompt"
        power = _power(what, prompts, whole, tests, differing, size, measure.LEVEL / families)
        out.append(power._replace(families=families, unit=unit))
    return out


def _families(found: Sequence[Item]) -> int:
    return len({item.family for item in found if not math.isnan(item.q)}) or 1


def enough(powers: Sequence[Power]) -> bool:
    """Whether a change of this size would have been found: in a built-in table, in each own probe and measure."""
    built_in = [each.enough for each in powers if each.what not in ASKED]
    return (any(built_in) or not built_in) and all(each.enough for each in powers if each.what in ASKED)


def _power(what: What, prompts: int, whole: int, tests: int, chance: float, size: float, level: float) -> Power:
    smallest = stats.smallest_detectable(prompts, tests, chance, level, measure.POWER)
    found = smallest <= size
    needed = whole if found else _needed(prompts, whole, tests, chance, size, level)
    return Power(what, prompts, tests, chance, smallest, needed, found)


def _needed(prompts: int, whole: int, tests: int, chance: float, size: float, level: float) -> int | None:
    """Prompts in all of which this table has the same share as now."""
    few, most = max(prompts, 1), FAR * max(prompts, 10)
    many = few
    while stats.smallest_detectable(many, tests, chance, level, measure.POWER) > size:
        few, many = many, int(many * STEP) + 1
        if many > most:
            return None
    while many - few > max(1, few // 50):
        middle = (few + many) // 2
        if stats.smallest_detectable(middle, tests, chance, level, measure.POWER) > size:
            few = middle
        else:
            many = middle
    # To ten: it is a reckoning from one sample.
    return math.ceil(many * whole / max(prompts, 1) / 10) * 10


def _background(found: Sequence[Item], otherwise: float | None) -> float:
    """How many prompts differ by chance in something that is counted: the middle one of the surface probes."""
    probes = [item for item in found if item.what == "probe" and item.kind == "share" and item.prompts]
    # Rare things that are not even tested would make the middle one too quiet; a rule may be of these alone.
    probes = [item for item in probes if not math.isnan(item.q)] or probes
    if probes:
        return float(np.median([_discordance(item) for item in probes]))
    return 0.0 if otherwise is None or math.isnan(otherwise) else otherwise


def _discordance(item: Item) -> float:
    """The share of prompts that differ by chance: their mean square, from the interval's width, less the change.

    The interval has two prompts more than were asked, so this is rather too large.
    """
    if not math.isnan(item.discordance):
        return item.discordance
    spread = (item.ci_high - item.ci_low) / 2 / 1.96
    square = spread**2 * (item.prompts + 2) + item.delta**2 - abs(item.delta)
    return 0.0 if math.isnan(square) else min(1.0, max(0.0, square))
