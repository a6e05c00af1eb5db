"""Principal directions: against scikit-learn on plain models' activations, planted truth, and what noise gives."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from diffing.models.whole import Seen
from diffing.whitebox import method, results
from diffing.whitebox import run as runs
from diffing.whitebox.measures import spectra, unembed
from diffing.whitebox.measures.sampled import FIRST, HALVES, HELD, SECOND, chosen, grouped
from diffing.whitebox.methods import pca
from diffing.whitebox.methods.pca import Options
from diffing.whitebox.pairs import nulls
from diffing.whitebox.pairs.pair import Batch, Pair
from diffing.whitebox.results import Result
from diffing.whitebox.run import Null
from diffing.whitebox.sight.evidence import COLUMNS, judged
from diffing.whitebox.texts import Document
from tests.fakes import pairs as fakes
from tests.fakes import tiny
from tests.fakes.pairs import Folders

DRAWS = np.random.default_rng(2)
DOCUMENTS = [
    Document(f"text {n}", (0, *DRAWS.integers(20, 390, 24).tolist()), 1, 25, "text", n % 4 == 0) for n in range(64)
]
ROWS = [list(document.ids) for document in DOCUMENTS]
ASKED = Options(layer=0.5, most=6, sample=600, seen=2, resamples=100)
LAYER = 2


@pytest.fixture(scope="module")
def found(pair: Pair) -> Result:
    return runs.passed(pair, DOCUMENTS, {"pca": ASKED}, lambda: None)["pca"]


@pytest.fixture(scope="module")
def plain(folders: Folders) -> tuple[Tensor, Tensor]:
    """Both plain models' outputs of the layer: [documents, positions, width]."""
    sides = [fakes.seen(fakes.plain(folder), ROWS)[0][LAYER] for folder in (folders.base, folders.whole)]
    return sides[0].view(len(ROWS), 25, -1).double(), sides[1].view(len(ROWS), 25, -1).double()


def of(pair: Pair, base: Tensor, difference: Tensor, options: Options = ASKED) -> Result:
    """What is found where both models give these: [documents, positions, width]."""
    taker = pca.Accumulator(pair, DOCUMENTS, options)
    document, position = torch.meshgrid(torch.arange(len(base)), torch.arange(25), indexing="ij")
    ids = torch.tensor(ROWS)
    for part in torch.randperm(len(base), generator=torch.Generator().manual_seed(0)).chunk(5):
        sides = [Seen({LAYER: rows[part].flatten(0, 1).float()}, None) for rows in (base, base + difference)]
        taker.add(Batch(document[part].flatten(), position[part].flatten(), ids[part].flatten(), *sides))
    return taker.result(lambda: None)


def noise(seed: int, size: float = 1.0) -> Tensor:
    return size * torch.randn(len(ROWS), 25, tiny.WIDTH, generator=torch.Generator().manual_seed(seed))


