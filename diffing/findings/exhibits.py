"""Pairs of answers that show a claim, and pairs that speak against it, chosen from discovery prompts.

A pair's weight is how much more of the claim's features and probes one answer has than the other. Promises that a
held-out prompt is never chosen and that the choice hangs on the data alone. Shows what differs most, which is not
what is typical: counter-examples stand beside.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from diffing.common.arrays import Bools, Floats, Ints
from diffing.findings.findings import Example
from diffing.findings.predicates import Predicate
from diffing.probes.probes import PROBES
from diffing.reader.encodings import Encodings
from diffing.study import prompts, responses
from diffing.study.study import Study

SHOWN = 3
"""Pairs of each kind: as many as a person reads before the next claim. Chosen by eye."""


class Exhibits(NamedTuple):
    """What to show of a claim."""

    examples: list[Example]
    counter_examples: list[Example]


class Chooser:
    """Chooses among the discovery pairs of one comparison."""

    def __init__(self, study: Study, encodings: Encodings | None, a: str, b: str) -> None:
        discovery = study.prompts().loc[prompts.discovery, "id"]
        pairs = responses.kept(study.pairs(a, b))
        self.pairs = pairs[pairs["prompt_id"].isin(discovery)].reset_index(drop=True)
        self.encodings = encodings
        self._documents: list[Ints] = []
        if encodings is not None:
            rows = encodings.documents.reset_index(names="document").set_index(["prompt_id", "draw", "checkpoint"])
            for key in (a, b):
                wanted = pd.MultiIndex.from_frame(self.pairs[["prompt_id", "draw"]].assign(checkpoint=key))
                # -1 for an answer that was not read: the place that `_peaks` puts behind all others, a 0.
                self._documents.append(rows["document"].reindex(wanted).fillna(-1).to_numpy(np.int64))

    def choose(
        self, features: Sequence[int], probes: Sequence[str], sign: int, predicate: Predicate | None = None
    ) -> Exhibits:
        """Pairs with most of it on the claimed side (`sign` 1: B), and with most of it on the other.

        Where something can be counted, that alone tells: an example shows what the claim says.
        """
        weight = np.zeros(len(self.pairs))
        if predicate is not None and predicate.known:
            weight += self._counted(predicate.count)
        else:
            for feature in features if self.encodings is not None else ():
                weight += self._of_feature(feature)
            for name in probes:
                weight += self._counted(PROBES[name].count)
        # Stable: many pairs weigh the same, and which come first must not hang on the machine.
        order = np.argsort(-sign * weight, kind="stable")
        return Exhibits(self._first(order, sign * weight > 0), self._first(order[::-1], sign * weight < 0))

    def _counted(self, count: Callable[[str], int]) -> Floats:
        """B's count minus A's, as a share of the most there is, so that a feature and a count weigh alike."""
        counts = [self.pairs[f"text_{side}"].map(count).to_numpy(np.float64) for side in "ab"]
        # At least 1: a count of 1 is whole.
        return np.asarray((counts[1] - counts[0]) / max(1.0, counts[0].max(initial=0), counts[1].max(initial=0)))

    def _of_feature(self, feature: int) -> Floats:
        """B's peak minus A's, as a share of the largest."""
        a, b = self._peaks(feature)
        return np.asarray((b - a) / max(float(a.max(initial=0)), float(b.max(initial=0)), 1e-9))

    def _peaks(self, feature: int) -> tuple[Floats, Floats]:
        """How strongly A's and B's answers show it; an answer that was not read shows nothing."""
        assert self.encodings is not None
        peak = np.append(np.abs(self.encodings.peaks(feature)).astype(np.float64), 0)
        a, b = (peak[documents] for documents in self._documents)
        return a, b

    def _first(self, order: Ints, allowed: Bools) -> list[Example]:
        """The first pairs in order, each prompt once."""
        chosen: dict[str, Example] = {}
        for row in order[allowed[order]].tolist():
            prompt_id = str(self.pairs["prompt_id"].iloc[row])
            chosen.setdefault(prompt_id, Example(prompt_id, int(self.pairs["draw"].iloc[row])))
            if len(chosen) == SHOWN:
                break
        return list(chosen.values())
