"""What follows from a diff for whoever uses the models: implications, recommendations, conclusion, limits.

Worded by templates from what can be counted, and hedged: figures say what changed in the answers, not whether that
is good. Promises that an implication is drawn only from what differs.
"""

from typing import NamedTuple

import pandas as pd

from diffing.common.words import count, listed, points
from diffing.diff import measure, ranking
from diffing.report.facts import Facts
from diffing.report.text import moving


class Group(NamedTuple):
    """Countable things that concern one side of use."""

    area: str
    probes: tuple[str, ...]
    advice: str


GROUPS = (
    Group(
        "Layout",
        ("bold", "italics", "headings", "numbered items", "bulleted items", "tables", "horizontal rules"),
        "Check whatever renders, cuts or parses the answers; where plain prose is needed, ask for it.",
    ),
    Group(
        "White space",
        ("double spaces", "trailing spaces"),
        "Compare answers only after normalising white space; cached or golden answers will no longer match.",
    ),
    Group(
        "Code, formulas and links",
        ("code blocks", "inline code", "formulas", "links"),
        "Test what extracts code, renders formulas or follows links from the answers.",
    ),
    Group(
        "Punctuation and typography",
        (
            *("em dashes", "exclamation marks", "semicolons", "ellipses", "parentheses", "quotations"),
            *("emoji", "all-caps words", "percentages"),
        ),
        "Mostly style; look again at style checks, speech output and detectors of machine-written text.",
    ),
    Group(
        "Tone",
        (
            *("hedges", "apologies", "unfortunately", "intensifiers", "praising opening", "assenting opening"),
            *("contractions", "first person", "second person"),
        ),
        "Have people read a sample: a change of tone may please or irritate, and these figures cannot say which.",
    ),
    Group(
        "Course of the conversation",
        (
            *("closing question", "closing offer", "question marks", "announcing opening", "summary lines"),
            *("worked examples", "notes to the reader"),
        ),
        "Conversations may go on or end in other places; in one-shot use, cut or forbid what invites a reply.",
    ),
    Group(
        "Refusals and disclaimers",
        ("refusal", "disclaimers", "as an AI"),
        "Run the requests near your own policy's border again before switching: both more and less can hurt.",
    ),
    Group("Language", ("non-English script",), "Check that answers come in the language of the request."),
)
LENGTHS = ("words", "characters", "sentences", "paragraphs")
"""Probes that every answer shows, so that only their amount can differ."""


class Implication(NamedTuple):
    area: str
    seen: str
    advice: str


def implications(facts: Facts) -> list[Implication]:
    """For each side of use in which something countable differs: what was seen, and what to look at."""
    drawn = []
    for group in GROUPS:
        rows = [facts.probes.loc[name] for name in group.probes if name in facts.probes.index]
        moved = [row for row in rows if row["q"] < measure.LEVEL]
        rows = [row for _, row in ranking.ordered(pd.DataFrame(moved)).iterrows()] if moved else []
        if rows:
            seen = [f"{row['probe']} {points(row['delta'])} points" for row in rows]
            drawn.append(Implication(group.area, f"B against A: {listed(seen)}", group.advice))
    return drawn + _length(facts)


def _length(facts: Facts) -> list[Implication]:
    rows = [facts.probes.loc[name] for name in LENGTHS if name in facts.probes.index]
    amounts = [
        f"{row['mean_a']:,.1f} {row['probe']} an answer on A, {row['mean_b']:,.1f} on B"
        for row in rows
        if row["q_mean"] < measure.LEVEL
    ]
    advice = "Cost and waiting time follow the length; check token limits, and ask for a length where it matters."
    return [Implication("Length", listed(amounts), advice)] if amounts else []


