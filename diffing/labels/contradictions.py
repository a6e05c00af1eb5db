"""Labels held against what can be counted: does the named thing move with the feature, and does it fire there?

A label that names something countable (`mentions`) is compared with that surface probe's own difference and with
the share of the feature's active tokens that lie on it. Promises both figures with every flag, and none for a
difference that the probe's own tests do not bear out. A flag is a reason to look, not a refutation; a label that
names nothing countable is never flagged, and so says nothing for its truth. `refuted` says the same of a diff's
row alone, for wherever names are shown.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from diffing.common import files
from diffing.common.words import listed, share, small
from diffing.diff import measure
from diffing.labels import mentions
from diffing.probes import near as surface
from diffing.probes import scan
from diffing.probes.probes import PROBES
from diffing.reader.encodings import Encodings

ELSEWHERE = 0.25
"""Share of a feature's active tokens at what its label names, under which it fires elsewhere. A quarter, so
that only a label is flagged that hardly any of it bears out; no measurement stands behind it."""
DOCUMENTS = 400
"""Answers looked at to find where a feature fires: those with most active tokens, so that there are thousands."""
FEW = 10
"""Active tokens under which it is not said where a feature fires: of fewer, two or three decide."""
NEAREST = 3
"""Probes that a diff's row names at most."""
BELONGS = 0.75
"""Share of a feature's active tokens at one probe from which it is said to stand there. Of the sample's features
that only one planted habit makes fire nearly all are above it."""
LITERAL = 0.5
"""Share of a feature's active tokens that are whole words, from which it is about these words."""
WORD = re.compile(r"^[^\W\d_]{4,}$")
"""A token that means something by itself; shorter ones are pieces of anything."""
BESIDE = re.compile(r"\b(?:after|before|following|between|inside|near)\b", re.IGNORECASE)
"""How a label says that its tokens may be any, at a place."""
FIRED = re.compile(r"“(.+?)” ×(\d+)")
"""A token and its number in the diff's column `tokens`."""


class Near(NamedTuple):
    """Where a feature fires, in the answers that show it."""

    share: Mapping[str, float]
    """By probe: of the feature's active tokens, the share within two tokens of one of its spans."""
    chance: Mapping[str, float]
    """The same of all tokens."""


class Contradiction(NamedTuple):
    """One way in which a label disagrees with counting."""

    feature: int
    label: str
    kind: Literal["direction", "place"]
    probe: str
    """What the label names."""
    figures: dict[str, float]
    """Both sides of the disagreement; shares, except `mean_*`, which are amounts per answer."""
    words: str
    """The same for a person."""

    @property
    def key(self) -> str:
        """Stays the same while label and figures say the same."""
        return files.content_hash([self.feature, self.label, self.kind, self.probe], 12)


def named(label: str) -> list[str]:
    """The probes that a label names; a list of no said kind may be numbered or bulleted."""
    return list(mentions.of(label))


def nearest(words: str) -> dict[str, float]:
    """The diff's column `probes` read again: countable things, the share of a feature's tokens at each."""
    return dict(surface.read_column(words))


def check(
    feature: int, label: str, row: "pd.Series[float]", probes: pd.DataFrame, near: Near | None
) -> list[Contradiction]:
    """Flags of one label.

    `row` is the feature's row of the diff, `probes` the probes' table by name.
    """
    things = named(label)
    return [*_direction(feature, label, things, row, probes), *_place(feature, label, things, near)]


def _direction(
    feature: int,
    label: str,
    things: Sequence[str],
    row: "pd.Series[float] | Mapping[str, Any]",
    probes: pd.DataFrame,
) -> list[Contradiction]:
    """The feature differs, and what its label names surely moves the other way, all that moves at all."""
    if not row["q"] < measure.LEVEL:
        return []
    flags = []
    # A diff of an earlier version may lack a probe.
    for thing in [name for name in things if name in probes.index]:
        probe = probes.loc[thing]
        moved = movement(probe, np.sign(row["delta"]))
        if moved > 0:
            # One thing that moves along is enough for the label to hold.
            return []
        if moved < 0:
            names = ("delta", "frequency_a", "frequency_b")
            figures = {name: float(row[name]) for name in names}
            figures |= {f"probe_{name}": float(probe[name]) for name in (*names, "q", "mean_a", "mean_b")}
            flags.append(Contradiction(feature, label, "direction", thing, figures, _moves(thing, figures)))
    return flags


def movement(probe: "pd.Series[float]", sign: float) -> int:
    """Whether a thing's counts surely move the way that is claimed (1), surely the other way (-1), or neither (0).

    `probe` is its row of the diff, named by the probe; `sign` is 1 where B is said to have more of it, and -1
    where A is. Only share and amount together speak against a claim: fewer answers with more of it in each refute
    nobody.
    """
    share = sign * _surely(probe, "delta", "q")
    amounts = [sign * _surely(probe, kind, f"q_{kind}") for kind in ("mean", "rate")]
    # What every answer has, as it has words, is told by its amount alone.
    known = PROBES.get(str(probe.name))
    if known is not None and known.counted_only:
        share = amounts[0]
    if share > 0 or (share == 0 and max(amounts) > 0):
        return 1
    return -1 if share < 0 and min(amounts) < 0 else 0


