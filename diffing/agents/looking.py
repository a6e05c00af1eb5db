"""Where an agent looks closer: one feature, one pair of answers with marks, and a search.

Promises that all texts, tokens, ids and counts of answers here are of prompts that may be read: a search over
closed ones would tell by its counts what stands in them.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from diffing import labels
from diffing.agents import size
from diffing.agents.desk import Desk
from diffing.agents.reading import PAGE, After, Before, Cursor, Name, difference, known
from diffing.agents.shapes import Context, Feature, Found, Hit, PairOf, Passage
from diffing.common.errors import UserError
from diffing.findings import findings
from diffing.probes.probes import PROBES
from diffing.reader import query
from diffing.reader.encodings import Encodings
from diffing.study import prompts
from diffing.study.study import Study

CONTEXTS = 6
"""Places shown of a feature on each side: three or four tell what it is, two more whether it is that always."""
AROUND = 200
"""Characters of such a place: two or three lines."""
PIECE = 1_000
"""Characters of a passage, about: small enough that a page is filled well, large enough to be read as one."""
Number = Annotated[int, Field(description="The feature's number.", ge=0)]
Pieces = list[tuple[str, bool]]
"""A text in order, each run with whether it is marked."""


def feature(
    desk: Desk, study: Name, feature: Number, a: Before = "", b: After = "", cursor: Cursor = ""
) -> Feature:
    """One feature: its label and how that did blind, figures, family, near probes, and where it fires strongest
    in answers of each side."""
    opened = desk.opened(study)
    stored = desk.compared(opened, a, b)
    encodings = Encodings.open(opened)
    rows = stored.features[stored.features["feature"] == feature]
    if rows.empty:
        raise UserError(f"There is no feature {feature}; the reader has 0 to {encodings.n_features - 1}.")
    row = labels.named(opened, rows, stored.a, stored.b, stored.probes).iloc[0].to_dict()
    open_ones = desk.sight.documents(encodings)
    shown = {side: encodings.top(feature, side, len(encodings), open_ones) for side in (stored.a, stored.b)}
    contexts = [
        context(encodings, feature, each)
        # Side by side, so that a first page has some of both.
        for pair in zip(*(_first(table) for table in shown.values()), strict=True)
        for each in pair
        if each
    ]
    chosen, after = size.page(contexts, cursor, 2 * CONTEXTS, lambda each: each.model_dump(), room=1200)
    sides = encodings.documents["checkpoint"].to_numpy()[open_ones]
    return Feature(
        study=opened.name,
        feature=feature,
        label=size.cut(row["label"]),
        label_by=str(row["named_by"]),
        label_score=known(row["score"]),
        fires_on=size.cut(row.get("tokens", "")),
        near=size.cut(row.get("probes", "")),
        family=int(row["family"]),
        family_size=int((stored.features["family"] == row["family"]).sum()),
        figures=difference(row),
        shown_by={side: len(table) for side, table in shown.items()},
        readable={side: int((sides == side).sum()) for side in shown},
        contexts=chosen,
        next_cursor=after,
    )


def _first(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The strongest, each prompt once, filled up with nothing."""
    rows = table.drop_duplicates("prompt_id").head(CONTEXTS).to_dict("records")
    return [*rows, *[{}] * (CONTEXTS - len(rows))]


