"""What follows from a diff for whoever uses the models: what it means in use, and what to do next.

Worded by templates from what can be counted, and hedged: figures say what changed in the answers, not whether that
is good. Promises that of habits only what is left at equal length is spoken of, by its size there: longer answers
show more of nearly everything, and length is said for itself.
"""

from typing import NamedTuple

import pandas as pd

from diffing.common.words import count, listed, points, share
from diffing.diff import measure, ranking
from diffing.report import behaviours
from diffing.report.facts import Facts

NAMED = 5
"""Things named in a line: more of them nobody keeps in mind. The tables have all."""
SMALL = 0.02
"""Differences of fewer points are left to the tables: in use nobody meets them. Chosen by eye."""


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
    Group("Language", ("non-English script",), "Check that answers come in the language of the request."),
)
REFUSALS = ("refusal", "disclaimers", "as an AI")
BORDER = "Run the requests near your own policy's border again before switching: both more and less can hurt."


class Implication(NamedTuple):
    area: str
    seen: str
    advice: str


def implications(facts: Facts) -> list[Implication]:
    """Length first, then for each side of use what is left at equal length; refusals in any case."""
    drawn = [*_length(facts)]
    for group in GROUPS:
        left = _left(facts, group.probes)
        if left:
            drawn.append(Implication(group.area, f"{_both_ways(left)}.", group.advice))
    return drawn + _refusals(facts)


def _length(facts: Facts) -> list[Implication]:
    for each in facts.behaviours:
        if each.kind != "amount":
            continue
        line = behaviours.line(each)
        if not behaviours.confirmed(each):
            return [
                Implication(
                    "Length and cost",
                    f"No change in length was confirmed ({line.figures}).",
                    "At the same price for a token, answers cost about what they did.",
                )
            ]
        more = each.share_b > each.share_a
        return [
            Implication(
                "Length and cost",
                f"{line.title} ({line.figures}).",
                f"At the same price for a token, cost and waiting time {'grow' if more else 'shrink'} as much."
                f"{' Check token limits and whatever shows or reads the answers.' if more else ''}",
            )
        ]
    return []


def _left(facts: Facts, names: tuple[str, ...]) -> list["pd.Series[float]"]:
    """Of these probes, those whose difference is surely more than length, the surest first."""
    rows = [facts.probes.loc[name] for name in names if name in facts.probes.index]
    kept = [
        row
        for row in rows
        if row["q"] < measure.LEVEL
        and pd.notna(row["survives_equal_length"])
        and row["survives_equal_length"]
        and abs(row["delta_rarefied"]) >= SMALL
    ]
    if not kept:
        return []
    return [row for _, row in ranking.ordered(pd.DataFrame(kept)).iterrows()]


def _both_ways(rows: list["pd.Series[float]"]) -> str:
    """What B has more and less of, in points at equal length."""
    parts = []
    for way, word in ((1, "more"), (-1, "less")):
        mine = [row for row in rows if way * row["delta_rarefied"] > 0]
        said = [f"{row['probe']} ({points(row['delta_rarefied'])} points)" for row in mine[:NAMED]]
        # The unit once in a line is enough.
        said = [text.replace(" points)", ")") if place else text for place, text in enumerate(said)]
        parts += [f"{word} often has {listed(said)}"] if said else []
    return f"At equal length B {', and '.join(parts)}"


def _refusals(facts: Facts) -> list[Implication]:
    left = _left(facts, REFUSALS)
    if left:
        return [Implication("Refusals and disclaimers", f"{_both_ways(left)}.", BORDER)]
    if "refusal" not in facts.probes.index:
        return []
    row = facts.probes.loc["refusal"]
    if row["frequency_a"] == row["frequency_b"] == 0:
        return [
            Implication("Refusals", "No answer begins with one, so these prompts say nothing of them.", BORDER)
        ]
    figures = f"{share(row['frequency_a'])} of A's answers and {share(row['frequency_b'])} of B's begin with one"
    ends = {"no change": "which is no change", "too rare to tell": "too few to tell whether that changed"}
    end = ends.get(str(row["verdict"]), "and one cannot tell whether that changed")
    return [Implication("Refusals", f"{figures}, {end}.", BORDER)]


def may_be_length(facts: Facts) -> list[str]:
    """Probes that differ in whole answers and of which it is not sure that anything is left at equal length."""
    table = facts.probes[(facts.probes["q"] < measure.LEVEL) & (facts.probes["survives_equal_length"] == False)]  # noqa: E712
    return [str(name) for name in ranking.ordered(table)["probe"]] if len(table) else []


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
