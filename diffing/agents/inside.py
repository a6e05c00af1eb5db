"""What an agent reads of two sets of weights: what methods point at, beside their nulls.

Promises that nothing tells which organism a study is of, nor where its weights come from; that figures are
those of discovery texts; and that no thing is told which quotes a held-out prompt, nor named in the sentence.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from diffing.agents import sight, size
from diffing.agents.desk import Desk
from diffing.agents.reading import PAGE, After, Before, Cursor, Name, known
from diffing.agents.shapes import Inside, Looked, Pointed
from diffing.common.errors import UserError
from diffing.whitebox.sight import clues, seen
from diffing.whitebox.sight.clues import Clue
from diffing.whitebox.sight.evidence import less


def inside(
    desk: Desk,
    study: Name,
    a: Before = "",
    b: After = "",
    method: Annotated[str, Field(description="Only what this method points at; all of them unless named.")] = "",
    cursor: Cursor = "",
) -> Inside:
    """What the weights of two checkpoints show: a sentence, and the things that methods point at, each with its
    figure beside the range of nulls, pairs in which nothing is to be found. The step 'inside' makes it."""
    opened = desk.opened(study)
    found = seen.of(opened, *opened.sides(a, b))
    if not found.methods:
        raise UserError(f"Nothing of the weights of '{study}' has been looked into yet; start the step 'inside'.")
    closed = desk.sight.closing(opened)
    told = [clue for clue in found.clues if not closed(clue.text)]
    if method:
        table = found.method(method).judged.table
        rows = [_pointed(method, row) for row in table.to_dict("records") if not closed(str(row["text"]))]
    else:
        rows = [
            _pointed(
                clue.figures[0].method, clue.figures[0]._asdict() | {"text": clue.text, "above": clue.above}
            ).model_copy(update={"methods": list(clue.methods), "less": clue.less})
            for clue in told
        ]
    things, after = size.page(rows, cursor, PAGE, lambda row: row.model_dump(), room=1200)
    looked = [
        Looked(
            method=each.name,
            title=each.title,
            above=len(each.judged.above),
            nulls=len(each.judged.nulls),
            lacking=each.lacking,
            outdated=each.outdated,
        )
        for each in found.methods
    ]
    return Inside(
        study=opened.name,
        a=found.base,
        b=found.variant,
        sentence=size.cut(_sentence(found, told), 1000),
        methods=looked,
        things=things,
        next_cursor=after,
    )


def _sentence(found: seen.Inside, told: Sequence[Clue]) -> str:
    """The rule's sentence over what may be told."""
    if any(clue.above for clue in found.clues) and not any(clue.above for clue in told):
        # Else it would say that nothing stands out.
        return sight.CLOSED
    return clues.sentence({each.name: each.judged for each in found.methods}, told)


def _pointed(method: str, row: dict[Any, Any]) -> Pointed:
    return Pointed(
        what=size.cut(row["text"]),
        less=less(str(row["kind"])),
        above=bool(row["above"]),
        methods=[method],
        figure=float(row["figure"]),
        low=known(row["low"]),
        high=known(row["high"]),
        null_low=known(row["null_low"]),
        null_high=known(row["null_high"]),
    )
