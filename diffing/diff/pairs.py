"""Pairs of answers as people look at them: where a feature shows, and what the two answers of one pair differ by.

Orders pairs so that examples for a difference and against it are equally easy to reach. Promises that held-out
prompts stay out unless asked for, and that a pair excluded from the diff is not shown as one of its examples. Has
nothing to do with a screen: pages and reports show what is ordered here.
"""

from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from diffing.diff import measure, pairing
from diffing.probes import excerpts, scan
from diffing.probes.excerpts import Excerpt
from diffing.reader import query
from diffing.reader.encodings import Encodings
from diffing.study import prompts
from diffing.study.study import Study

Order = Literal["most different", "strongest", "against the difference", "random"]
ORDERS: tuple[Order, ...] = get_args(Order)


def pairs(
    study: Study, encodings: Encodings, feature: int, a: str, b: str, held_out: bool = False
) -> pd.DataFrame:
    """A row for each pair: prompt_id, split, category, draw, document_a, document_b, peak_a, peak_b.

    Of a study that keeps positions of some answers only (`Encodings.held`) these are its pairs.
    """
    paired = pairing.pair(study, encodings.documents, a, b)
    held = encodings.held[paired.a] & encodings.held[paired.b]
    paired = paired if held.all() else paired.only(held)
    peaks = encodings.peaks(feature, held=True)
    table = paired.prompts.iloc[paired.row][["id", "split", "category"]].rename(columns={"id": "prompt_id"})
    table = table.assign(
        draw=encodings.documents["draw"].to_numpy()[paired.a],
        document_a=paired.a,
        document_b=paired.b,
        peak_a=peaks[paired.a],
        peak_b=peaks[paired.b],
    ).reset_index(drop=True)
    return table if held_out else table[prompts.discovery(table)].reset_index(drop=True)


def ordered(table: pd.DataFrame, order: Order, delta: float, seed: int) -> pd.DataFrame:
    """The pairs in an order; those in which neither side shows the feature come last, or not at all."""
    table = table.assign(
        difference=table["peak_b"] - table["peak_a"], peak=table[["peak_a", "peak_b"]].max(axis=1)
    )
    if order == "random":
        return table.sample(frac=1, random_state=seed).reset_index(drop=True)
    table = table[table["peak"] > 0]
    if order == "against the difference":
        # What disagrees with the sign of the difference, the clearest first; of no difference, what A shows more.
        against = -np.sign(delta or 1.0) * table["difference"]
        clear = table[against > 0].assign(against=against)
        return clear.sort_values("against", ascending=False, kind="stable", ignore_index=True)
    # What goes with the difference first: what one opens a feature for.
    by = np.sign(delta or 1.0) * table["difference"] if order == "most different" else table["peak"]
    return table.loc[by.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


EACH = 10
"""Snippets of a side: both sides' fill a screen in lines of two."""
CONTEXT = 130
"""Characters of a snippet: two lines of half a page."""


class Snippet(NamedTuple):
    """A few words around the places where an answer shows a feature."""

    prompt_id: str
    held_out: bool
    peak: float
    """The answer's strongest activation."""
    cut: Excerpt


def snippets(encodings: Encodings, feature: int, table: pd.DataFrame, side: str) -> list[Snippet]:
    """The answers of a side (`a` or `b`) that show a feature most, one a prompt; `table` is that of `pairs`."""
    shows = table[table[f"peak_{side}"] > 0].sort_values(f"peak_{side}", ascending=False, kind="stable")
    found = []
    for row in shows.drop_duplicates("prompt_id").head(EACH).to_dict("records"):
        document = int(row[f"document_{side}"])
        tokens, values = encodings.tokens(document), np.abs(encodings.dense(document, feature))
        # About the strongest places: weak ones beside one another would draw the excerpt to themselves.
        strong = values >= values.max() / 2
        spans = [(int(start), int(end)) for start, end in np.asarray(tokens.spans)[strong].tolist()]
        cut = excerpts.around(tokens.text, spans, CONTEXT)
        found.append(Snippet(str(row["prompt_id"]), row["split"] == "held-out", float(values.max()), cut))
    return found


class Stop(NamedTuple):
    """Where one looks in a queue of pairs, and where the next looks are; behind the last pair comes the first."""

    at: int
    before: int
    after: int


def stop(asked: int | None, length: int) -> Stop:
    """The pair that was asked for, the first where none was, the last where there are fewer."""
    at = min(asked or 0, length - 1)
    return Stop(at, (at - 1) % length, (at + 1) % length)


def full_colour(row: pd.Series) -> float:
    """The activation that full colour stands for: a feature's strongest in all answers of the diff.

    So the same answer has the same shades wherever this is asked. `row` is the feature's of the diff.
    """
    return float(max(abs(row["peak_a"]), abs(row["peak_b"])))


def documents(encodings: Encodings, prompt_id: str) -> dict[tuple[str, int], int]:
    """Where the answers to a prompt stand in the encodings, by checkpoint and draw; without those never read."""
    table = encodings.documents
    here = table[(table["prompt_id"] == prompt_id) & (table["error"] == "")]
    return dict(zip(zip(here["checkpoint"], here["draw"], strict=True), here.index, strict=True))


def differences(
    encodings: Encodings, left: int, right: int, table: pd.DataFrame, everywhere: bool
) -> pd.DataFrame:
    """Features that two documents differ by, rare and strong ones first, with their figures in the diff.

    `everywhere`: only those that differ over the whole study too. `table` is a diff's, a row a feature.
    """
    rows = query.between(encodings, left, right, encodings.n_features).merge(table, on="feature", how="left")
    return (rows[rows["q"] < measure.LEVEL] if everywhere else rows).reset_index(drop=True)


def counted(text_a: str, text_b: str) -> pd.DataFrame:
    """What can be counted in either of two texts: `probe`, `A`, `B`, what they differ by first."""
    counts = scan.table([text_a, text_b]).T.set_axis(["A", "B"], axis=1).rename_axis("probe")
    counts = counts[counts.sum(axis=1) > 0]
    # False comes before true; stable, so that each half keeps the probes' own order.
    alike = (counts["A"] == counts["B"]).sort_values(kind="stable")
    return counts.loc[alike.index].reset_index()
