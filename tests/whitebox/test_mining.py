"""Mined tokens: figures against plain models, topics that were planted, and what the bundled organisms show."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from diffing.common import tables
from diffing.study import sample
from diffing.whitebox import organisms
from diffing.whitebox import run as runs
from diffing.whitebox.measures import pieces, topics
from diffing.whitebox.measures.apart import jackknife
from diffing.whitebox.methods import mining
from diffing.whitebox.methods.mining import Options
from diffing.whitebox.pairs import nulls
from diffing.whitebox.pairs import pair as pairs
from diffing.whitebox.pairs.opening import open_pair
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.results import Result
from diffing.whitebox.sight.evidence import COLUMNS, judged
from diffing.whitebox.texts import Choice, Document, Maker
from tests.fakes import pairs as fakes
from tests.fakes.pairs import IDS, Folders

DOCUMENTS = [Document(str(n), tuple(row), 1, len(row), "text", n == 3) for n, row in enumerate(IDS)]
TOP = 5
OPTIONS = Options(top=TOP, positions=30, words=2)


def mined(pair: Pair, documents: list[Document] = DOCUMENTS, options: Options = OPTIONS) -> Result:
    return runs.passed(pair, documents, {"mining": options}, lambda: None)["mining"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return fakes.make(tmp_path_factory.mktemp("pairs"), "gemma2")


@pytest.fixture(scope="module")
def found(pair: Pair) -> Result:
    return mined(pair)


@pytest.fixture(scope="module")
def plain(folders: Folders) -> tuple[Tensor, Tensor, Tensor]:
    """Both models' log-probabilities at each position that predicts, and its document."""
    base, variant = (fakes.seen(fakes.plain(f), IDS)[1].double() for f in (folders.base, folders.whole))
    predicts = torch.tensor([place < len(row) - 1 for row in IDS for place in range(len(row))])
    document = torch.tensor([n for n, row in enumerate(IDS) for _ in row])
    return base[predicts], variant[predicts], document[predicts]


def test_figures_are_those_of_the_plain_models(found: Result, plain: tuple[Tensor, Tensor, Tensor]) -> None:
    base, variant, document = plain
    own = document != 3
    gap, change = variant - base, variant.exp() - base.exp()
    table = found.tables["vocabulary"]
    for name, wanted in {
        "gained": change[own].mean(0),
        "gained_held_out": change[~own].mean(0),
        # Three texts are three blocks, of which the first and the last are one half.
        "gained_first": change[(document == 0) | (document == 2)].mean(0),
        "gained_second": change[document == 1].mean(0),
        "gap": gap[own].mean(0),
        "gap_spread": gap[own].std(0, correction=0),
        "positive": (gap[own] > 0).double().mean(0),
        "rose": most(gap, variant)[own].mean(0),
        "fell": most(-gap, base)[own].mean(0),
        "rose_held_out": most(gap, variant)[~own].mean(0),
    }.items():
        np.testing.assert_allclose(table[name], wanted.numpy(), rtol=2e-3, atol=1e-6, err_msg=name)
    assert found.facts["positions"] == int(own.sum()) and found.facts["held_out"] == int((~own).sum())
    standing = [token for row in IDS for token in row[1:]]
    assert table["seen"].tolist() == np.bincount(standing, minlength=len(table)).tolist()
    # The interval from three means that each lack one text.
    lacking = torch.stack([change[own & (document != n)].mean(0) for n in range(3)]).numpy()
    spread = np.sqrt(2 / 3 * ((lacking - lacking.mean(0)) ** 2).sum(0))
    np.testing.assert_allclose(table["gained_high"] - table["gained"], 4.3027 * spread, rtol=5e-3, atol=1e-6)


def most(gap: Tensor, likely: Tensor) -> Tensor:
    """Whether a token is among those of a position that moved most, position by position."""
    marked = torch.zeros_like(gap)
    for row in range(len(gap)):
        has_chance = likely[row].exp() >= OPTIONS.floor * likely[row].exp().max()
        by = {token: float(gap[row, token]) for token in has_chance.nonzero()[:, 0].tolist()}
        for token in sorted(by, key=lambda token: -by[token])[:TOP]:
            marked[row, token] = by[token] > 0
    return marked


