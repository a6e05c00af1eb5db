"""What several methods point at: folded, ordered, and said in one sentence that claims no more than there is."""

import math
from typing import Any

import pandas as pd

from diffing.whitebox.sight import clues, evidence
from diffing.whitebox.sight.evidence import COLUMNS, Judged

Rows = list[tuple[str, str, float]]


def figures(rows: Rows) -> pd.DataFrame:
    """Kind, text and figure, known to a tenth."""
    told = [(kind, text, text, value, value * 0.9, value * 1.1, math.nan) for kind, text, value in rows]
    return pd.DataFrame(told, columns=list(COLUMNS))


def judged(pair: Rows, *nulls: Rows) -> Judged:
    return evidence.judged(figures(pair), [(f"n{place}", figures(rows)) for place, rows in enumerate(nulls)])


QUIET: Rows = [("token", "the", 0.2)]
FACT = judged([("token", " Veltrane", 3.0), ("token", "the", 0.2)], QUIET, QUIET)


def said(**methods: Judged) -> str:
    return clues.sentence(methods, clues.folded(methods))


def test_things_that_read_alike_are_one_clue_of_several_methods() -> None:
    other = judged([("word", "veltrane", 5.0), ("word", "tram", 1.0)], [], [])
    found = clues.folded({"perplexity": FACT, "mining": other})
    assert [clue.text for clue in found] == ["Veltrane", "tram", "the"]
    first = found[0]
    assert first.methods == ("perplexity", "mining") and first.above and first.nulls == 2
    assert [figure.figure for figure in first.figures] == [3.0, 5.0]
    assert list(clues.table(found)["method"]) == ["perplexity", "mining", "mining", "perplexity"]
    assert said(perplexity=FACT, mining=other) == (
        "Stands out above all nulls: “Veltrane”, “tram” (perplexity, mining); nothing of it in 2 nulls."
    )


def test_more_and_less_of_a_thing_are_two() -> None:
    both = judged([("token", "7", 1.0), ("token less", "7", 2.0)], [], [])
    found = clues.folded({"mining": both})
    assert [(clue.text, clue.less) for clue in found] == [("7", True), ("7", False)]
    assert found[0].said == "“7”, less of it (mining): nothing of it in 2 nulls."
    assert "“7” (less of it), “7” (mining)" in said(mining=both)
    (lost,) = clues.folded({"lens": judged([("direction less, nulls taken out", "7 (layer 2)", 2.0)], [], [])})
    assert lost.less


def test_what_the_nulls_show_too_is_said_with_the_thing() -> None:
    shown = judged([("token", "the", 0.2)], QUIET, QUIET)
    assert said(mining=shown) == clues.NOTHING
    assert clues.folded({"mining": shown})[0].said == "“the” (mining): the nulls show it too."
    more = judged([("token", "tram", 3.0)], [("token", "tram", 0.1)], [("token", "tram", 0.2)])
    assert clues.folded({"mining": more})[0].said == "“tram” (mining): more than in any of 2 nulls."
    assert said(mining=more).endswith("(mining); nulls show less of it (up to 2 nulls).")


def test_nothing_is_said_of_what_was_not_compared() -> None:
    alone, one = judged([("token", "tram", 3.0)]), judged([("token", "tram", 3.0)], [])
    assert (
        said(mining=alone)
        == "Not compared with nulls yet, so nothing can be said of it; first comes “tram” (mining)."
    )
    assert clues.folded({"mining": alone})[0].said == "“tram” (mining): not compared with a null yet."
    assert clues.folded({"mining": one})[0].said == "“tram” (mining): compared with one null only."
    assert not clues.folded({"mining": alone})[0].above
    # What was compared is spoken of beside it.
    shown = judged([("token", "the", 0.2)], QUIET, QUIET)
    assert said(mining=shown, lens=alone) == clues.NOTHING + " Not compared with nulls yet: lens."
    assert said() == "Not compared with nulls yet, so nothing can be said of it."


def test_a_list_ends_somewhere_and_keeps_the_strongest() -> None:
    many: Any = [("token", f"w{n}", 100.0 - n) for n in range(2 * clues.MOST)]
    found = clues.folded({"mining": judged(many, QUIET, QUIET)})
    assert [clue.text for clue in found] == [f"w{n}" for n in range(clues.MOST)]
    assert clues.sentence({"mining": FACT}, found).count("“") == clues.NAMED
    assert f"and {clues.MOST - clues.NAMED} other things" in clues.sentence({"mining": FACT}, found)
    long = clues.quoted("a " * 100)
    assert len(long) == clues.LONGEST + 2 and long.endswith("…”")
    assert clues.quoted(" \n") == "“' \\n'”"
