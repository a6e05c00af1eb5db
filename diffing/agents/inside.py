"""What an agent reads of two sets of weights: what methods point at, beside their nulls.

Promises that nothing tells which organism a study is of, nor where its weights come from; that figures are
those of discovery texts; and that no thing is told which quotes a held-out prompt, nor named in the sentence.
"""

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from diffing.agents import sight, size
from diffing.agents.desk import Desk
from diffing.agents.reading import PAGE, After, Before, Cursor, Name, known
from diffing.agents.shapes import Cell, Inside, Looked, Pointed
from diffing.common.errors import UserError
from diffing.study.study import Study
from diffing.whitebox.dictionaries import judged, shelf
from diffing.whitebox.sight import clues, seen
from diffing.whitebox.sight.clues import Clue
from diffing.whitebox.sight.evidence import less

TABLES = {
    "perplexity": ("phrases", "figure"),
    "contrastive": ("phrases", "figure"),
    "divergence": ("tokens", "discovery"),
    "amplification": ("curve", ""),
    "mining": ("vocabulary", "gained"),
    "activations": ("layers", ""),
    "pca": ("directions", "share"),
    "weights": ("matrices", "share"),
    "lens": ("sizes", ""),
}
"""Of each method the table that holds figures and no texts of documents, and by what it is ranked; as it is kept
where its order means something."""


HELD = "held_out"
"""In the name of a column, or as what a row is of: figures of held-out texts."""


def inside(
    desk: Desk,
    study: Name,
    a: Before = "",
    b: After = "",
    method: Annotated[str, Field(description="Only what this method points at; all of them unless named.")] = "",
    table: Annotated[
        bool, Field(description="That method's own table in place of its things: `rows`, the largest first.")
    ] = False,
    dictionary: Annotated[
        str, Field(description="A trained dictionary's name: its judged latents as `rows`, in place of things.")
    ] = "",
    cursor: Cursor = "",
) -> Inside:
    """What the weights of two checkpoints show: a sentence, and the things that methods point at, each with its
    figure beside the range of nulls, pairs in which nothing is to be found. The step 'inside' makes it."""
    if table and not method:
        raise UserError("A table is one method's: name the method too.")
    opened = desk.opened(study)
    if dictionary:
        return _latents(desk, opened, dictionary, cursor)
    found = seen.of(opened, *opened.sides(a, b))
    if not found.methods:
        raise UserError(f"Nothing of the weights of '{study}' has been looked into yet; start the step 'inside'.")
    closed = desk.sight.closing(opened)
    told = [clue for clue in found.clues if not closed(clue.text)]
    own, after = _rows(found.method(method), closed, cursor) if table else ([], "")
    if table:
        rows = []
    elif method:
        judged = found.method(method).judged.table
        rows = [_pointed(method, row) for row in judged.to_dict("records") if not closed(str(row["text"]))]
    else:
        rows = [
            _pointed(
                clue.figures[0].method, clue.figures[0]._asdict() | {"text": clue.text, "above": clue.above}
            ).model_copy(update={"methods": list(clue.methods), "less": clue.less})
            for clue in told
        ]
    things: list[Pointed] = []
    if not table:
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
        # Only which: why names files, which may be called after what was changed.
        left_out=[each.title for each in found.refused],
        things=things,
        rows=own,
        next_cursor=after,
    )


def _latents(desk: Desk, study: Study, name: str, cursor: str) -> Inside:
    """Which latents of a dictionary are real: verdicts, and counts beside nulls that have no names here."""
    facts, found = shelf.facts(study, name), judged.needed(study, name)
    if found.about.answers:
        raise UserError(f"Dictionary '{name}' was judged on answers to held-out prompts, which no agent is shown.")
    # A null is called by its source, which may tell what was changed.
    plain = ["this pair", *(f"null {n}" for n in range(1, len(found.counts)))]
    told = found._replace(counts=found.counts.assign(told=plain))
    closed = desk.sight.closing(study)
    every = [row for row in told.rows(len(found.first)) if not closed(str(row["makes likelier"]))]
    rows, after = size.page(every, cursor, PAGE, dict, room=1200)
    outdated = f" Outdated: {found.outdated}" if found.outdated else ""
    return Inside(
        study=study.name,
        a=facts.base,
        b=facts.variant,
        sentence=size.cut(told.sentence + outdated, 1000),
        methods=[],
        left_out=[],
        things=[],
        rows=rows,
        next_cursor=after,
    )


def _rows(each: seen.Seen, closed: Callable[[str], bool], cursor: str) -> tuple[list[dict[str, Cell]], str]:
    """The method's table, without what its held-out texts gave."""
    if each.name not in TABLES:
        raise UserError(f"The method '{each.name}' has no table of its own; leave out 'table'.")
    name, by = TABLES[each.name]
    found = each.table(name)
    ranked = found.sort_values(by, ascending=False, kind="stable") if by else found
    names = [name for name in ranked if HELD not in name and not ranked[name].map(_several).any()]
    rows = [
        {str(name): _cell(value) for name, value in row.items()}
        for row in ranked[names].to_dict("records")
        if not any(isinstance(value, str) and (value == HELD or closed(value)) for value in row.values())
    ]
    return size.page(rows, cursor, PAGE, dict, room=1200)


def _several(value: Any) -> bool:
    return isinstance(value, list | np.ndarray)


def _cell(value: Any) -> Cell:
    """A value as it is sent: numbers to as many digits as anybody reads."""
    if isinstance(value, str):
        return size.cut(value)
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    return float(f"{value:.4g}") if value is not None and math.isfinite(value) else None


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