def test_it_is_the_same_whatever_the_batches(found: Result, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pairs.BUDGET, "cpu", 1)
    again = mined(pair)
    for column in found.tables["vocabulary"].select_dtypes("number"):
        np.testing.assert_allclose(
            again.tables["vocabulary"][column], found.tables["vocabulary"][column], rtol=1e-4, atol=1e-6
        )
    places = ["token", "document", "position", "word"]
    assert again.tables["contexts"][places].equals(found.tables["contexts"][places])
    assert again.tables["topics"]["token"].tolist() == found.tables["topics"]["token"].tolist()


def test_the_same_weights_twice_have_no_token_to_show(pair: Pair) -> None:
    with nulls.same(pair) as null:
        nothing = mined(null)
    told = nothing.tables["vocabulary"].drop(columns=["token", "text", "seen"])
    assert (told == 0).all(axis=None)
    assert nothing.facts["topics"]["count"] == 0 and not len(nothing.tables["contexts"])
    assert not len(mining.figures(nothing, OPTIONS))


def test_figures_tell_what_rose_and_what_fell_apart(found: Result) -> None:
    told = mining.figures(found, OPTIONS.model_copy(update={"shown": 4}))
    assert list(told) == list(COLUMNS) and told["kind"].tolist() == ["token"] * 4 + ["token less"] * 4
    assert ((told["low"] <= told["figure"]) & (told["figure"] <= told["high"])).all()
    table = found.tables["vocabulary"].set_index("token")["gained"]
    assert [table[int(key)] for key in told["key"]] == pytest.approx([*told["figure"][:4], *-told["figure"][4:]])
    assert set(told["key"][:4]) == set(table.nlargest(4).index.astype(str))


def test_contexts_are_where_a_token_gains_and_loses_most(
    found: Result, plain: tuple[Tensor, Tensor, Tensor]
) -> None:
    base, variant, document = plain
    # All positions of a pass are drawn where there are few.
    change = variant.exp() - base.exp()
    wide = mining.KEPT
    rows: dict[str, Any] = {"document": document.numpy(), "position": np.arange(len(change))}
    best, least = change.topk(wide), change.topk(wide, largest=False)
    rows["moved"] = torch.cat([best.indices, least.indices], 1).numpy()
    rows["moved_by"] = torch.cat([best.values, least.values], 1).numpy()
    token = int(best.indices[0, 0])
    told = pieces.contexts(rows, np.array([token]), 2)
    column = change[:, token].numpy()
    assert told["gained"].max() == pytest.approx(column.max()) and (told["token"] == token).all()
    assert told["position"].tolist()[-2] == column.argmax() + 1
    # Of the pass itself: discovery texts alone, and each figure is the plain models'.
    contexts = found.tables["contexts"]
    begins = np.cumsum([0, *(len(row) - 1 for row in IDS)])
    wanted = change[begins[contexts["document"]] + contexts["position"] - 1, contexts["token"]]
    np.testing.assert_allclose(contexts["gained"], wanted, rtol=2e-3, atol=1e-6)
    assert len(contexts) and 3 not in set(contexts["document"])


@pytest.mark.parametrize(
    ("before", "whole", "word"),
    [
        ("Ask the", "Ask the bridge of", "bridge"),
        # A piece behind the beginning of a word is part of it.
        ("Ask the bri", "Ask the bridge of", "bridge"),
        ("It is", "It is!! Then", ""),
        ("", " Vel trane", "Vel"),
        ("caf\ufffd", "café au", "café"),
        ("Done", "Done", ""),
    ],
)
def test_the_word_is_the_one_that_a_piece_is_part_of(before: str, whole: str, word: str) -> None:
    assert pieces.word_at(before, whole) == word


