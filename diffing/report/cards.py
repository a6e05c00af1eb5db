"""What is said of each finding in ten lines: the claim, its own figures, one pair, and what speaks against it.

Promises that a figure of a claim is of exactly its words, and that a claim whose words nothing tested is called so
before anything else is said of it and has no figure. Where no finding was tested the behaviours, which were, speak
for themselves.
"""

from typing import NamedTuple

from diffing.common.words import ab, count, interval, points, small
from diffing.diff.answer import Behaviour
from diffing.findings import brief, correction
from diffing.findings.evidence import Standing
from diffing.findings.exhibits import Chooser
from diffing.findings.predicates import Predicate
from diffing.findings.verdicts import Check
from diffing.report import behaviours, examples
from diffing.report.examples import Lines
from diffing.report.facts import Facts, own_features, sure

LENGTH = 190
"""Characters of each excerpt: three or four lines of half a page, so that a card keeps to ten lines."""
PROMPT = 130
"""Characters of a prompt: one line."""


class Card(NamedTuple):
    """One finding, or one behaviour where no finding was written."""

    id: str
    """The finding's; empty of a behaviour."""
    side: str
    """Who shows it more."""
    said: str
    """The claim as what follows the side's letter."""
    tested: bool
    status: str
    """How far it got, in a sentence."""
    figures: list[str]
    pair: Lines | None
    against: str
    """What speaks against it, as the end of a sentence; empty where that was not looked for."""

    @property
    def title(self) -> str:
        return f"{self.side}{self.said}"


def of(facts: Facts) -> list[Card]:
    """A card for each, what was tested first, both in the behaviours' order."""
    chooser = Chooser(facts.study, facts.encodings, facts.a.key, facts.b.key)
    made = [_of_finding(facts, chooser, standing) for standing in facts.put_forward]
    if not any(card.tested for card in made):
        made = [_of_behaviour(facts, each) for each in facts.behaviours if _told(each)] + made
    return made


def _told(each: Behaviour) -> bool:
    return behaviours.confirmed(each) and each.said


def _of_behaviour(facts: Facts, each: Behaviour) -> Card:
    line = behaviours.line(each)
    unit = line.figures if line.amount else f"{line.figures} of answers"
    return Card(
        id="",
        side=line.title[0],
        said=line.title[1:],
        tested=True,
        status=f"Counted on {count(each.prompts, 'new prompt')}.",
        figures=[unit, line.told, f"q = {small(each.q)}", *_at_equal_length(each)],
        pair=examples.of_behaviour(facts, each, LENGTH),
        against=_pairs_against(each),
    )


def _of_finding(facts: Facts, chooser: Chooser, standing: Standing) -> Card:
    finding, side = standing.finding, facts.side(standing.finding.more)
    if sure(standing) == "unverified wording":
        return Card(finding.id, side, brief.rest(finding), False, _untested(standing), [], None, "")
    place = facts.place(finding)
    same = facts.behaviours[place] if place < len(facts.behaviours) else None
    if same is not None and finding.predicate != Predicate.of_behaviour(same.kind, same.by, same.source):
        same = None
    if facts.made:
        # The finding's figures are of plain answers, the behaviour's of those that were made.
        same = None
    title = behaviours.title(same) if same is not None and same.kind == "amount" else ""
    said = brief.rest(finding)
    # "B's answers are shorter" is how one says that A's are longer.
    side, said = (title[0], title[1:]) if "answers are" in title else (side, said)
    features = own_features(standing, facts.study, facts.diff)
    return Card(
        id=finding.id,
        side=side,
        said=said,
        tested=True,
        status=_status(facts, standing),
        figures=[*_figures(standing, same), *(_at_equal_length(same) if same is not None else [])],
        pair=examples.clearest(facts, chooser, finding, features, LENGTH),
        against=_against(standing, same),
    )


