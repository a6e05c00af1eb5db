"""The answer to "what changed?": one sentence in plain words, and the list that stands behind it.

Made from a diff's behaviours and probes by templates. Promises that only what held-out prompts confirmed is said
to have changed, and that what has no words of its own is in the list and never in the sentence.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from diffing.common.words import ab, count, interval, listed, points, share, whole_number
from diffing.diff import changes, members, sampling, summary, unchanged
from diffing.diff.changes import Pairs, Row
from diffing.diff.habits import KINDS
from diffing.diff.members import Beside
from diffing.diff.stored import OF_OLDER, Diff
from diffing.probes.phrases import Phrase, on_one_line
from diffing.probes.sayings import OPENING_WORDS, little
from diffing.study import channels

SAID = 3
"""Behaviours of a side in the sentence: with length they are what a reader keeps in mind. The list has all."""
SHOWN = 12
"""Behaviours that a page shows before it is asked for more: what fits a minute."""
TELLS = 0.55
"""Classifier accuracy under which features are said to tell hardly anything: half is guessing, and a twentieth is
what some hundred pairs miss it by. Chosen by eye."""


NAMED_BY: Mapping[str, Literal["probe", "phrase", "rule"]] = {
    "probe": "probe",
    "phrase": "phrase",
    "feature": "rule",
}
"""Whose words a behaviour's are by what counts it, before a model or a person is asked."""


class Behaviour(NamedTuple):
    """Something that changed, or may have."""

    number: int
    """Of the diff's table of behaviours."""
    name: str
    """As the end of a sentence whose subject is an answer."""
    kind: str
    """`amount`, `habit`, `place` or `content`."""
    direction: str
    """A or B, whoever shows it more; of a place, whose is nearer to the end."""
    by: str
    """What counts it: a probe, a phrase or a feature."""
    source: str
    """Its name there: a probe's name, a phrase's form, a feature's number."""
    category: str
    """Of what is of one category, that one."""
    share_a: float
    """Of held-out answers; of an amount or a place its mean."""
    share_b: float
    delta: float
    """B minus A; of an amount as a share of the mean of both, as are the ends of its interval."""
    ci_low: float
    ci_high: float
    q: float
    prompts: int
    """Held-out ones that these figures are of."""
    confirmed: str
    """`yes`, `may be length`, `not confirmed` or `too few`."""
    survives_length: bool | None
    """Whether it is there at equal length too; None of length itself and of places, of which it was not asked."""
    probes: list[str]
    phrases: list[str]
    features: list[int]
    examples: list[Row]
    """Pairs of discovery prompts that go with the difference, the clearest first."""
    against: list[Row]
    """Those that go against it."""
    named_by: Literal["probe", "phrase", "rule", "llm", "person"] = "rule"
    """Whose words its name is: a probe or phrase has its own, of a feature a rule says what it fires on here; a
    model or a person may have said better since."""
    author: str = ""
    """The model or person; empty of the others."""
    readers: Sequence[str] = ()
    """Whose features see it, where more than one reader has looked (`agreement`)."""
    beside: Sequence[Beside] = ()
    """What else is counted and goes with it, the largest difference first."""

    @property
    def figures(self) -> str:
        """Both sides' figures, short."""
        if self.kind == "amount":
            return f"{self.share_a:,.0f} → {self.share_b:,.0f}"
        if self.kind == "place":
            return f"at {ab(self.share_a, self.share_b)} of the answer"
        return ab(self.share_a, self.share_b)

    @property
    def brief(self) -> str:
        """The same for a sentence, in which no difference stands beside them."""
        whole = self.kind not in ("amount", "place")
        return f"{share(self.share_a)} → {share(self.share_b)}" if whole else self.figures

    @property
    def spread(self) -> tuple[float, float, float]:
        """The difference and its interval as a reader thinks of them: of an amount in itself, else in shares."""
        # Of an amount all three are shares of the mean of both sides.
        unit = (self.share_a + self.share_b) / 2 if self.kind == "amount" else 1.0
        return self.delta * unit, self.ci_low * unit, self.ci_high * unit

    @property
    def told(self) -> str:
        """The same in words."""
        difference, low, high = self.spread
        if self.kind == "amount":
            return f"{whole_number(difference)} words [{whole_number(low)} to {whole_number(high)}]"
        return f"{points(difference)} points [{interval(low, high)}]"

    @property
    def subject(self) -> str:
        """How a sentence about it begins: with whom it is of, and whether that is how often or something else."""
        if self.kind == "amount":
            return "B's answers are"
        return self.direction if self.moved else f"{self.direction} more often"

    @property
    def rest(self) -> str:
        """How that sentence ends."""
        if self.author:
            # What is counted is what the words are about, and not whether they are right.
            return f"shows what {self.author} calls “{self.name}”"
        if self.kind != "amount":
            return self.name
        ratio = self.share_b / self.share_a if self.share_a else float("inf")
        return f"{share(abs(ratio - 1))} {'longer' if ratio >= 1 else 'shorter'}"

    @property
    def moved(self) -> bool:
        """Whether it says where something stands, and not how often."""
        return self.kind == "place"

    @property
    def opens(self) -> str:
        """The words that an answer opens with, where that is what is counted; else empty."""
        if self.by == "phrase":
            phrase = Phrase.of(json.loads(self.source))
            return on_one_line(phrase.written) if phrase.kind == "opening" else ""
        return OPENING_WORDS.get(self.source, "") if self.by == "probe" else ""

    @property
    def said(self) -> bool:
        """Whether it has words: those of what counts it, or somebody's."""
        return self.by != "feature" or bool(self.author)