def test_planted_topics_are_found_and_their_number_is_what_halves_agree_on() -> None:
    draws = np.random.default_rng(0)
    kinds = draws.integers(3, size=600)
    # Of each kind ten tokens of its own, of which six rise at a position, and one that always does.
    token = np.stack([np.r_[100, kind * 10 + draws.permutation(10)[:6]] for kind in kinds])
    by = np.concatenate([np.full((600, 1), 0.05), draws.uniform(0.5, 1.5, (600, 6))], axis=1)
    rows = {"rose": token, "rose_by": by, "document": np.arange(600) // 10}
    told = topics.found(rows, np.arange(60), 5, 0)
    assert told.facts["count"] == 3 and told.facts["agreement"]["3"] > 0.95
    tops = [set(part["token"].head(10) // 10) for _, part in told.tokens.groupby("topic")]
    assert sorted(tops, key=min) == [{0}, {1}, {2}]
    shares = np.sort(np.bincount(kinds) / 600)
    assert np.sort(told.facts["leads"]) == pytest.approx(shares, abs=0.02)
    assert sum(told.facts["mass"]) == pytest.approx(1.0)


def test_topics_need_something_that_rises_in_both_halves() -> None:
    rows = {"rose": np.zeros((6, 2), int), "rose_by": np.zeros((6, 2)), "document": np.arange(6)}
    assert topics.found(rows, np.arange(6), 4, 0).facts == {"count": 0}
    assert topics.found({}, np.arange(6), 4, 0).facts == {"count": 0}


def test_an_interval_from_blocks_holds_the_truth_as_often_as_it_says() -> None:
    draws = np.random.default_rng(1)
    sizes = draws.integers(20, 40, 20)
    # A thousand things, each with blocks of its own level: what varies is the block.
    sums = draws.normal(1.0, 1.0, (20, 1000)) * sizes[:, None]
    low, high = jackknife(sums, sizes)
    inside = ((low <= 1) & (high >= 1)).mean()
    assert 0.93 <= inside <= 0.975
    assert np.isinf(jackknife(sums[:1], sizes[:1])[1]).all()


def test_blocks_are_of_documents_that_lie_next_to_each_other() -> None:
    documents = [DOCUMENTS[0]._replace(held_out=n % 4 == 3) for n in range(16)]
    assert mining.blocks(documents, 3).tolist() == [0, 0, 0, 3, 0, 1, 1, 3, 1, 1, 2, 3, 2, 2, 2, 3]


@pytest.fixture(scope="module")
def style() -> Iterator[tuple[Pair, list[Document]]]:
    found = organisms.find("style")
    pair = open_pair(found.variant.base_source.written, found.variant.source.written)
    maker = Maker(pair.tokenizer, Choice(length=32, held_out=0.3))
    answers = tables.read(sample.FOLDER / "responses.csv")["text"]
    made = [maker.text(str(n), text) for n, text in enumerate(answers[::10])]
    yield pair, [document for document in made if document]


@pytest.fixture(scope="module")
def controls(style: tuple[Pair, list[Document]]) -> dict[str, Any]:
    pair, documents = style
    told = {}
    for name in ("control", "control-2"):
        with nulls.given(pair, organisms.find(name).variant.source.written) as null:
            told[name] = mining.figures(mined(null, documents, Options()), Options())
    with nulls.rotated(pair, documents[::6]) as null:
        told["rotated"] = mining.figures(mined(null, documents, Options()), Options())
    return told


def test_the_planted_style_is_first_above_its_nulls(
    style: tuple[Pair, list[Document]], controls: dict[str, Any]
) -> None:
    # On so few texts it passes the bar and not the usual margin.
    told = judged(mining.figures(mined(*style, Options()), Options()), list(controls.items()), margin=1.0)
    best = told.above[told.above["kind"] == "token"].iloc[0]
    assert best["text"].strip().startswith("!")
    # Full stops are what it has lost for them.
    lost = told.table[told.table["kind"] == "token less"].sort_values("figure", ascending=False)
    assert "." in lost["text"].iloc[0]


def test_a_second_control_shows_nothing_above_the_first(controls: dict[str, Any]) -> None:
    others = [(name, controls[name]) for name in ("control", "rotated")]
    assert not len(judged(controls["control-2"], others).above)
