"""What the answers so far settle about each built-in probe, at any time one cares to look.

Reads texts and no encodings, so it can look while answers come in. A probe is settled once it differs (e-BH over
all probes and pairs of checkpoints at 5 %), once it can matter to hardly any prompt, or once its difference lies
inside the margin, each by figures that hold at every look at once (`evalues`). Promises that what it says may be
asked after every answer, and that no more is claimed of a probe that is open than that it is open. Amounts, such
as the number of words, are not looked at.
"""

from collections.abc import Iterable
from itertools import combinations
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from diffing.common.arrays import Array, Bools, Floats, Ints
from diffing.common.words import listed
from diffing.diff import evalues
from diffing.probes import scan
from diffing.study import responses
from diffing.study.study import Study

State = Literal["differs", "no change", "too rare", "open"]


class Known(NamedTuple):
    """What is known of one probe on two checkpoints."""

    a: str
    b: str
    probe: str
    state: State
    prompts: int
    delta: float
    low: float
    """95 % interval of the difference, good at any number of looks."""
    high: float
    most: float
    """Upper 95 % bound of the share of prompts where either side shows it, likewise."""
    e_value: float


class Looks:
    """A study that is looked at again and again; each answer is read once."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._shown: dict[tuple[Any, ...], Bools] = {}

    def now(self, margin: float) -> list[Known]:
        """Every probe on every pair of checkpoints, by the answers that are stored now."""
        stored = self._study.responses()
        self._read(stored[~stored["flag"].isin(responses.EXCLUDING)])
        prompts = self._study.prompts()
        pairs = list(combinations([checkpoint.key for checkpoint in self._study.checkpoints], 2))
        differences = [self._differences(stored, prompts, a, b) for a, b in pairs]
        # All at once: the hypotheses are the probes of all pairs, known before the first answer.
        e_values = [evalues.presence((d < 0).sum(axis=0), (d > 0).sum(axis=0)) for d, _ in differences]
        certain = evalues.certain(np.concatenate(e_values), sum(map(len, e_values)))
        known: list[Known] = []
        for (a, b), (d, either), values in zip(pairs, differences, e_values, strict=True):
            known += _known(a, b, d, either, values, certain[len(known) : len(known) + len(values)], margin)
        return known

    def _read(self, answers: pd.DataFrame) -> None:
        # By date too, since an answer that is asked for again takes the place of an earlier one.
        names = [tuple(row) for row in answers[[*responses.KEY, "created"]].itertuples(index=False)]
        fresh = [place for place, name in enumerate(names) if name not in self._shown]
        found = scan.table(answers["text"].iloc[fresh].tolist())[list(scan.PRESENCE)].to_numpy() > 0
        self._shown |= {names[place]: row for place, row in zip(fresh, found, strict=True)}

    def _differences(self, stored: pd.DataFrame, prompts: pd.DataFrame, a: str, b: str) -> tuple[Floats, Floats]:
        """Prompts × probes: how much more often B's answers show each than A's, and how often either side's do."""
        created = stored.set_index(responses.KEY)["created"]
        kept = responses.kept(responses.pairs(stored, prompts, a, b))
        sides = [
            [
                self._shown[i, key, d, created[i, key, d]]
                for i, d in zip(kept["prompt_id"], kept["draw"], strict=True)
            ]
            for key in (a, b)
        ]
        shape = (2, len(kept), len(scan.PRESENCE))
        number, place = np.unique(kept["prompt_id"], return_inverse=True)
        sums = np.zeros((2, len(number), len(scan.PRESENCE)))
        for side, rows in enumerate(np.array(sides, dtype=np.float64).reshape(shape)):
            np.add.at(sums[side], place, rows)
        share_a, share_b = sums / np.bincount(place, minlength=len(number))[None, :, None]
        # Thirds and fifths are rounded, so that equal differences are counted as equal.
        return np.round(share_b - share_a, 9), np.round(np.maximum(share_a, share_b), 9)


def _known(
    a: str, b: str, d: Floats, either: Floats, e_values: Floats, certain: Bools, margin: float
) -> list[Known]:
    low, high = evalues.sequence(*_counted(d, (-1, 1)), -1, 1)
    values, counts = _counted(either, (0, 1))
    # From above alone, so with all of the 5 %.
    most = -evalues.bound(-values, counts, -1, evalues.LEVEL)
    states = np.select(
        [certain, most < margin, (low > -margin) & (high < margin)], ["differs", "too rare", "no change"], "open"
    )
    delta = d.mean(axis=0) if len(d) else np.full(d.shape[1], np.nan)
    figures = zip(scan.PRESENCE, states.tolist(), delta, low, high, most, e_values, strict=True)
    return [Known(a, b, probe, state, len(d), *map(float, rest)) for probe, state, *rest in figures]


def _counted(table: Array, ends: tuple[int, int]) -> tuple[Floats, Ints]:
    """The values in a table of prompts × probes, and how many prompts of each probe have each."""
    values = np.union1d(table, ends)
    return values, np.stack([(table == value).sum(axis=0) for value in values], axis=1)


def in_words(known: Iterable[Known], margin: float) -> str:
    """How many probes stand where, and the names of those that are open; goes on after "of the probes"."""
    known = list(known)
    by_state = {
        state: [one for one in known if one.state == state] for state in ("differs", "no change", "too rare")
    }
    several = len({(one.a, one.b) for one in known}) > 1
    still = [f"{one.probe} ({one.a}, {one.b})" if several else one.probe for one in known if one.state == "open"]
    said = (
        f"{len(by_state['differs'])} differ, {len(by_state['no change'])} do not by more than "
        f"{100 * margin:.0f} points, {len(by_state['too rare'])} are too rare to matter"
    )
    return f"{said}; still open: {listed(still)}." if still else f"{said}; none is open."
