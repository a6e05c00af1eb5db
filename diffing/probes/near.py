"""Which surface probes a feature's active tokens fall on, and how often chance alone would have them there.

A token is near a span when it shares a character with it or stands within two tokens of one that does. What is
near a span says where a feature fires, not what makes it fire.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from diffing.common.arrays import Array, Bools, ranges
from diffing.common.errors import UserError
from diffing.probes.probe import Probe
from diffing.probes.probes import PROBES, probe_spans
from diffing.probes.rules import Span
from diffing.probes.scan import PLACED, PRESENCE, Scan, scan, table
from diffing.reader.encodings import Encodings
from diffing.reader.firing import Active, Encoded, Tokens, active

__all__ = ["PRESENCE", "PROBES", "Probe", "Scan", "near_tokens", "nearest", "probe_spans", "scan", "table"]


AROUND = 2
"""Tokens on either side of a span that still count as near it."""


def near(tokens: Tokens, scanned: Scan, n: int, around: int = AROUND) -> Any:
    """Tokens × the first n probes, sparse, of ones: where a token lies within so many tokens of a span.

    `scanned` is the scan of just the tokens' documents, in their order.
    """
    counts = np.diff(tokens.begins)
    base = np.concatenate([[0], np.cumsum(scanned.lengths + 1)])
    offset = np.repeat(base[:-1], counts)
    starts, ends = tokens.spans[:, 0] + offset, tokens.spans[:, 1] + offset
    # A token that shares a character with the next one may end behind it.
    ends = np.maximum.accumulate(ends) if len(ends) else ends
    order = np.argsort(scanned.probe, kind="stable")
    order = order[scanned.probe[order] < n]
    document, probe = scanned.document[order], scanned.probe[order].astype(np.int64)
    start, end = scanned.start[order] + base[document], scanned.end[order] + base[document]
    first, last = tokens.begins[document], tokens.begins[document + 1]
    low = np.searchsorted(ends, start, side="right")
    high = np.searchsorted(starts, end, side="left")
    # Where the reader was fed only a beginning, the rest of the answer lies near no token.
    read = low < last
    low = np.maximum(low - around, first)[read]
    high = np.minimum(high + around, last)[read]
    total = int(tokens.begins[-1])
    low, high = low + probe[read] * total, high + probe[read] * total
    # What the span before has covered already is left to it.
    low[1:] = np.maximum(low[1:], np.maximum.accumulate(high)[:-1])
    widths = np.maximum(high - low, 0)
    cells = ranges(low, widths)
    return sparse.csc_array(
        (
            np.ones(len(cells), np.int32),
            cells % total if total else cells,
            np.searchsorted(cells, np.arange(n + 1) * total),
        ),
        shape=(total, n),
    ).tocsr()


def near_tokens(token_spans: Array, spans: Mapping[str, Sequence[Span]]) -> Array:
    """For one document: bool [tokens, probes], true within `AROUND` tokens of a span; spans in ascending order."""
    borders = np.asarray(token_spans, np.int64).reshape(-1, 2)
    tokens = Tokens(np.zeros(1), np.array([0, len(borders)]), borders, np.zeros(len(borders)))
    flat = np.array([span for one in spans.values() for span in one], np.int64).reshape(-1, 2)
    probe = np.repeat(np.arange(len(spans)), [len(one) for one in spans.values()])
    length = np.array([max([0, *flat[:, 1], *tokens.spans[:, 1]])])
    one = Scan(1, length, np.zeros(len(flat), np.int32), probe, flat[:, 0], flat[:, 1])
    found: Array = near(tokens, one, len(spans)).toarray() > 0
    return found


@dataclass(frozen=True)
class Nearest:
    """How much of features' activity lies near each probe."""

    share: pd.DataFrame
    """Features × probes: of the feature's active tokens, the share within two tokens of a span."""
    chance: pd.Series
    """By probe: of all tokens, the share within two tokens of a span."""
    tokens: pd.Series
    """By feature: its active tokens."""

    def telling(self, feature: int, least: float = 0.1, times: float = 2.0, hits: int = 3) -> dict[str, float]:
        """Shares of the feature's probes that chance does not explain, by what they have above it, best first.

        Shown are shares of at least `least` and `times` the chance, from at least `hits` active tokens.
        """
        row = self.share.index.get_loc(feature)
        share, chance = self.share.to_numpy()[row], self.chance.to_numpy()
        count = np.rint(share * self.tokens.to_numpy()[row])
        shown = np.flatnonzero((share >= least) & (share >= times * chance) & (count >= hits) & (chance < 1))
        above = (share[shown] - chance[shown]) / (1 - chance[shown])
        return {PLACED[i]: float(share[i]) for i in shown[np.argsort(-above, kind="stable")]}

    def words(self, feature: int, most: int = 3) -> str:
        """The best of them as the diff's column `probes` has them."""
        return column(Tie(name, share) for name, share in [*self.telling(feature).items()][:most])


class Tie(NamedTuple):
    """A probe that a feature goes with."""

    probe: str
    share: float
    """Of the feature's active tokens, how many lie near one of the probe's spans."""


def column(ties: Iterable[Tie]) -> str:
    """As the diff's column `probes` has them: `double spaces:0.96; bold:0.10`."""
    return "; ".join(f"{tie.probe}:{tie.share:.2f}" for tie in ties)


def read_column(text: str) -> list[Tie]:
    """What `column` wrote."""
    parts = (part.strip().rpartition(":") for part in text.split(";") if part.strip())
    return [Tie(probe, float(share)) for probe, _, share in parts]


def nearest(store: Encoded, features: Sequence[int], documents: Sequence[int], scanned: Scan) -> Nearest:
    """The nearest probes of features over some documents; `scanned` is the scan of just these documents' texts."""
    return compare(active(store, features, documents), features, scanned)


def compare(firing: Active, features: Sequence[int], scanned: Scan) -> Nearest:
    """`nearest`, from what `active` found."""
    here = near(firing.tokens, scanned, len(PLACED))
    groups = firing.by_feature(len(features))
    tokens = groups @ np.diff(firing.runs.indptr)
    hits = (groups @ (firing.runs @ here)).toarray()
    return Nearest(
        pd.DataFrame(hits / np.maximum(tokens, 1)[:, None], index=list(features), columns=list(PLACED)),
        pd.Series(here.sum(axis=0) / max(1, here.shape[0]), index=list(PLACED)),
        pd.Series(tokens, index=list(features)),
    )


def of_probe(encodings: Encodings, probe: str) -> Bools:
    """Which documents show a surface probe."""
    if probe not in PRESENCE:
        raise UserError(f"There is no probe '{probe}'; the probes are {', '.join(PRESENCE)}.")
    return np.array([bool(PROBES[probe].spans(text)) for text in encodings.texts], dtype=bool)