def behaviours(stored: Diff, examples: bool = True) -> list[Behaviour]:
    """All of a diff's behaviours: what is counted, what is counted and tells little, what only features tell of.

    Each begins with an example of a prompt that none before it shows, where it has one. Without `examples` there
    is none, nor what goes with a behaviour, and the table of all pairs is left unread.
    """
    pairs = changes.Pairs(stored.changes) if examples and len(stored.changes) else None
    found = [_behaviour(row, stored, pairs) for row in stored.behaviours.to_dict("records")]
    order = sorted(found, key=lambda each: (each.by == "feature", each.by == "phrase" and little(each.name)))
    seen: set[str] = set()
    fresh = []
    for each in order:
        first = next((row for row in each.examples if row.prompt_id not in seen), None)
        if first is not None:
            seen.add(first.prompt_id)
            each = each._replace(examples=[first, *(row for row in each.examples if row != first)])
        fresh.append(each)
    return fresh


def _behaviour(row: Mapping[str, Any], stored: Diff, pairs: Pairs | None) -> Behaviour:
    # Length is no habit, and none has the number 0.
    habit = stored.habits[stored.habits["habit"] == row["habit"]]
    own = habit[habit["own"]]
    names = {kind: own.loc[own["kind"] == kind, "name"].tolist() for kind in KINDS}
    survives = row["survives_equal_length"]
    return Behaviour(
        number=int(row["behaviour"]),
        name=str(row["name"]),
        kind=str(row["kind"]),
        direction=str(row["side"]).upper(),
        by=str(row["by"]),
        source=str(row["source"]),
        category=str(row.get("category", "")),
        share_a=float(row["a"]),
        share_b=float(row["b"]),
        delta=float(row["delta"]),
        ci_low=float(row["ci_low"]),
        ci_high=float(row["ci_high"]),
        q=float(row["q"]),
        prompts=int(row["prompts"]),
        confirmed=str(row["confirmed"]),
        survives_length=None if pd.isna(survives) else bool(survives),
        probes=names["probe"] or ([str(row["source"])] if row["by"] == "probe" else []),
        phrases=names["phrase"],
        features=[int(name) for name in names["feature"]],
        examples=pairs.examples(row) if pairs else [],
        against=pairs.examples(row, against=True) if pairs else [],
        named_by=NAMED_BY[str(row["by"])],
        beside=members.beside(habit, stored.probes) if pairs else (),
    )


def sentence(stored: Diff) -> str:
    """The headline, and of how many prompts it is where that is a sample of them."""
    return headline(stored) if stored.older else f"{headline(stored)} {sampling.in_words(stored.summary)}".rstrip()


def headline(stored: Diff) -> str:
    """What changed, length first, in the diff's own words: a model's or a person's nobody has counted."""
    if stored.older:
        return f"{OF_OLDER}; compare again."
    return f"{channels.told(stored.summary)}{_changed(stored)}"


