"""What an agent reads first: the studies, where one stands, what changed, and the rows behind it.

Words are those of the pages and the command line. Promises that examples are of prompts that may be read, and that
figures are the stored comparison's own: nothing is computed anew here.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field

from diffing import labels, overview
from diffing import status as statuses
from diffing.agents import inbox, size
from diffing.agents.desk import Desk
from diffing.agents.shapes import (
    Answered,
    Changed,
    Difference,
    Differences,
    Done,
    Side,
    Status,
    Studied,
    Studies,
)
from diffing.common.errors import UserError
from diffing.diff import answer as answers
from diffing.diff import blocks, measure, ranking, selection, unchanged
from diffing.diff.answer import Behaviour
from diffing.diff.changes import Row
from diffing.diff.stored import Diff
from diffing.jobs.job import recent
from diffing.labels import called
from diffing.study import study as folders
from diffing.study.study import Study

EXAMPLES = 3
"""Pairs named of a behaviour: as many as are read before the next one."""
LATEST = 5
"""Jobs named of a study."""
PAGE = 50
"""Rows of a page at most; a page ends earlier where they are long."""

Cursor = Annotated[str, Field(description="The `next_cursor` of the answer before; empty to begin.")]
Name = Annotated[str, Field(description="The study's name, as `studies` gives it.")]
Before = Annotated[str, Field(description="Key of the checkpoint before; the study's first unless named.")]
After = Annotated[str, Field(description="Key of the checkpoint after; the study's second unless named.")]
View = Literal["features", "probes", "phrases"]


def studies(desk: Desk, cursor: Cursor = "") -> Studies:
    """All studies with what each says and needs next, and what this server may do: begin here."""
    rows, after = size.page(folders.names(), cursor, PAGE, lambda name: _studied(name).model_dump())
    purse = desk.purse.standing()
    return Studies(
        studies=[_studied(name) for name in rows],
        may_start=sorted(desk.terms.may),
        dollars_left=purse.left,
        dollars_spent=purse.spent,
        held_out_open=desk.sight.held_out,
        inbox=[size.cut(name, 100) for name in inbox.names()[:PAGE]],
        next_cursor=after,
    )


def _studied(name: str) -> Studied:
    here = overview.of(name)
    sides = [f"{each.key} = {size.cut(each.name, 80)}" for each in here.study.checkpoints] if here.study else []
    return Studied(
        name=name,
        sides=size.cut(", ".join(sides)),
        says=size.cut(here.sentence, 600),
        next=here.next,
        fault=size.cut(here.fault),
    )


def status(desk: Desk, study: Name) -> Status:
    """What is done and missing in a study, step by step, and which step comes next."""
    opened = desk.opened(study)
    told = statuses.of(opened)
    # Where an organism's weights come from would say what was changed in it, and that both sides are one endpoint
    # that no weights were.
    blind = bool(opened.settings.organism) or any(c.planted for c in opened.checkpoints)
    sides = [
        f"{c['key']} = {size.cut(c['name'], 80)} ({'hidden' if blind else size.cut(c['source'], 80)})"
        for c in told["checkpoints"]
    ]
    # Their commands are for people: an agent starts the step's job.
    steps = [Done(step=s["job"] or s["step"], state=s["state"], detail=s["detail"]) for s in told["steps"]]
    due = next((step.step for step in steps if step.state in ("to do", "partial")), "")
    return Status(
        study=opened.name,
        checkpoints=sides[:PAGE],
        prompts=told["prompts"]["active"],
        discovery=told["prompts"]["discovery"],
        held_out=told["prompts"]["held_out"],
        answers={key: counts["stored"] for key, counts in [*told["responses"].items()][:PAGE]},
        dollars=told["cost"],
        power=statuses.power_in_words(told["detectable"]),
        steps=steps,
        next=due,
        running=told["running"],
        jobs=[job.id for job in recent(opened)[:LATEST]],
    )


def answer(desk: Desk, study: Name, a: Before = "", b: After = "", cursor: Cursor = "") -> Answered:
    """What changed, in a sentence and as behaviours: each with its figures on held-out prompts and whether these
    confirmed it, what counts it, and pairs of discovery prompts that show it and that go against it."""
    opened = desk.opened(study)
    stored = desk.compared(opened, a, b)
    if stored.older:
        raise UserError(f"This comparison of '{study}' is of an older version; start the step 'diff' again.")
    parted = blocks.of(called.behaviours(opened, stored))
    found = [*parted.confirmed, *parted.by_features, *parted.rest]
    rows, after = size.page(found, cursor, PAGE, lambda row: _changed(desk, opened, row).model_dump(), room=1500)
    still = unchanged.still(stored)
    return Answered(
        study=opened.name,
        a=stored.a,
        b=stored.b,
        sentence=size.cut(answers.sentence(stored), 1000),
        behaviours=[_changed(desk, opened, row) for row in rows],
        unchanged=[each.probe for each in still if each.verdict == "no change"] if not cursor else [],
        cannot_tell=sum(each.verdict != "no change" for each in still),
        outdated=stored.outdated(opened),
        next_cursor=after,
    )


def _changed(desk: Desk, study: Study, each: Behaviour) -> Changed:
    def pointed(pairs: list[Row]) -> list[str]:
        # They are of discovery prompts already; asked again, as a prompt may have gone since.
        return [f"{pair.prompt_id}:{pair.draw}" for pair in desk.sight.named(study, pairs[:EXAMPLES])]

    return Changed(
        number=each.number,
        name="length in words" if each.kind == "amount" else size.cut(each.name),
        kind=each.kind,
        more="a" if each.direction == "A" else "b",
        figures=each.figures,
        difference=each.told,
        q=known(each.q),
        confirmed=each.confirmed,
        at_equal_length=each.survives_length,
        counted_by=f"{each.by} {size.cut(each.source, 120)}",
        features=each.features[:PAGE],
        examples=pointed(each.examples),
        against=pointed(each.against),
    )


def differences(
    desk: Desk,
    study: Name,
    view: Annotated[View, Field(description="Features of the reader, countable probes, or phrases.")] = "features",
    a: Before = "",
    b: After = "",
    more: Annotated[Side | None, Field(description="Only what this side shows more.")] = None,
    contains: Annotated[str, Field(description="Only rows whose words hold this.", max_length=200)] = "",
    q_below: Annotated[float, Field(description="Only rows with a smaller q.", gt=0, le=1)] = measure.LEVEL,
    every_member: Annotated[bool, Field(description="features: not only the first of each family.")] = False,
    cursor: Cursor = "",
) -> Differences:
    """Rows behind the answer, the surest and largest first: shares of A and B, the difference with its interval, q
    after correction, whether it stands at equal length and came again on held-out prompts."""
    opened = desk.opened(study)
    stored = desk.compared(opened, a, b)
    table = _table(opened, stored, view, every_member, q_below)
    rows = [difference(row) for row in table.to_dict("records")]
    rows = [row for row in rows if row.q is not None and row.q < q_below]
    rows = [row for row in rows if more is None or (row.delta > 0) == (more == "b")]
    words = contains.lower()
    rows = [row for row in rows if words in row.what.lower() or words in row.near.lower()]
    chosen, after = size.page(rows, cursor, PAGE, lambda row: row.model_dump())
    return Differences(
        study=opened.name, view=view, a=stored.a, b=stored.b, of=len(rows), rows=chosen, next_cursor=after
    )


def _table(study: Study, stored: Diff, view: View, every_member: bool, q: float) -> pd.DataFrame:
    if view == "phrases":
        # As they are stored: the best founded on discovery prompts first.
        return stored.phrases
    if view == "probes":
        return selection.judged(stored.probes)
    # Before they are named: of a large reader tens of thousands hardly differ.
    table = stored.features[stored.features["q"] < q]
    table = table if every_member else table[table["feature"] == table["family"]]
    return labels.named(study, ranking.ordered(table), stored.a, stored.b, stored.probes)


def difference(row: Mapping[str, Any]) -> Difference:
    """A row of features, probes or phrases, by what it was judged by."""
    amount = row.get("judged_by") == "amount" and "probe" in row
    name = "probe" if "probe" in row else "phrase" if "phrase" in row else "title"
    ends = ("change_low", "change_high") if amount else ("ci_low", "ci_high")
    survives = row["survives_equal_length"]
    return Difference(
        feature=int(row["feature"]) if "feature" in row else None,
        what=size.cut(row[name] or row.get("label", ""), 200) + (" (amount; delta is relative)" if amount else ""),
        a=float(row["mean_a" if amount else "frequency_a"]),
        b=float(row["mean_b" if amount else "frequency_b"]),
        delta=float(row["change" if amount else "delta"]),
        low=known(row[ends[0]]),
        high=known(row[ends[1]]),
        q=known(row["q_judged"] if "q_judged" in row else row["q_mean" if amount else "q"]),
        at_equal_length=None if pd.isna(survives) else bool(survives),
        replicated=str(row["replicated"]),
        near=size.cut(row.get("probes", ""), 160),
    )


def known(value: Any) -> float | None:
    """A figure, or nothing where there is none."""
    return None if value is None or pd.isna(value) or not math.isfinite(float(value)) else float(value)