def _untested(standing: Standing) -> str:
    """What the claim was tied to, and that it is no test."""
    finding = standing.finding
    if standing.check is not None and standing.check.prompts:
        return "A judge was asked and did not confirm it."
    tied = [finding.predicate.shown] if finding.predicate is not None else []
    tied += list(finding.probes) + [f"feature {number}" for number in finding.features]
    # Of what it was tied to no figure is given: it would be read as the claim's.
    rests = (
        f" Its author, {finding.author}, tied it to {', '.join(tied[:3])}, which is no test of it." if tied else ""
    )
    return f"No count and no judge has tested these words.{rests}"


def _status(facts: Facts, standing: Standing) -> str:
    own, check = standing.counted, standing.check
    judged = check is not None and check.prompts > 0
    if sure(standing) == "verified" and check is not None:
        asked = count(check.prompts, "new prompt")
        return f"Confirmed by a judge ({facts.verification.judge}) on {asked}."
    prompts = count(own.prompts, "new prompt") if own is not None else "new prompts"
    return f"Counted on {prompts}{'; the judge did not confirm it' if judged else ''}."


def _figures(standing: Standing, same: Behaviour | None) -> list[str]:
    """The claim's own, of its count or of the judge."""
    own, check = standing.counted, standing.check
    if own is not None and own.amount:
        if same is None or same.kind != "amount":
            return [f"{own.a:,.1f} → {own.b:,.1f} an answer", f"q = {small(own.q)}"]
        line = behaviours.line(same)
        return [line.figures, line.told, f"q = {small(own.q)}"]
    if own is not None:
        shares = f"{ab(own.a, own.b)} of answers"
        return [shares, f"{points(own.delta)} points [{interval(own.low, own.high)}]", f"q = {small(own.q)}"]
    return _judged(check) if check is not None and check.prompts else []


def _judged(check: Check) -> list[str]:
    best = check.corrected or check
    return [
        f"by the judge's word {ab(check.presence_a, check.presence_b)} of answers",
        f"net share {points(best.net)} points [{interval(best.low, best.high)}], {_ways(check)}",
        f"q = {small(check.q)}",
    ]


def _ways(check: Check) -> str:
    if check.corrected is None:
        return correction.words(None)
    return f"corrected for the judge's error ({points(check.net)} by its word)"


def _at_equal_length(each: Behaviour) -> list[str]:
    if each.survives_length is None:
        return []
    return ["not explained by length" if each.survives_length else "may be length alone"]


def _against(standing: Standing, same: Behaviour | None) -> str:
    """What speaks against it, in a clause or two."""
    finding, own, check = standing.finding, standing.counted, standing.check
    said = [each.words for each in standing.objections]
    if standing.objections and finding.reason:
        said.append(f"a person answers: {finding.reason.rstrip('.')}")
    if finding.held_out_seen:
        said.append("its author had seen answers to new prompts, so these figures do not confirm it independently")
    if own is not None and not own.amount:
        other = own.more_a if finding.sign > 0 else own.more_b
        said.append(_other_way(other, own.more_a + own.more_b, "new"))
    elif check is not None and check.prompts:
        said.append(f"{count(check.losses, 'prompt speaks', 'prompts speak')} against it, {check.wins} for it")
    elif same is not None:
        said.append(_pairs_against(same))
    if same is not None and same.survives_length is False:
        said.append("at equal length it is not there for sure: it may follow from length")
    return "; ".join(said)


def _pairs_against(each: Behaviour) -> str:
    return _other_way(len(each.against), len(each.against) + len(each.examples), "discovery")


def _other_way(other: int, differ: int, which: str) -> str:
    where = f"of the {differ:,} {which} prompts where the two differ"
    return f"the other way round on {other:,} {where}" if other else f"none {where} goes the other way"


def prompt(lines: Lines) -> str:
    """The prompt on one line."""
    text = " ".join(lines.prompt.split())
    return text if len(text) <= PROMPT else f"{text[:PROMPT].rsplit(' ', 1)[0]} …"