def _surely(probe: "pd.Series[float]", figure: str, q: str) -> int:
    """The sign of a difference that holds after correction; 0 where it does not."""
    difference = probe[figure] if figure in probe else probe[f"{figure}_b"] - probe[f"{figure}_a"]
    return int(np.sign(difference)) if probe[q] < measure.LEVEL else 0


def _moves(thing: str, figures: Mapping[str, float]) -> str:
    return (
        f"the feature goes from {share(figures['frequency_a'])} to {share(figures['frequency_b'])} "
        "of answers, while "
        f"{thing} go from {share(figures['probe_frequency_a'])} to "
        f"{share(figures['probe_frequency_b'])} of answers "
        f"(q = {small(figures['probe_q'])}) and from {figures['probe_mean_a']:.3g} to "
        f"{figures['probe_mean_b']:.3g} an answer"
    )


def _place(feature: int, label: str, things: Sequence[str], near: Near | None) -> list[Contradiction]:
    """The feature hardly fires at anything that its label names."""
    if not things or near is None:
        return []
    # The best of what it names speaks for it, and it takes something else that holds half of the tokens, and twice
    # what chance gives, to speak against it: where nothing does, nobody knows where the feature fires.
    thing = max(things, key=near.share.__getitem__)
    others = [name for name in near.share if name not in things and near.share[name] >= 2 * near.chance[name]]
    other = max(others, key=near.share.__getitem__, default=None)
    if other is None or near.share[thing] >= ELSEWHERE or near.share[other] < 2 * ELSEWHERE:
        return []
    figures = {thing: near.share[thing], other: near.share[other]}
    words = f"{share(figures[thing])} of its active tokens lie at {thing}, {share(figures[other])} at {other}"
    return [Contradiction(feature, label, "place", thing, figures, words)]


def refuted(label: str, row: Mapping[str, Any], probes: pd.DataFrame) -> str:
    """Why a label may not stand for a feature here; empty where nothing that is stored speaks against it.

    The one place that decides which labels are struck out. `row` is the feature's of the diff, `probes` the
    probes' table by name. Where the feature fires is read from the row, so a whole table is asked in a moment.
    """
    if mentions.unclear(label):
        return "It says of itself that it is unclear."
    feature, things = int(row["feature"]), named(label)
    ties = surface.read_column(str(row["probes"]))
    # Of what is not among the nearest probes it is only known that it lies no nearer than the last of them.
    least = ties[-1].share if len(ties) == NEAREST else 0.0
    near = Near(defaultdict(lambda: least, {tie.probe: tie.share for tie in ties}), defaultdict(float))
    flags = [*_direction(feature, label, things, row, probes), *_place(feature, label, things, near)]
    told = flags[0].words if flags else _words(label, ties, fired(row))
    return f"{told[:1].upper()}{told[1:]}." if told else ""


def fired(row: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The tokens that a feature fires on here with their numbers, as the diff's row has them."""
    return [(token, int(number)) for token, number in FIRED.findall(str(row.get("tokens", "")))]


def _words(label: str, ties: Sequence[surface.Tie], tokens: Sequence[tuple[str, int]]) -> str:
    """The feature stands at one probe, fires on whole words there, and the label has none of them."""
    words = [(token.lower(), number) for token, number in tokens if WORD.match(token)]
    literal = sum(number for _, number in words) / max(sum(number for _, number in tokens), 1)
    place = next((tie for tie in ties if tie.share >= BELONGS), None)
    if place is None or literal < LITERAL or place.probe in named(label) or BESIDE.search(label):
        return ""
    if any(word in label.lower() for word, _ in words):
        return ""
    told = listed(f"“{word}”" for word, _ in words)
    return f"here it fires on {told}, {share(place.share)} of the time at {place.probe}"


def share_near(encodings: Encodings, feature: int) -> Near | None:
    """Where a feature fires; None where it is active on too few tokens to tell."""
    occurrences = encodings.occurrences(feature, held=True)
    if occurrences["count"].sum() < FEW:
        return None
    hits, around = np.zeros(len(scan.PLACED)), np.zeros(len(scan.PLACED))
    active = tokens = 0
    for document in occurrences.nlargest(DOCUMENTS, "count")["document"].tolist():
        table = encodings.tokens(document)
        spans = surface.probe_spans(table.text)
        here = surface.near_tokens(table.spans, {name: spans[name] for name in scan.PLACED})
        positions = encodings.activations(document, feature)[0]
        hits += here[positions].sum(axis=0)
        around += here.sum(axis=0)
        active += len(positions)
        tokens += len(here)
    share, chance = (hits / active).tolist(), (around / tokens).tolist()
    return Near(dict(zip(scan.PLACED, share, strict=True)), dict(zip(scan.PLACED, chance, strict=True)))
