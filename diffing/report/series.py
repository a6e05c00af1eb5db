"""A report along a series: what changed over three or more checkpoints and where, for a page and a picture.

Promises the figures of the timeline, that nothing which may be length alone stands among what changed, and that
what is not told is counted. Writes nothing.
"""

from typing import Any, NamedTuple

import pandas as pd

from diffing.common.words import count, listed, points, small
from diffing.diff import told
from diffing.diff.followed import SHARE
from diffing.diff.timeline import Timeline
from diffing.diff.told import Said
from diffing.report import tables
from diffing.report.tables import Table
from diffing.study import plain
from diffing.study.study import Study

ROWS = 40
"""Rows of the table in the appendix: three pages of it. The folder's file has everything."""


class Sheet(NamedTuple):
    """All that the report says."""

    study: str
    note: str
    names: list[str]
    said: Said
    compared: str
    caution: str
    measures: list[str]
    unchanged: str
    table: Table
    left: int
    """Changes that the table has no room for."""
    setup: Table
    versions: list[tuple[str, str]]
    source: str


def sheet(study: Study, found: Timeline, date: str) -> Sheet:
    """What the report says of a timeline whose answers are of this date."""
    changed = found.items[found.items["changed"]]
    others = f"; {count(found.left_out, 'other prompt was', 'other prompts were')} not" if found.left_out else ""
    return Sheet(
        study=study.name,
        note=study.settings.note,
        names=found.called,
        said=told.said(found),
        compared=f"{count(found.prompts, 'prompt')} answered by all {len(found.keys)} checkpoints{others}.",
        caution=" ".join(filter(None, (told.caution(found), plain.series_note(study, found.keys)))),
        measures=[_measure(found, row) for _, row in found.items[found.items["kind"] == "measure"].iterrows()],
        unchanged=(
            f"{len(found.items) - len(changed):,} of {count(len(found.items), 'thing')} that were followed showed "
            "no change beyond chance. That does not prove that they stayed the same: what rises and falls again, "
            "and what changed by little, can go unseen. Nothing here says whether a change is for the better."
        ),
        table=_table(found, changed.head(ROWS)),
        left=max(0, len(changed) - ROWS),
        setup=_setup(study, found),
        versions=tables.versions(),
        source=(
            f"Study {study.name}, {count(found.prompts, 'prompt')}, answers of {date[:10]}, compared with "
            f"Checkpoint Diffing {tables.program()}, seed {study.settings.seed}."
        ),
    )


def _measure(found: Timeline, row: "pd.Series[Any]") -> str:
    """A measure along the checkpoints, and what can be said of it."""
    values = [told.figure(row["unit"], value) for value in found.points_of("measure", row["item"])["value"]]
    along = f"{row['item']}: {' → '.join(values)}"
    if not row["changed"]:
        tested = (
            "too few prompts differ to tell"
            if pd.isna(row["q"])
            else f"no change confirmed (q = {small(row['q'])})"
        )
        return f"{along}, {tested}."
    way = "rose" if row["change"] > 0 else "fell"
    return f"{along}, {way} {told.where(found, row, found.called)} ({_change(row)}, q = {small(row['q'])})."


def _table(found: Timeline, changed: pd.DataFrame) -> Table:
    head = ["an answer", *found.called, "where", "after − before [95 %]", "at equal length", "q"]
    rows = []
    for _, row in changed.iterrows():
        values = found.points_of(row["kind"], row["item"])["value"]
        rows.append(
            [
                str(row["says"]),
                *(told.figure(row["unit"], value) for value in values),
                told.where(found, row, found.called),
                _change(row),
                told.at_equal_length(row),
                small(row["q"]),
            ]
        )
    return Table(head, rows)


def _change(row: "pd.Series[Any]") -> str:
    ends = [row[name] for name in ("change", "change_low", "change_high")]
    if row["unit"] == SHARE:
        middle, low, high = (points(end) for end in ends)
        return f"{middle} points [{low} to {high}]"
    middle, low, high = (f"{'−' if end < 0 else '+'}{told.amount(abs(end))}" for end in ends)
    return f"{middle} [{low} to {high}]"


def _setup(study: Study, found: Timeline) -> Table:
    """Each checkpoint: where it is from and how long its answers are."""
    answers = study.responses()
    rows = []
    words = found.points_of("probe", told.LENGTH)
    for place, (key, value) in enumerate(zip(found.keys, words["value"], strict=True), 1):
        checkpoint = study.checkpoint(key)
        mine = answers[answers["checkpoint"] == key]
        served = listed(sorted({str(name) for name in mine["model_served"].dropna()} - {""})) or "–"
        source = tables.plain_path(checkpoint.source)
        rows.append([str(place), checkpoint.name, key, source, served, f"{len(mine):,}", f"{value:,.0f}"])
    return Table(["", "checkpoint", "key", "source", "model as served", "answers", "words an answer"], rows)