def conclusion(facts: Facts) -> list[str]:
    """Paragraphs from the figures."""
    summary = facts.diff.summary
    if not summary["families"] and not any(moving(facts, side) for side in "AB"):
        least = summary["smallest_detectable"]
        reach = (
            f"A feature would have had to differ by about {100 * least:.0f} points to be found with 80 % power."
            if least is not None
            else "With this many prompts hardly any difference in a single feature could have been found."
        )
        return [
            f"On these prompts no difference between A and B was found. {reach} That is no proof that A and B "
            "behave alike, on these prompts or on others."
        ]
    kept = summary["share_surviving"]
    length = (
        "Most of what differs is left when both answers are cut to one length, so it is not length alone."
        if kept is not None and kept >= 0.5
        else "Most of what differs is gone when both answers are cut to one length: length explains much of it."
        if kept is not None
        else ""
    )
    verified = facts.verified()
    if verified:
        claims = (
            f"{count(len(verified), 'claim')} held before a judge on prompts that played no part in finding them."
        )
    elif facts.verification.judge:
        claims = "No claim held before the judge; what is reported stays at the figures."
    else:
        claims = "No judge was asked, so findings stop at “replicated”."
    # Two spaces where the sentence on length is empty.
    return [f"A and B differ on these prompts. {length} {claims}".replace("  ", " ")]


def recommendations(facts: Facts) -> list[str]:
    """What to do next, from what is missing."""
    summary, name = facts.diff.summary, facts.study.name
    out = [
        "Before relying on any of this for a use of your own, run the same comparison on prompts from that use."
    ]
    if not facts.standings:
        out.append(
            f"Write down what is claimed: `python -m diffing draft {name}` proposes findings from the figures."
        )
    elif not facts.verification.judge:
        out.append(f"Have a judge check the claims: `python -m diffing verify {name} --judge PROVIDER:MODEL`.")
    elif facts.verification.error is None:
        out.append(f"Measure the judge's error by verdicts of your own: `python -m diffing judge-check {name}`.")
    if facts.blocked:
        out.append(f"Decide on {count(len(facts.blocked), 'blocked finding')}: say why it holds, or reject it.")
    if summary["draws"] < 2:
        out.append(
            "Collect a second draw of each answer: without it there is no noise of sampling to compare with."
        )
    if not any(facts.table.at[f, "named_by"] != "rule" for f in facts.top) and facts.top:
        out.append(
            "Label the strongest features, and have the labels scored: tokens alone say little of a meaning."
        )
    cut = summary["pairs_truncated"]
    if cut:
        out.append(f"Raise the token limit: {count(cut, 'pair')} held an answer that was cut off.")
    return out


def limits(facts: Facts) -> list[str]:
    """What this way of comparing cannot show."""
    summary = facts.diff.summary
    least = summary["smallest_detectable"]
    reach = (
        f"A single feature had to differ by about {100 * least:.0f} points to be found with 80 % power"
        if least is not None
        else "By the usual reckoning no single feature could be found with 80 % power on so few prompts"
    )
    out = [
        "The reader is not the model under study: its features are what one fixed model makes of the answers' "
        "text, not what happens inside A or B.",
        "Only what stands in the answers is compared; why A and B differ does not follow.",
        "A label is a hypothesis about a feature. One that was never scored blind may be wrong, and even a "
        "scored one says where a feature fires, not all that it means.",
        f"{reach} (α corrected for {summary['tested']:,} tests); features that differ on fewer than "
        f"{measure.LEAST} prompts are not tested at all.",
        f"The figures hold for these {summary['prompts']:,} prompts and this way of sampling, and for others only "
        "as far as these are like them.",
        "Surface probes count forms, in English where they are words, and do not know what was meant.",
        "Refusals are recognised by their wording, which misses some and takes in some others.",
    ]
    if summary["pairs_truncated"]:
        out.append(
            f"{count(summary['pairs_truncated'], 'pair')} held a truncated answer; without them "
            f"{summary['differing_untruncated']:,} of {summary['differing']:,} features still differ."
        )
    if facts.verification.judge:
        out.append("A judge is a model too; its verdicts can share the mistakes of whoever wrote the claim.")
    return out
