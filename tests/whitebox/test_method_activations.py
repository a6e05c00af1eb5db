"""How far layers move: each figure against plain models with hooks, and that nothing moves below a change."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from diffing.whitebox import run as runs
from diffing.whitebox.measures.apart import ratio
from diffing.whitebox.methods import activations
from diffing.whitebox.methods.activations import Options
from diffing.whitebox.pairs import nulls
from diffing.whitebox.pairs import pair as pairs
from diffing.whitebox.pairs.opening import open_pair
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.results import Result
from diffing.whitebox.sight.evidence import COLUMNS
from diffing.whitebox.texts import Document
from tests.fakes import pairs as fakes
from tests.fakes import tiny
from tests.fakes.pairs import IDS, Folders

DOCUMENTS = [Document(str(n), tuple(row), 1, len(row), "text", n == 3) for n, row in enumerate(IDS)]
OPTIONS = Options(top=2, least=2)
ROWS = [(n, place, token) for n, row in enumerate(IDS) for place, token in enumerate(row)]


def moved(pair: Pair, options: Options = OPTIONS, documents: list[Document] = DOCUMENTS) -> Result:
    return runs.passed(pair, documents, {"activations": options}, lambda: None)["activations"]


@pytest.fixture(scope="module")
def found(pair: Pair) -> Result:
    return moved(pair)


@pytest.fixture(scope="module")
def plain(folders: Folders) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    both = [fakes.seen(fakes.plain(folder), IDS)[0] for folder in (folders.base, folders.whole)]
    base, variant = ({layer: rows.double() for layer, rows in side.items()} for side in both)
    return base, variant


def part(name: str) -> Tensor:
    """Rows of discovery documents behind their first positions, of these positions, or of held-out documents."""
    return torch.tensor(
        [
            (document == 3) == (name == "held_out") and (place < OPTIONS.first) == (name == "first")
            for document, place, _ in ROWS
        ]
    )


@pytest.mark.parametrize("name", ["discovery", "held_out", "first"])
def test_layers_have_the_plain_models_figures(
    name: str, found: Result, plain: tuple[dict[int, Tensor], dict[int, Tensor]]
) -> None:
    table = found.tables["layers"].query("part == @name").set_index("layer")
    assert table.index.tolist() == list(range(tiny.LAYERS))
    for layer in range(tiny.LAYERS):
        base, variant = (side[layer][part(name)] for side in plain)
        delta = variant - base
        wanted = {
            "moved": delta.norm(dim=-1),
            "relative": delta.norm(dim=-1) / base.norm(dim=-1),
            "turned": 1 - torch.cosine_similarity(base, variant, dim=-1),
            "base_norm": base.norm(dim=-1),
            "variant_norm": variant.norm(dim=-1),
        }
        for column, values in wanted.items():
            assert table.loc[layer, column] == pytest.approx(float(values.mean()), rel=1e-4), column
            assert table.loc[layer, f"{column}_median"] == pytest.approx(np.median(values), rel=1e-4), column
        assert table.loc[layer, "tokens"] == len(base)


def test_shapes_are_those_of_all_tokens_where_all_are_kept(
    found: Result, plain: tuple[dict[int, Tensor], dict[int, Tensor]]
) -> None:
    table = found.tables["layers"].query("part == 'discovery'").set_index("layer")
    for layer in range(tiny.LAYERS):
        base, variant = (side[layer][part("discovery")] for side in plain)
        delta = variant - base
        count = len(delta)
        energy = delta.square().sum()
        pairs_of_tokens = (delta @ delta.T).sum() - energy
        assert table.loc[layer, "coherent"] == pytest.approx(
            float(pairs_of_tokens / (count * (count - 1)) / (energy / count)), rel=1e-3, abs=1e-5
        )
        direction = delta.mean(0) / delta.mean(0).norm()
        assert table.loc[layer, "along_mean"] == pytest.approx(
            float((delta @ direction).square().sum() / energy), rel=1e-4
        )
        x, y = (side - side.mean(0) for side in (base, variant))
        alike = (y.T @ x).norm() ** 2 / ((x.T @ x).norm() * (y.T @ y).norm())
        assert table.loc[layer, "cka"] == pytest.approx(float(alike), rel=1e-5)


def test_cka_is_the_same_either_way_and_knows_no_turn_and_no_scale() -> None:
    draws = torch.Generator().manual_seed(0)
    few, many = (torch.randn(rows, 8, generator=draws, dtype=torch.float64) for rows in (6, 40))
    turn = torch.linalg.qr(torch.randn(8, 8, generator=draws, dtype=torch.float64)).Q
    for one in (few, many):
        assert activations.cka(one, 3 * one @ turn + 1) == pytest.approx(1.0)
        other = torch.randn(one.shape, generator=draws, dtype=torch.float64)
        x, y = one - one.mean(0), other - other.mean(0)
        wanted = (y.T @ x).norm() ** 2 / ((x.T @ x).norm() * (y.T @ y).norm())
        assert activations.cka(one, other) == pytest.approx(float(wanted))


def test_nothing_moves_below_the_block_that_changed(folders: Folders, tmp_path: Path) -> None:
    block = tiny.LAYERS // 2
    modules = ["q_proj", "down_proj"]
    fakes.adapter(folders.base, tmp_path / "one", layers_to_transform=[block], target_modules=modules)
    told = moved(open_pair(f"hf:{folders.base}+{tmp_path / 'one'}")).tables["layers"]
    below, above = told[told["layer"] < block], told[told["layer"] >= block]
    assert len(below) and (below[["moved", "moved_median", "relative", "turned"]] == 0).all(axis=None)
    assert (above[["moved", "relative", "turned"]] > 0).all(axis=None)


def test_the_same_weights_twice_move_nothing(pair: Pair) -> None:
    with nulls.same(pair) as null:
        nothing = moved(null)
    told = nothing.tables["layers"]
    own = told[told["part"] == "discovery"]
    assert (told[["moved", "relative", "turned", "moved_median"]] == 0).all(axis=None)
    assert (own[["moved_low", "relative_high"]] == 0).all(axis=None)
    assert own["cka"].to_numpy() == pytest.approx(1.0)
    assert (own[["coherent", "along_mean"]] == 0).all(axis=None)
    assert not len(activations.figures(nothing, OPTIONS))


def test_it_is_the_same_whatever_the_batches(found: Result, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pairs.BUDGET, "cpu", 1)
    again = moved(pair)
    for name in ("layers", "tokens"):
        pd.testing.assert_frame_equal(again.tables[name], found.tables[name], rtol=1e-3, atol=1e-6)
    places = ["layer", "statistic", "by", "document", "position"]
    assert again.tables["texts"][places].equals(found.tables["texts"][places])


def test_texts_are_those_that_moved_most_with_the_figures_of_their_tokens(
    found: Result, plain: tuple[dict[int, Tensor], dict[int, Tensor]]
) -> None:
    layer = tiny.LAYERS - 1
    base, variant = (side[layer] for side in plain)
    far = (variant - base).norm(dim=-1)
    by_document = {
        n: far[torch.tensor([d == n and place >= OPTIONS.first for d, place, _ in ROWS])] for n in range(3)
    }
    texts = found.tables["texts"].query("layer == @layer and statistic == 'moved'")
    for by in ("mean", "farthest"):
        score = {
            n: float(values.mean() if by == "mean" else values.max())
            for n, values in by_document.items()
            if len(values)
        }
        told = texts[texts["by"] == by]
        wanted = sorted(score, key=lambda n: -score[n])
        assert told["document"].tolist() == wanted[:2]
        for row in told.itertuples():
            assert row.score == pytest.approx(score[row.document], rel=1e-4)
            np.testing.assert_allclose(row.values, by_document[row.document], rtol=1e-4)


def test_a_token_stands_out_by_what_it_moves_beyond_the_others() -> None:
    # Two layers, the second of which moves ten times as far; token 7 moves twice as far as 1 and 2 do.
    token = np.tile([7, 1, 2, 1], 30)
    relative = np.where(token == 7, 2.0, 1.0)[:, None] * np.array([1.0, 10.0])
    rows: dict[str, Any] = {
        "document": np.arange(120) // 4,
        "token": token,
        "found": np.stack([relative] * 5, axis=-1),
    }
    own = rows["document"] < 20
    table = activations.by_token(rows, {"discovery": own, "held_out": ~own}, 10).set_index("token")
    assert table["beyond"].to_dict() == pytest.approx({7: 2 / 1.25 - 1, 1: -0.2, 2: -0.2})
    assert table.loc[7, "beyond_held_out"] == pytest.approx(0.6) and table.loc[1, "seen"] == 40
    # Every text says the same.
    assert (table["high"] - table["low"]).to_numpy() == pytest.approx(0.0, abs=1e-9)
    assert set(activations.by_token(rows, {"discovery": own, "held_out": ~own}, 30).token) == {1}


def test_figures_are_of_tokens_that_stand_often_enough(found: Result, pair: Pair) -> None:
    # No token stands twice in these texts.
    assert not len(activations.figures(found, OPTIONS))
    twice = moved(pair, documents=[*DOCUMENTS, *DOCUMENTS])
    told = activations.figures(twice, OPTIONS)
    assert list(told) == list(COLUMNS) and (told["kind"] == "place").all() and (told["figure"] > 0).all()
    table = twice.tables["tokens"]
    assert (table["seen"] == 2).all() and len(told) == int((table["beyond"] > 0).sum()) > 5
    # The same texts again: nothing is uncertain.
    assert (told["high"] - told["low"]).to_numpy() == pytest.approx(0.0, abs=1e-4)


def test_an_interval_over_texts_holds_the_truth_as_often_as_it_says() -> None:
    draws = np.random.default_rng(0)
    document = np.repeat(np.arange(30), draws.integers(5, 15, 30))
    level = draws.normal(2.0, 1.0, (30, 1000))
    mean, low, high = ratio(level[document] + draws.normal(0, 0.1, (len(document), 1000)), document)
    inside = ((low <= 2) & (high >= 2)).mean()
    assert 0.92 <= inside <= 0.975 and mean.mean() == pytest.approx(2.0, abs=0.05)


def test_no_more_tokens_are_looked_at_than_asked_for(pair: Pair) -> None:
    documents = [document._replace(held_out=False) for document in DOCUMENTS] * 4
    told = moved(pair, Options(tokens=100, sampled=10), documents)
    assert 50 < told.facts["discovery"] <= 100 and told.facts["sampled"] == 10
    assert told.facts["documents"] < len(documents)
