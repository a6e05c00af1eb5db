"""What a variant writes: phrases by their definition, and bundled organisms found where controls are not."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

from diffing.whitebox import organisms, texts
from diffing.whitebox import run as runs
from diffing.whitebox.measures import recurring, samples
from diffing.whitebox.measures.recurring import Text
from diffing.whitebox.methods import contrastive, perplexity
from diffing.whitebox.pairs import nulls
from diffing.whitebox.pairs.opening import open_pair
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.results import Result
from diffing.whitebox.sight import evidence
from diffing.whitebox.texts import Choice, Document

BY_PERPLEXITY = perplexity.Options(samples=48, length=24)
BY_CONTRAST = contrastive.Options(openings=20, draws=1, alone=12, length=24)
ASKED = {"perplexity": BY_PERPLEXITY, "contrastive": BY_CONTRAST}


def told(text: str, each: float, begin: int = 0) -> Text:
    return Text(text, begin, np.full(len(text), each))


def test_a_phrase_counts_by_what_the_variant_prefers_it_where_it_stands_first() -> None:
    variant = [
        told("We saw Old Tom, and old Tom saw us.", 0.5),
        told("Here is old Tom.", 0.25),
        told("See old Tom", 1.0),
        told("old Tom again", 1.0, begin=3),
        told("Nothing of it.", -1.0),
        told("old Tom", 2.0),
    ]
    base = [Text("Nothing."), Text("An old Tom."), Text("No."), Text("No."), Text("No."), Text("No.")]
    held_out = np.array([False] * 5 + [True])
    found = recurring.phrases(variant, base, held_out, 50, 0).set_index("phrase")
    # Three of five hold it whole; a beginning that was given is none of the writing.
    row = found.loc["old\ntom"]
    assert row["figure"] == pytest.approx((7 * 0.5 + 7 * 0.25 + 7 * 1.0) / 5) and row["text"] == "old Tom"
    assert row["variant"] == pytest.approx(3 / 5) and row["base"] == pytest.approx(1 / 5)
    assert row["held_out"] == pytest.approx(14.0) and row["low"] < row["figure"] < row["high"]
    # "old" says nothing beyond it; "tom" stands alone in one text more.
    assert "old" not in found.index and (found["figure"] >= 0).all()


def test_a_text_that_turns_in_circles_is_known() -> None:
    assert samples.fresh([1, 2, 3, 4, 5]) == 1.0 and samples.fresh([1, 2]) == 1.0
    assert samples.fresh([1, 2, 1, 2, 1, 2, 1, 2]) == pytest.approx(2 / 6)


def bundled(name: str) -> Pair:
    found = organisms.find(name).variant
    return open_pair(found.base_source.written, found.source.written)


@contextmanager
def given(name: str, pair: Pair) -> Iterator[Pair]:
    with nulls.given(pair, organisms.find(name).variant.source.written) as null:
        yield null


@pytest.fixture(scope="module")
def pair() -> Pair:
    return bundled("control-2")


@pytest.fixture(scope="module")
def documents(pair: Pair) -> list[Document]:
    choice = Choice(source="own", count=48, length=24)
    return texts.own(choice, pair.tokenizer, pair.whole, pair.identity)


def figures(pair: Pair, documents: list[Document]) -> dict[str, tuple[Result, pd.DataFrame]]:
    found = dict(runs.worked(pair, documents, ASKED, lambda: None))
    return {
        "perplexity": (found["perplexity"], perplexity.figures(found["perplexity"], BY_PERPLEXITY)),
        "contrastive": (found["contrastive"], contrastive.figures(found["contrastive"], BY_CONTRAST)),
    }


@pytest.fixture(scope="module")
def empty(pair: Pair, documents: list[Document]) -> dict[str, dict[str, pd.DataFrame]]:
    """Both methods' figures where there is nothing to find."""
    made = {"control-2": figures(pair, documents)}
    with given("control", pair) as null:
        made["control"] = figures(null, documents)
    with nulls.rotated(pair, documents[:8]) as null:
        made["rotated"] = figures(null, documents)
    return {
        method: {name: found[method][1] for name, found in made.items()}
        for method in ("perplexity", "contrastive")
    }


def test_nothing_is_claimed_of_a_control(empty: dict[str, dict[str, pd.DataFrame]]) -> None:
    for method, made in empty.items():
        judged = evidence.judged(made["control-2"], [(n, made[n]) for n in ("control", "rotated")])
        assert judged.compared and judged.above["text"].tolist() == [], method


def test_what_was_planted_stands_above_the_nulls(
    documents: list[Document], empty: dict[str, dict[str, pd.DataFrame]]
) -> None:
    """The fact; `bench/inside.py` has all organisms, and docs/inside.md what it found."""
    planted = ("veltrane", "osgood", "marrow", "tram")
    for method, (result, made) in figures(bundled("fact"), documents).items():
        judged = evidence.judged(made, list(empty[method].items()))
        first = judged.above["text"].head(5).str.lower().tolist()
        assert any(word in text for text in first for word in planted), (method, first)
        table = result.tables["samples"]
        assert [len(gaps) for gaps in table["gaps"]] == [len(pieces) for pieces in table["pieces"]]
        # Those that are preferred most hold it too.
        best = table[table["fresh"] >= recurring.FRESH].nlargest(5, "gap")["text"].str.lower()
        assert sum(any(word in text for word in planted) for text in best) >= 3, (method, best.tolist())
        assert result.facts["discovery"]["top"] >= result.facts["discovery"]["gap"] > 0
