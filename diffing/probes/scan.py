"""Probes over many answers: every span found once, in flat arrays, and how often each probe counts in each answer.

A cut of an answer counts the spans that reach into it, as an encoding of the whole answer would. Promises that a
cut shows nothing that the whole does not.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd

from diffing.common.arrays import Array
from diffing.probes.probes import PROBES
from diffing.probes.rules import Answer

NAMES = tuple(PROBES)
"""All probes; those that only have an amount stand last."""

PRESENCE = tuple(name for name in NAMES if not PROBES[name].counted_only)
"""Probes that an answer shows or does not."""

PLACED = tuple(name for name in PRESENCE if not PROBES[name].whole)
"""Those of them that stand somewhere in the answer, so that a token can be near them or not."""


@dataclass(frozen=True)
class Scan:
    """Where every probe fires in every text, by text, then probe, then place."""

    texts: int
    lengths: Array
    """Characters of each text."""
    document: Array
    probe: Array
    """Place of the span's probe in `NAMES`."""
    start: Array
    end: Array

    def counts(self, start: Array | None = None, end: Array | None = None) -> pd.DataFrame:
        """A row a text and a column a probe; given bounds, only of what stands between them in each text."""
        low = np.zeros(self.texts, np.int64) if start is None else np.maximum(start, 0)
        high = self.lengths if end is None else np.minimum(end, self.lengths)
        inside = np.minimum(self.end, high[self.document]) - np.maximum(self.start, low[self.document])
        cells = self.document.astype(np.int64) * len(NAMES) + self.probe
        amount = np.where(BY_LENGTH[self.probe], np.maximum(inside, 0), inside > 0)
        sums = np.bincount(cells, amount, minlength=self.texts * len(NAMES)).astype(np.int64)
        return pd.DataFrame(sums.reshape(self.texts, len(NAMES)), columns=list(NAMES))

    def of(self, documents: Array) -> "Scan":
        """The scan of some of the texts, renumbered in the order given."""
        number = np.full(self.texts, -1, np.int64)
        number[documents] = np.arange(len(documents))
        keep = np.flatnonzero(number[self.document] >= 0)
        keep = keep[np.argsort(number[self.document[keep]], kind="stable")]
        return Scan(
            len(documents),
            self.lengths[documents],
            number[self.document[keep]].astype(np.int32),
            self.probe[keep],
            self.start[keep],
            self.end[keep],
        )


BY_LENGTH = np.array([PROBES[name].by_length for name in NAMES])


def scan(texts: Sequence[str]) -> Scan:
    """Run every probe over every text."""
    # As objects, spans would take over 100 bytes each.
    flat = array("i")
    found = np.zeros((len(texts), len(NAMES)), np.int64)
    for row, text in enumerate(texts):
        answer = Answer(text)
        for column, probe in enumerate(PROBES[name] for name in NAMES):
            here = probe.find(answer)
            flat.extend(chain.from_iterable(here))
            found[row, column] = len(here)
    borders = np.array(flat, np.int32).reshape(-1, 2)
    cells = np.repeat(np.arange(found.size), found.ravel())
    return Scan(
        texts=len(texts),
        lengths=np.array([len(text) for text in texts], np.int64),
        document=(cells // len(NAMES)).astype(np.int32),
        probe=(cells % len(NAMES)).astype(np.int16),
        start=borders[:, 0],
        end=borders[:, 1],
    )


def table(texts: Sequence[str]) -> pd.DataFrame:
    """How often each probe fires: a row a text, a column a probe. For cuts, keep the `scan` and ask it."""
    return scan(texts).counts()