def _changed(stored: Diff) -> str:
    told = stored.summary
    if told.get("identical") == told["pairs"] > 0:
        return f"Nothing changed: {summary.identical(told)[0].lower()}{summary.identical(told)[1:]}"
    everything = behaviours(stored, examples=False)
    found = [each for each in everything if each.confirmed == "yes"]
    if not found:
        held = max((each.prompts for each in everything), default=0)
        if not held:
            return "No prompt was held out to confirm a change on; the list is of leads alone."
        return f"No change was confirmed on {count(held, 'new prompt')}; that does not prove that none is."
    named = [each for each in found if each.kind != "amount" and each.said]
    parts = [_length(stored, each) for each in everything if each.kind == "amount"]
    openings = _openings(named)
    beside = {other.number for other in openings.values()}
    for side in ("B", "A"):
        own = [each for each in named if each.direction == side and not each.moved and each.number not in beside]
        mine = [_with_figures(each, openings.get(each.number)) for each in own]
        elsewhere = [f"{each.name} ({each.brief})" for each in named if each.direction == side and each.moved]
        for begun, some in ((f"{side} more often", mine), (side, elsewhere)):
            if some:
                more = f", and {len(some) - SAID:,} more" if len(some) > SAID else ""
                parts.append(f"{begun} {_and(some[:SAID], more)}")
    if not named:
        others = len(found) - sum(each.kind == "amount" for each in found)
        if others:
            parts.append(f"{count(others, 'other change was', 'other changes were')} confirmed, by features alone")
    return f"{'; '.join(parts)}."


def _openings(named: Sequence[Behaviour]) -> dict[int, Behaviour]:
    """By number of an opening that is named: the other side's, whose place it takes, which is told beside it."""
    out: dict[int, Behaviour] = {}
    for side in ("B", "A"):
        told = {other.number for other in out.values()}
        own = [each for each in named if each.direction == side and not each.moved and each.number not in told]
        others = [each for each in named if each.direction != side and each.opens]
        out |= {each.number: others[0] for each in own[:SAID] if each.opens and others}
    return out


def _with_figures(each: Behaviour, other: Behaviour | None) -> str:
    beside = f"; {other.direction} with “{other.opens}”: {other.brief}" if other else ""
    return f"{each.name} ({each.brief}{beside})"


def _and(words: Sequence[str], more: str) -> str:
    return f"{', '.join(words)}{more}" if more else listed(list(words))


def _length(stored: Diff, each: Behaviour) -> str:
    figures = f"{each.figures} words"
    if each.confirmed != "yes":
        verdicts = stored.probes.loc[stored.probes["probe"] == each.source, "verdict"]
        if verdicts.eq("no change").any():
            return f"Answers are about as long as before ({figures})"
        return f"No change in length was confirmed ({figures})"
    return f"{each.subject} {each.rest} ({figures})"


def unexplained(stored: Diff) -> tuple[int, int]:
    """Families of features that differ and are not length alone: those of no behaviour, and all of them."""
    table = stored.features
    leads = table[
        (table["feature"] == table["family"]) & table["survives_equal_length"].fillna(False).astype(bool)
    ]
    own = stored.habits[(stored.habits["kind"] == "feature") & stored.habits["own"]]["name"].astype(np.int64)
    told = table.loc[table["feature"].isin(own), "family"].unique()
    return int((~leads["family"].isin(told)).sum()), len(leads)


def whole(stored: Diff, called: Sequence[Behaviour]) -> dict[str, Any]:
    """Sentence and lists as plain data; `called` are the behaviours with the names that they have by now."""
    others = unchanged.still(stored)
    return {
        "sentence": sentence(stored),
        "a": stored.a,
        "b": stored.b,
        "prompts": stored.summary["prompts"],
        "behaviours": [_plain(each) for each in called],
        "unchanged": [each.probe for each in others if each.verdict == "no change"],
        "cannot_tell": [each.probe for each in others if each.verdict != "no change"],
        "carried": stored.summary["separability"].get("carried"),
        "unexplained": dict(zip(("families", "of"), unexplained(stored), strict=True)),
    }


def _plain(each: Behaviour) -> dict[str, Any]:
    """All fields but the lists of pairs, of which the first stands for all."""
    first = each.examples[0]._asdict() if each.examples else None
    fields = {name: value for name, value in each._asdict().items() if name not in ("examples", "against")}
    # The figures are of held-out prompts, and so these are the same ones under the names that programs ask for.
    return fields | {"heldout_delta": each.delta, "heldout_q": each.q, "example": first}
