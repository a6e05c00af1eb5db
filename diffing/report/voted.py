"""What people said who voted blind, for the report: a sentence for each question, and a table of who and where.

Promises that of too few votes nothing is said but their counts, and that held-out prompts among them are counted.
"""

from diffing.common.words import count, share, small
from diffing.findings import tally
from diffing.findings.tally import LEAST, Row
from diffing.report.facts import Facts
from diffing.report.tables import Table

HEAD = ["question", "by", "which", "A", "B", "no difference", "B's share", "95 % interval", "q"]


def sentences(facts: Facts) -> list[str]:
    """What came of each question, then how far voters agree; empty where nobody voted."""
    told = facts.votes
    every = [row for row in told.rows if row.group == "all"]
    out = [f"{row.words} {tally.sentence(row)}" for row in every]
    out += [f"{each.words} {tally.agreement_words(each)}" for each in told.agreement]
    held = sum(row.held_out for row in every)
    if held:
        out.append(f"{count(held, 'prompt')} among these are new (held-out) ones.")
    return out


def table(facts: Facts) -> Table:
    """Voters and categories, each by itself."""
    return Table(HEAD, [_cells(row) for row in facts.votes.rows if row.group != "all"])


def _cells(row: Row) -> list[str]:
    counts = [row.words, row.group, row.value, str(row.for_a), str(row.for_b), str(row.neither)]
    if row.decided < LEAST:
        return [*counts, "too few", "–", "–"]
    return [*counts, share(row.share_b), f"{share(row.low)} to {share(row.high)}", small(row.q)]