def context(encodings: Encodings, feature: int, row: dict[str, Any]) -> Context:
    """The surroundings of a feature's strongest token in an answer."""
    pieces = query.example(encodings, feature, row)["pieces"]
    strongest = max(range(len(pieces)), key=lambda place: abs(pieces[place][1]))
    before = len(_marked((text, value != 0) for text, value in pieces[:strongest]))
    whole = _marked((text, value != 0) for text, value in pieces)
    start = max(0, min(before - AROUND // 2, len(whole) - AROUND))
    text = whole[start : start + AROUND]
    return Context(
        checkpoint=str(row["checkpoint"]),
        pair=f"{row['prompt_id']}:{row['draw']}",
        peak=float(row["peak"]),
        text=("…" if start else "") + text + ("…" if start + AROUND < len(whole) else ""),
    )


def _marked(pieces: Iterable[tuple[str, bool]]) -> str:
    return "".join(f"«{text}»" if marked else text for text, marked in pieces)


def pair(
    desk: Desk,
    study: Name,
    pair: Annotated[str, Field(description="PROMPT:DRAW, from an example or a search.", max_length=100)],
    a: Before = "",
    b: After = "",
    feature: Annotated[int | None, Field(description="Mark the tokens on which this feature is active.")] = None,
    probe: Annotated[str, Field(description="Mark what this probe counts, instead.", max_length=100)] = "",
    cursor: Cursor = "",
) -> PairOf:
    """A prompt with both answers, whole, in passages; what a feature or probe marks stands between « and »."""
    opened = desk.opened(study)
    a, b = opened.sides(a, b)
    prompt_id, draw = findings.pair_of(pair)
    found = desk.sight.pair(opened, prompt_id, draw, a, b)
    if probe and probe not in PROBES:
        raise UserError(f"There is no probe '{probe}'; `differences` with view 'probes' has their names.")

    def marked(key: str, text: str) -> Pieces:
        if feature is not None and text:
            return _of_feature(opened, feature, prompt_id, draw, key)
        return _of_spans(text, PROBES[probe].spans(text) if probe else [])

    passages = _passages("prompt", [(found.prompt, False)])
    passages += _passages("a", marked(a, found.text_a)) + _passages("b", marked(b, found.text_b))
    chosen, after = size.page(passages, cursor, PAGE, lambda each: each.model_dump())
    flags = [f"{side.upper()} {flag}" for side, flag in (("a", found.flag_a), ("b", found.flag_b)) if flag]
    excluded = f"the pair counts in no test ({found.excluded})" if found.excluded else ""
    return PairOf(
        study=opened.name,
        pair=f"{prompt_id}:{draw}",
        category=size.cut(found.category, 100),
        split=found.split,
        a=a,
        b=b,
        flags="; ".join([*flags, excluded] if excluded else flags),
        marks=f"feature {feature}" if feature is not None else f"probe {probe}" if probe else "",
        passages=chosen,
        next_cursor=after,
    )


def _of_feature(study: Study, feature: int, prompt_id: str, draw: int, checkpoint: str) -> Pieces:
    encodings = Encodings.open(study)
    table = encodings.documents
    here = (table["prompt_id"] == prompt_id) & (table["draw"] == draw) & (table["checkpoint"] == checkpoint)
    places = np.flatnonzero(here & (table["error"] == ""))
    if not len(places):
        raise UserError(f"The reader has not read that answer of '{checkpoint}'; start the step 'encode'.")
    document = int(places[0])
    values = encodings.dense(document, feature) if 0 <= feature < encodings.n_features else None
    if values is None:
        raise UserError(f"There is no feature {feature}; the reader has 0 to {encodings.n_features - 1}.")
    return [(text, value != 0) for text, value in encodings.tokens(document).pieces(values)]


def _of_spans(text: str, spans: list[tuple[int, int]]) -> Pieces:
    pieces, done = [], 0
    for start, end in spans:
        # Of spans that meet, the later one begins where the earlier ends.
        start = max(start, done)
        pieces += [(text[done:start], False), (text[start:end], True)] if end > start else []
        done = max(done, end)
    return [*pieces, (text[done:], False)]


def _passages(of: Literal["prompt", "a", "b"], pieces: Pieces) -> list[Passage]:
    """The text in runs of about one size; a mark that goes on in the next one is closed and opened again."""
    passages: list[Passage] = []
    start, at = 0, 0
    held: Pieces = []
    for text, marked in pieces:
        while text:
            room = PIECE - (at - start)
            part, text = text[:room], text[room:]
            held.append((part, marked))
            at += len(part)
            if at - start >= PIECE:
                passages.append(Passage(of=of, start=start, text=_marked(p for p in held if p[0])))
                start, held = at, []
    if held or not passages:
        passages.append(Passage(of=of, start=start, text=_marked(p for p in held if p[0])))
    return passages


def search(
    desk: Desk,
    study: Name,
    text: Annotated[str, Field(description="Words, or part of one; capitals do not matter.", max_length=200)],
    where: Annotated[
        Literal["features", "answers", "prompts"],
        Field(description="features: by label and by what they fire on. answers, prompts: that hold the text."),
    ] = "features",
    cursor: Cursor = "",
) -> Found:
    """Features by what they are called or fire on, or answers and prompts that hold a text."""
    opened = desk.opened(study)
    if not text.strip() and where == "features":
        raise UserError("There is nothing to look for; give a word or a part of one.")
    if where == "features":
        hits = _features(desk, opened, text)
    elif where == "answers":
        hits = _answers(desk, opened, text)
    else:
        hits = _prompts(desk, opened, text)
    chosen, after = size.page(hits, cursor, PAGE, lambda hit: hit.model_dump())
    return Found(study=opened.name, where=where, hits=chosen, next_cursor=after)


def _features(desk: Desk, study: Study, text: str) -> list[Hit]:
    known_ones = {number: label.label for number, label in labels.current(study).items()}
    hits = [
        Hit(feature=int(row.feature), text=size.cut(row.label, 200), why=f"its label, {row.likeness:.0f} % alike")
        for row in query.by_label(known_ones, text).itertuples()
    ]
    encodings = Encodings.open(study)
    named = {hit.feature for hit in hits}
    for row in query.by_tokens(encodings, text, among=desk.sight.documents(encodings)).itertuples():
        if int(row.feature) not in named:
            why = f"{row.share:.0%} of where it fires touches the text, which is {row.chance:.1%} of all tokens"
            label = known_ones.get(int(row.feature), "no label")
            hits.append(Hit(feature=int(row.feature), text=size.cut(label, 200), why=why))
    return hits


def _answers(desk: Desk, study: Study, text: str) -> list[Hit]:
    rows = desk.sight.answers(study)
    rows = rows[rows["text"].str.contains(text, case=False, regex=False)]
    return [
        Hit(
            pair=f"{row.prompt_id}:{row.draw}",
            checkpoint=str(row.checkpoint),
            text=_excerpt(str(row.text), text),
            why="the answer holds it",
        )
        for row in rows.itertuples()
    ]


def _prompts(desk: Desk, study: Study, text: str) -> list[Hit]:
    table = desk.sight.prompts(study)
    table = table[prompts.containing(table, text)]
    return [
        Hit(pair=f"{row['id']}:0", text=_excerpt(prompts.shown(row), text), why=size.cut(row["category"], 80))
        for _, row in table.iterrows()
    ]


def _excerpt(whole: str, text: str) -> str:
    """The text's first place in a longer one, on one line."""
    found = re.search(re.escape(text), whole, re.IGNORECASE)
    start = max(0, (found.start() if found else 0) - AROUND // 3)
    said = whole[start : start + AROUND]
    return ("…" if start else "") + said + ("…" if start + AROUND < len(whole) else "")