def unit(seed: int) -> Tensor:
    drawn = torch.randn(tiny.WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    length: Tensor = drawn.norm()
    return drawn / length


def test_directions_are_those_of_scikit_learn_on_plain_models(found: Result, plain: tuple[Tensor, Tensor]) -> None:
    base, variant = plain
    held = np.array([document.held_out for document in DOCUMENTS])
    # Behind the first three positions, on discovery documents.
    rows = (variant - base)[~held][:, 3:].flatten(0, 1).numpy()
    wanted = PCA(n_components=ASKED.most).fit(rows)
    table = found.tables["directions"]
    assert found.facts["layer"] == LAYER and found.facts["rows"] == len(rows)
    square = (rows**2).sum(1).mean()
    # Of all the difference, its mean included.
    spread = 1 - (rows.mean(0) ** 2).sum() / square
    np.testing.assert_allclose(table["share"], wanted.explained_variance_ratio_ * spread, rtol=1e-3)
    np.testing.assert_allclose(table["variance"], wanted.explained_variance_ * (1 - 1 / len(rows)), rtol=1e-3)
    np.testing.assert_allclose(found.arrays["mean"], rows.mean(0), rtol=1e-3, atol=1e-5)
    vectors = found.arrays["directions"].numpy()
    assert np.abs((vectors * wanted.components_).sum(1)).min() > 0.999
    assert found.facts["mean_share"] == pytest.approx(1 - spread, rel=1e-3)
    assert found.facts["mean_low"] <= found.facts["mean_share"] <= found.facts["mean_high"]
    # The very directions, on documents that they were not made from.
    others = (variant - base)[held][:, 3:].flatten(0, 1).numpy()
    along = (others - others.mean(0)) @ wanted.components_.T
    np.testing.assert_allclose(
        table["held_out"], along.var(0) / (others**2).sum(1).mean(), rtol=1e-2, err_msg="held out"
    )
    own = PCA(n_components=20).fit(base[~held][:, 3:].flatten(0, 1).numpy()).components_
    # All of the base's directions that are looked at, which are as many as it is wide here.
    assert (table["usual"] > np.abs(vectors @ own.T).max(1) - 1e-3).all()
    assert (table["low"] <= table["share"] * 1.02).all() and (table["high"] >= table["share"] * 0.98).all()


def test_a_planted_direction_is_found_and_is_the_only_one(pair: Pair) -> None:
    planted = unit(1)
    strength = torch.randn(len(ROWS), 25, 1, generator=torch.Generator().manual_seed(3)).exp().double()
    result = of(pair, noise(4, 3.0).double(), strength * planted + noise(5, 0.05).double())
    assert float(result.arrays["directions"][0] @ planted) > 0.99
    assert result.facts["above"] == 1
    table = result.tables["directions"]
    assert table["stable"][0] > 0.99 and table["low"][0] <= table["share"][0] <= table["high"][0]
    # The values' longer tail is the direction's own end.
    ends = result.tables["passages"].query("direction == 1").groupby("end")["value"].mean()
    assert ends["more"] > -ends["less"] > 0


def test_the_base_own_directions_are_marked_and_not_told(pair: Pair) -> None:
    usual, new = unit(1), unit(2)
    draws_of = [
        torch.randn(len(ROWS), 25, 1, generator=torch.Generator().manual_seed(n)).double() for n in range(3)
    ]
    # As wide a base as any: all directions but one are equally its own.
    base = noise(7, 0.1).double() + 5 * draws_of[0] * usual
    result = of(pair, base, 2 * draws_of[1] * usual + draws_of[2] * new + noise(8, 0.02).double())
    table = result.tables["directions"]
    assert result.facts["above"] == 2
    # On either side of what chance gives, as shares of one whole.
    assert ((table["share"] > table["chance"]) == (table.index < 2)).all()
    assert table["usual"][0] > 0.95 and not table["told"][0]


def test_noise_has_no_directions(pair: Pair) -> None:
    assert of(pair, noise(0).double(), noise(1).double()).facts["above"] == 0
    draws_of = torch.Generator().manual_seed(0)
    document = torch.arange(30).repeat_interleave(20)
    half = document < 15
    alone = both = 0
    for run in range(200):
        rows = torch.randn(600, 24, generator=draws_of)
        counts = [spectra.above(rows[part], document[part], 5, run).standing for part in (half, ~half)]
        alone += counts[0] > 0
        both += min(counts) > 0
    # One in 21 by chance, and four standard errors; in both halves, as it is used, one in 441.
    assert alone / 200 < 1 / 21 + 4 * (1 / 21 * 20 / 21 / 200) ** 0.5
    assert both / 200 <= 0.05


def test_what_the_tokens_of_a_document_share_is_no_direction() -> None:
    draws_of = torch.Generator().manual_seed(1)
    document = torch.arange(30).repeat_interleave(20)
    claimed = 0
    for run in range(100):
        rows = torch.randn(600, 24, generator=draws_of) + 2 * torch.randn(30, 24, generator=draws_of)[document]
        claimed += (
            min(
                spectra.above(rows[part], document[part], 5, run).standing
                for part in (document < 15, document >= 15)
            )
            > 0
        )
    assert claimed <= 5
    assert spectra.above(torch.randn(60, 4), torch.arange(6).repeat_interleave(10), 3, 0).standing == 0


def test_the_same_weights_twice_differ_in_nothing(pair: Pair, tmp_path: Path) -> None:
    places = runs.run(tmp_path, pair, DOCUMENTS, {"pca": ASKED}, [Null("same", nulls.same)])
    assert not len(results.figures(places["pca"] / "nulls" / "same"))
    result, others = runs.loaded(places["pca"])
    assert not others["same"].facts["differs"] and others["same"].facts["told"] == 0
    assert result.facts["differs"]
    told = results.figures(places["pca"])
    assert list(told) == list(COLUMNS)
    assert not len(judged(told, [("same", results.figures(places["pca"] / "nulls" / "same"))]).above)


def test_figures_are_what_the_told_directions_write(pair: Pair) -> None:
    planted = unit(1)
    strength = torch.randn(len(ROWS), 25, 1, generator=torch.Generator().manual_seed(3)).exp().double()
    # A base that spreads along none.
    asked = ASKED.model_copy(update={"shown": 10})
    difference = strength * planted + noise(5, 0.05).double()
    result = of(pair, torch.zeros_like(difference), difference, asked)
    table = result.tables["directions"]
    assert table["told"][0]
    everything = torch.cat([result.arrays["mean"][None], result.arrays["directions"]])
    scores = unembed.scores(pair.whole, everything).double()
    common = unembed.common(ROWS, scores.shape[1], asked.seen)
    best = {}
    for kind, number, ranked in (("token", 1, common), ("token of the mean", 0, torch.ones_like(common))):
        told = pca.figures(result, asked)
        told = told[told["kind"] == kind]
        rows = scores[number][ranked]
        share = result.facts["mean_share"] if number == 0 else table["share"][0]
        assert told["figure"].max() == pytest.approx(
            float(share * (rows.max() - rows.mean()) / rows.std()), rel=1e-4
        )
        assert len(told) == 10 and (told["low"] <= told["figure"]).all() and (told["figure"] <= told["high"]).all()
        best[number] = told["text"].iloc[0]
        assert best[number] == pair.tokenizer.decode([int(told["key"].iloc[0])])
    listed = result.tables["tokens"].query("direction == 1 and end == 'more'").iloc[0]
    assert listed["text"] == best[1]


def test_texts_that_show_no_token_often_enough_or_confirm_nothing_are_no_fault(pair: Pair) -> None:
    documents = [document._replace(held_out=False) for document in DOCUMENTS[:12]]
    asked = ASKED.model_copy(update={"seen": 10_000})
    result = runs.passed(pair, documents, {"pca": asked}, lambda: None)["pca"]
    told = pca.figures(result, asked)
    assert set(told["kind"]) == {"token of the mean"} and told["held_out"].isna().all()
    assert not len(result.tables["tokens"]) and result.facts["held_out_rows"] == 0


def test_any_text_is_projected(pair: Pair, found: Result, plain: tuple[Tensor, Tensor]) -> None:
    base, variant = plain
    table = pca.project(pair, found, ROWS[:3])
    assert table["token"].tolist() == [token for row in ROWS[:3] for token in row]
    wanted = ((variant - base)[:3].flatten(0, 1) - found.arrays["mean"]) @ found.arrays["directions"].T
    np.testing.assert_allclose(table[["1", "6"]], wanted[:, [0, 5]], rtol=1e-2, atol=1e-4)


def test_what_nulls_show_is_taken_out_on_request(found: Result) -> None:
    vectors, left = pca.without(found, [])
    assert torch.equal(vectors, found.arrays["directions"]) and left.tolist() == [1.0] * len(vectors)
    null = found._replace(
        facts=found.facts | {"above": 2}, arrays=found.arrays | {"mean": torch.zeros_like(found.arrays["mean"])}
    )
    nothing = found._replace(facts={"differs": False}, arrays={})
    vectors, left = pca.without(found, [null, nothing])
    assert left[:2].max() < 1e-9 and left[2:].min() > 1 - 1e-9
    assert (vectors[2:] @ found.arrays["directions"][:2].T).abs().max() < 1e-6
    torch.testing.assert_close(vectors[2:].norm(dim=1), torch.ones(4).double())


def test_passages_are_discovery_documents_at_their_strongest(pair: Pair, found: Result) -> None:
    table = found.tables["passages"].query("direction == 2")
    assert not any(DOCUMENTS[number].held_out for number in table["document"])
    assert table.groupby("end")["document"].nunique().tolist() == [10, 10]
    top = table[table["end"] == "more"].iloc[0]
    assert top["text"] == pair.tokenizer.decode([DOCUMENTS[top["document"]].ids[top["position"]]])
    projected = pca.project(pair, found, ROWS)
    held = np.array([document.held_out for document in DOCUMENTS])[projected["document"]]
    strongest = projected[~held & (projected["position"] >= 3)]["2"].max()
    assert top["value"] == pytest.approx(strongest, rel=1e-3)


def test_a_sample_is_whole_documents_of_each_part() -> None:
    group = grouped(DOCUMENTS, 0)
    assert {number: int((group == number).sum()) for number in (FIRST, SECOND, HELD)} == {0: 24, 1: 24, 2: 16}
    assert all(document.held_out == (part == HELD) for document, part in zip(DOCUMENTS, group, strict=True))
    kept = chosen(group, np.full(len(group), 10), 45, 0)
    assert [int(kept[group == number].sum()) for number in (*HALVES, HELD)] == [5, 5, 5]


def test_it_is_a_method_like_others(pair: Pair) -> None:
    assert method.passes(method.named("pca"))
    assert pca.layers(Options(layer=1.0), pair) == (tiny.LAYERS - 1,) and pca.layers(Options(layer=0), pair) == (
        0,
    )
