"""All findings in one table, for the report and a spreadsheet: status first, then the claim and its own figures.

Promises that a claim which nothing tested has no figures here, whatever it was tied to.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from diffing.common.words import interval, points, share, small
from diffing.findings import evidence
from diffing.findings.evidence import Standing
from diffing.report import behaviours, drawing
from diffing.report.cards import Card
from diffing.report.facts import Facts, sure
from diffing.report.tables import Table

COLUMNS = (
    *("status", "claim", "more_on", "of", "a", "b", "difference", "low", "high", "q"),
    *(
        "judge_net",
        "judge_low",
        "judge_high",
        "judge_q",
        "prompt_id",
        "draw",
        "prompt",
        "author",
        "id",
        "set_aside",
    ),
)
"""`of` says what a and b are of: shares of answers, or an amount in an answer."""


def of(facts: Facts, cards: Sequence[Card]) -> pd.DataFrame:
    """A row for each finding in the order of the cards, then those that were set aside."""
    order = [*facts.put_forward, *facts.blocked, *facts.rejected]
    by_id = {card.id: card for card in cards}
    rows = [_row(facts, standing, by_id.get(standing.finding.id)) for standing in order]
    # Draws are counted from 0 as in the other tables, and whole numbers though some are missing.
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"draw": "Int64"})


def _row(facts: Facts, standing: Standing, card: Card | None) -> dict[str, Any]:
    finding, own, check = standing.finding, standing.counted, standing.check
    row: dict[str, Any] = {
        "status": sure(standing),
        "claim": finding.claim,
        "more_on": facts.side(finding.more),
        "author": finding.written_by,
        "id": finding.id,
        "set_aside": standing.why or "; ".join(each.words for each in standing.open),
    }
    if standing.status not in evidence.SUPPORTED:
        return row
    if own is not None:
        low, high = (own.low, own.high) if not own.amount else _amounts(facts, standing)
        row |= {"of": "an answer" if own.amount else "answers", "a": own.a, "b": own.b, "q": own.q}
        row |= {"difference": own.delta, "low": low, "high": high}
    if check is not None and check.prompts:
        row |= {"judge_net": check.net, "judge_low": check.low, "judge_high": check.high, "judge_q": check.q}
    if card is not None and card.pair is not None:
        pair = card.pair
        row |= {"prompt_id": pair.prompt_id, "draw": pair.draw, "prompt": " ".join(pair.prompt.split())}
    return row


def _amounts(facts: Facts, standing: Standing) -> tuple[float, float]:
    """The interval of an amount, where it is a behaviour's."""
    place = facts.place(standing.finding)
    same = facts.behaviours[place] if place < len(facts.behaviours) else None
    if same is None or same.kind != "amount":
        return float("nan"), float("nan")
    line = behaviours.line(same)
    return line.low, line.high


def table(rows: pd.DataFrame) -> Table:
    """The same to be read, without what was set aside."""
    head = ["status", "claim", "more on", "A", "B", "B − A", "95 % interval", "q", "first example", "author"]
    return Table(head, [_cells(row) for row in rows[rows["set_aside"] == ""].to_dict("records")])


def _cells(row: dict[str, Any]) -> list[str]:
    said = [str(row["status"]).capitalize(), str(row["claim"]), str(row["more_on"])]
    amount = row["of"] == "an answer"
    if pd.notna(row["a"]):
        figures = [f"{row[side]:,.0f}" if amount else share(row[side]) for side in "ab"]
        figures += [f"{row['difference']:+,.0f}".replace("-", "−") if amount else points(row["difference"])]
        ends = [f"{row[end]:+,.0f}".replace("-", "−") for end in ("low", "high")] if pd.notna(row["low"]) else []
        figures += [" to ".join(ends) or "–" if amount else interval(row["low"], row["high"]), small(row["q"])]
    elif pd.notna(row["judge_net"]):
        figures = ["–", "–", f"{points(row['judge_net'])} net", interval(row["judge_low"], row["judge_high"])]
        figures += [small(row["judge_q"])]
    else:
        figures = ["–"] * 5
    if pd.isna(row["prompt"]):
        return [*said, *figures, "–", str(row["author"])]
    return [*said, *figures, f"{drawing.short(row['prompt'], 70)} (draw {row['draw'] + 1})", str(row["author"])]
