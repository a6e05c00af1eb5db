"""Labels held against what can be counted: does the named thing move with the feature, and does it fire there?

A label that names something countable is compared with that surface probe's own difference and with the share of
the feature's active tokens that lie on it. Promises both figures with every flag. A flag is a reason to look, not
a refutation; a label that names nothing countable is never flagged, and so says nothing for its truth.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from diffing import diff, labels
from diffing.common import files
from diffing.diff import measure
from diffing.probes import near as surface
from diffing.probes import scan
from diffing.reader.encodings import Encodings
from diffing.study.study import Study

SMALL = 0.02
"""Difference in shares under which a probe counts as standing still. Two answers in a hundred; chosen by eye."""
SMALL_AMOUNT = 0.1
"""The same of its amount per answer, as a share of the larger side; wider, since amounts vary more. Chosen by
eye."""
ELSEWHERE = 0.25
"""Share of a feature's active tokens at what its label names, under which it fires elsewhere. A quarter, so
that only a label is flagged that hardly any of it bears out; no measurement stands behind it."""
DOCUMENTS = 400
"""Answers looked at to find where a feature fires: those with most active tokens, so that there are thousands."""
FEW = 10
"""Active tokens under which it is not said where a feature fires: of fewer, two or three decide."""

NAMES: dict[str, str] = {
    "bold": r"\bbold(?:ed|face|ing)?\b|\*\*",
    "italics": r"\bitalic",
    "headings": r"\b(?:sub)?head(?:ing|er)s?\b|\bsection titles?\b",
    "numbered items": r"\b(?:number|order)\w*(?:[\s/-]+\w+)?\s+(?:list|item|step|point)|\benumerat|\bnumbering",
    "bulleted items": r"\bbullet",
    "code blocks": r"\bcode (?:block|fence|snippet)",
    "inline code": r"\binline code|\bbackticks?\b",
    "tables": r"\btables?\b",
    "links": r"\b(?:hyper)?links?\b|\burls?\b",
    "horizontal rules": r"\bhorizontal (?:rule|line)s?\b",
    "formulas": r"\blatex\b|\b(?:math\w* )?formulas?\b",
    "emoji": r"\bemojis?\b",
    "non-English script": r"\bnon-(?:english|latin)\b",
    "exclamation marks": r"\bexclamation",
    "question marks": r"\bquestion marks?\b",
    "closing question": r"\b(?:clos|end|final|follow-?up)\w* questions?\b",
    "closing offer": r"\bclosing offers?\b|\boffer\w*(?: \w+){0,2} (?:help|assist|further|more)",
    "double spaces": r"\b(?:double|two|extra) spac(?:e|ing)s?\b",
    "trailing spaces": r"\btrailing (?:white)?spac",
    "em dashes": r"\b(?:em|long)[ -]?dash",
    "semicolons": r"\bsemi-?colons?\b",
    "ellipses": r"\bellips[ie]s\b",
    "parentheses": r"\bparenthe|\bround brackets?\b",
    "quotations": r"\bquot(?:ed|es|ation)\b|\bquotation marks?\b",
    "percentages": r"\bpercent",
    "all-caps words": r"\ball[ -]?caps\b|\bcapitali[sz]ed words?\b|\bacronyms?\b",
    "contractions": r"\bcontractions?\b",
    "hedges": r"\bhedg|\buncertainty\b|\btentative",
    "apologies": r"\bapolog",
    "unfortunately": r"\bunfortunately\b",
    "refusal": r"\brefus(?:al|e|ing)",
    "first person": r"\bfirst[- ]person\b",
    "second person": r"\bsecond[- ]person\b",
    "as an AI": r"\bas an? (?:ai|language model)\b|\bself-identif\w+ as an ai\b",
    "praising opening": r"\bprais\w+ (?:the )?(?:question|user|opening)|\bgreat question\b",
    "summary lines": r"\bsummar(?:y|ies) (?:line|sentence|statement)s?\b|\bin short\b|\bin summary\b",
    "worked examples": r"\b(?:worked|for) examples?\b",
    "intensifiers": r"\bintensifiers?\b",
    "disclaimers": r"\bdisclaimers?\b",
}
"""How a label names each probe. Narrow: a thing that is not recognised costs a flag, one recognised by mistake
blames a label that is right."""
GENERAL_LIST = re.compile(r"\blist(?:s|ed|ings?)?(?:[\s-]+items?)?\b", re.IGNORECASE)
"""A list of which it is not said whether it is numbered or bulleted."""
PATTERNS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in NAMES.items()}


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
    things = [name for name, pattern in PATTERNS.items() if pattern.search(label)]
    lists = {"numbered items", "bulleted items"}
    if GENERAL_LIST.search(label) and not lists & set(things):
        things += sorted(lists)
    return things


def nearest(words: str) -> dict[str, float]:
    """The diff's column `probes` read again: countable things, the share of a feature's tokens at each."""
    return dict(surface.read_column(words))


def of(
    study: Study,
    a: str = "",
    b: str = "",
    features: Sequence[int] | None = None,
    settings: diff.DiffSettings | None = None,
) -> dict[int, list[Contradiction]]:
    """What counting says against the labels that stand, by feature; those without any flag are absent."""
    stored = diff.load(study, *study.sides(a, b), settings)
    rows = stored.features.set_index("feature")
    probes = stored.probes.set_index("probe")
    encodings = Encodings.open(study)
    by_feature = {}
    for feature, label in labels.current(study).items():
        # A rule says which tokens a feature fires on, and so is right by what it says.
        if label.author_kind == "rule" or (features is not None and feature not in features):
            continue
        things = named(label.label)
        if things and feature in rows.index:
            near = share_near(encodings, feature)
            flags = check(feature, label.label, rows.loc[feature], probes, near)
            if flags:
                by_feature[feature] = flags
    return by_feature


def check(
    feature: int, label: str, row: "pd.Series[float]", probes: pd.DataFrame, near: Near | None
) -> list[Contradiction]:
    """Flags of one label.

    `row` is the feature's row of the diff, `probes` the probes' table by name.
    """
    things = named(label)
    return [*_direction(feature, label, things, row, probes), *_place(feature, label, things, near)]


def _direction(
    feature: int, label: str, things: Sequence[str], row: "pd.Series[float]", probes: pd.DataFrame
) -> list[Contradiction]:
    """The feature differs, and everything that its label names moves the other way."""
    if not row["q"] < measure.LEVEL:
        return []
    flags = []
    for thing in things:
        probe = probes.loc[thing]
        moved = movement(probe, np.sign(row["delta"]))
        if moved > 0:
            # One thing that moves along is enough for the label to hold.
            return []
        if moved < 0:
            names = ("delta", "frequency_a", "frequency_b")
            figures = {name: float(row[name]) for name in names}
            figures |= {f"probe_{name}": float(probe[name]) for name in (*names, "mean_a", "mean_b")}
            flags.append(Contradiction(feature, label, "direction", thing, figures, _moves(thing, figures)))
    return flags


def movement(probe: "pd.Series[float]", sign: float) -> int:
    """Whether a thing's counts move the way that is claimed (1), the other way (-1), or hardly at all (0).

    `probe` is its row of the diff, `sign` 1 where B is said to have more of it, and -1 where A is.
    """
    # 1e-9 only keeps a thing that no answer has from being divided by 0.
    larger = max(probe["mean_a"], probe["mean_b"], 1e-9)
    by_share = sign * probe["delta"]
    by_amount = sign * (probe["mean_b"] - probe["mean_a"]) / larger
    # More answers with less of it in each: then the share counts only where it is sure to differ.
    if by_share >= SMALL and (by_amount > -SMALL_AMOUNT or probe["q"] < measure.LEVEL):
        return 1
    return -1 if by_share <= -SMALL or by_amount <= -SMALL_AMOUNT else 0


def _moves(thing: str, figures: Mapping[str, float]) -> str:
    return (
        f"the feature goes from {figures['frequency_a']:.0%} to {figures['frequency_b']:.0%} of answers, while "
        f"{thing} go from {figures['probe_frequency_a']:.0%} to {figures['probe_frequency_b']:.0%} of answers "
        f"and from {figures['probe_mean_a']:.3g} to {figures['probe_mean_b']:.3g} an answer"
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
    words = f"{figures[thing]:.0%} of its active tokens lie at {thing}, {figures[other]:.0%} at {other}"
    return [Contradiction(feature, label, "place", thing, figures, words)]


def share_near(encodings: Encodings, feature: int) -> Near | None:
    """Where a feature fires; None where it is active on too few tokens to tell."""
    occurrences = encodings.occurrences(feature)
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
