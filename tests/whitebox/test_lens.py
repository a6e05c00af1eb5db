"""The lens: sums and readings against plain models, and what it says where something was planted or nothing."""

import copy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from diffing.common.errors import UserError
from diffing.models.hooks import layers_of
from diffing.models.whole import Whole
from diffing.whitebox import organisms, results, texts
from diffing.whitebox import run as runs
from diffing.whitebox.measures.unembed import final_norm
from diffing.whitebox.methods import lens
from diffing.whitebox.methods.lens import Options, causal, patchscope, reading, steering
from diffing.whitebox.methods.lens.sums import PLACES, Stream
from diffing.whitebox.pairs import nulls
from diffing.whitebox.pairs.opening import open_pair
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.results import Result
from diffing.whitebox.run import Null
from diffing.whitebox.sight import evidence
from diffing.whitebox.sight.evidence import COLUMNS
from diffing.whitebox.texts import Document
from tests.fakes import pairs as fakes
from tests.fakes.pairs import Folders
from tools.organism_texts import sample_answers

ROWS = [[0, *np.random.default_rng(n).integers(20, 60, 11 + n % 5).tolist()] for n in range(30)]
DOCUMENTS = [
    Document(str(n), tuple(row), 4, len(row), "answer" if n % 2 else "text", n % 5 == 4)
    for n, row in enumerate(ROWS)
]
DISCOVERY = [n for n, document in enumerate(DOCUMENTS) if not document.held_out]
LAYERS = (2, 4)
OPTIONS = Options(layer=LAYERS, least=1)
USUAL = Options(least=2, patchscope=False)
"""What a model says of a direction is no figure that could be claimed."""


def read(pair: Pair, documents: list[Document] = DOCUMENTS, options: Options = OPTIONS) -> Result:
    return runs.passed(pair, documents, {"lens": options}, lambda: None)["lens"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Folders]:
    root = tmp_path_factory.mktemp("pairs")
    # One with a norm that has no bias, one that has.
    return {name: fakes.make(root, name) for name in ("llama", "gpt2")}


@pytest.fixture(scope="module")
def pairs(folders: dict[str, Folders]) -> dict[str, Pair]:
    return {name: open_pair(each.low_rank) for name, each in folders.items()}


def plain_streams(folders: Folders) -> tuple[list[dict[int, torch.Tensor]], list[dict[int, torch.Tensor]]]:
    """Every document's layers by hooks on the plain models: base and variant."""
    base, variant = fakes.plain(folders.base), fakes.plain(folders.whole)
    return [fakes.seen(base, [row])[0] for row in ROWS], [fakes.seen(variant, [row])[0] for row in ROWS]


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_sums_and_readings_are_those_of_the_plain_models(
    name: str, pairs: dict[str, Pair], folders: dict[str, Folders]
) -> None:
    found = read(pairs[name])
    stream = Stream(**found.arrays)
    before, after = plain_streams(folders[name])
    base, variant = fakes.plain(folders[name].base), fakes.plain(folders[name].whole)
    for n, layer in enumerate(LAYERS):
        gaps = [(b[layer], f[layer]) for b, f in zip(before, after, strict=True)]
        for place, rows in {"3": slice(3, 4), "later": slice(8, 20), "answer": slice(3, 11)}.items():
            which = [d for d in DISCOVERY if place != "answer" or d % 2]
            at = PLACES.index(place)
            for side, told in ((0, stream.mean(n)), (1, stream.after(n))):
                wanted = torch.stack([gaps[d][side][rows].mean(0) for d in which]).double()
                torch.testing.assert_close(told[at], wanted.mean(0), rtol=1e-4, atol=1e-5)
            shifts = torch.stack([(gaps[d][1][rows] - gaps[d][0][rows]).mean(0) for d in which]).double()
            torch.testing.assert_close(stream.shift(n)[at], shifts.mean(0), rtol=1e-4, atol=1e-5)
            size = found.tables["sizes"].query("layer == @layer and place == @place").iloc[0]
            # The share of any two different documents' product in the mean square.
            pairwise = shifts @ shifts.T
            off = (pairwise.sum() - pairwise.trace()) / (len(which) * (len(which) - 1))
            assert size["coherent"] == pytest.approx(float(off / pairwise.trace() * len(which)), rel=1e-3)
            assert size["documents"] == len(which)
        tokens = torch.from_numpy(found.tables["tokens"]["token"].unique())
        ends = [
            model.lm_head(final_norm(Whole(model))(rows.float())).log_softmax(-1)[:, tokens]
            for model, rows in ((base, stream.mean(n)), (variant, stream.after(n)))
        ]
        told = found.tables["tokens"].query("layer == @layer")["difference"].to_numpy()
        np.testing.assert_allclose(told, (ends[1] - ends[0]).detach().numpy().reshape(-1), rtol=1e-3, atol=1e-4)
    # The figure: averaged over positions 1 to 7, of what is likelier.
    table = found.tables["tokens"].query("layer == 4 and place in ['1', '2', '3', '4', '5', '6', '7']")
    gained = table.groupby("token")["difference"].mean()
    figured = lens.figures(found, OPTIONS).query("kind == 'direction' and key.str.startswith('4 ')")
    assert list(figured) == list(COLUMNS)
    wanted = gained[gained > 0]
    assert sorted(figured["key"]) == sorted(f"4 {token}" for token in wanted.index)
    for row in figured.itertuples():
        assert row.figure == pytest.approx(wanted[int(str(row.key).split()[1])], rel=1e-3, abs=1e-4)
        assert row.low < row.figure < row.high and not np.isnan(row.held_out)


def test_the_same_weights_twice_are_nothing(pairs: dict[str, Pair]) -> None:
    with nulls.same(pairs["llama"]) as null:
        found = read(null)
    assert not found.arrays["delta"].any() and not found.arrays["squares"].any()
    assert not found.tables["tokens"]["difference"].any() and not len(found.tables["figured"])
    # It is also what nothing can be taken out of.
    assert not len(lens.against(pairs["llama"], found, [found, found], OPTIONS))


def test_what_comes_later_in_a_text_changes_nothing_of_its_beginning(pairs: dict[str, Pair]) -> None:
    short = [d._replace(ids=d.ids[:8], stop=8) for d in DOCUMENTS]
    long, cut = (Stream(**read(pairs["llama"], documents).arrays) for documents in (DOCUMENTS, short))
    # Other batches round otherwise, by a share of the activations and not of their small differences.
    off = 1e-6 * float(long.base.abs().max())
    torch.testing.assert_close(long.delta[..., :8, :], cut.delta[..., :8, :], rtol=1e-4, atol=off)
    assert not cut.counts[:, PLACES.index("later")].any()


def test_layers_are_numbers_or_shares_of_the_depth(pairs: dict[str, Pair]) -> None:
    pair = pairs["llama"]
    assert lens.layers(Options(), pair) == (2, 3)
    assert lens.layers(Options.model_validate({"layer": "1,0.75"}), pair) == (1, 3)
    assert lens.layers(Options.model_validate({"layer": 1}), pair) == (1,)
    assert lens.layers(Options.model_validate({"layer": 1.0}), pair) == (4,)
    with pytest.raises(UserError, match="There is no layer 9"):
        lens.layers(Options(layer=(9,)), pair)
    with pytest.raises(ValueError, match="share of the depth"):
        Options(layer=(1.5,))


def shifted(direction: torch.Tensor, noise: int, like: Stream) -> Stream:
    """A stream whose documents all moved by a direction, and by something of their block's own."""
    draws = torch.randn(like.delta.shape, generator=torch.Generator().manual_seed(noise), dtype=torch.float64)
    delta = like.counts[..., None] * (direction.double() + 0.05 * draws)
    return like._replace(delta=delta)


def test_a_planted_direction_is_read_once_what_training_does_anyway_is_taken_out(pairs: dict[str, Pair]) -> None:
    """Both nulls and the pair share a large part; the pair alone moves towards one token."""
    pair = pairs["llama"]
    found = read(pair)
    like = Stream(**found.arrays)
    head = pair.whole.causal.get_output_embeddings().weight.detach()
    common = 10 * torch.randn(head.shape[1], generator=torch.Generator().manual_seed(1))
    planted = 3 * head[33] / head[33].norm()
    shared = {name: shifted(common, seed, like) for seed, name in enumerate(("a", "b", "c"))}
    own = shifted(common + planted, 9, like)
    made = {
        name: Result(found.facts, found.tables, each._asdict()) for name, each in {**shared, "own": own}.items()
    }

    def told(name: str) -> pd.DataFrame:
        rest = [made[other] for other in shared if other != name]
        return lens.against(pair, made[name], rest, OPTIONS).query("kind == 'direction' + @lens.TAKEN_OUT")

    judged = evidence.judged(told("own"), [(name, told(name)) for name in shared])
    assert judged.table["key"].iloc[0].endswith(" 33") and judged.table["above"].iloc[0]
    # One more of the nulls' kind is none.
    made["d"] = Result(found.facts, found.tables, shifted(common, 20, like)._asdict())
    assert not len(evidence.judged(told("d"), [(name, told(name)) for name in shared]).above)


def test_a_direction_is_taken_out_wherever_others_have_it() -> None:
    draws = torch.Generator().manual_seed(0)
    shift, one, two = (torch.randn(3, 8, generator=draws) for _ in range(3))
    left = reading.outside(shift.double(), reading.basis([one, two, 2 * two, torch.zeros(3, 8)]))
    for other in (one, two):
        assert (left * other).sum(-1).abs().max() < 1e-6
    # And no more than that: what is left and these two make up the whole.
    for place in range(3):
        spanned = torch.stack([left[place].float(), one[place], two[place], shift[place]])
        assert torch.linalg.matrix_rank(spanned, tol=1e-4) == 3


def test_a_run_makes_figures_anew_when_it_knows_its_nulls(pairs: dict[str, Pair], tmp_path: Path) -> None:
    asked = {"lens": OPTIONS}
    rotated = [Null(f"rotated-{seed}", partial(nulls.rotated, documents=DOCUMENTS, seed=seed)) for seed in (0, 1)]
    (place,) = runs.run(tmp_path, pairs["llama"], DOCUMENTS, asked).values()
    alone = results.figures(place)
    assert set(alone["kind"]) == {"direction", "direction less"}
    runs.run(tmp_path, pairs["llama"], DOCUMENTS, asked, [Null("same", nulls.same), *rotated])
    own, others = runs.loaded(place)
    wanted = lens.against(pairs["llama"], own, [others["rotated-0"], others["rotated-1"]], OPTIONS)
    pd.testing.assert_frame_equal(results.figures(place), wanted)
    kinds = ("direction", "direction less")
    assert set(wanted["kind"]) == {kind + end for kind in kinds for end in ("", lens.TAKEN_OUT)}
    # Each null beside the other.
    beside = lens.against(pairs["llama"], others["rotated-0"], [others["rotated-1"]], OPTIONS)
    pd.testing.assert_frame_equal(results.figures(place / "nulls" / "rotated-0"), beside)


def test_what_is_put_in_a_words_place_is_what_the_model_says(pairs: dict[str, Pair]) -> None:
    """A model whose head is its embedding, and whose layers add nothing: its own vector names a token."""
    pair = pairs["llama"]
    plain = copy.deepcopy(pair.whole.causal)
    for layer in layers_of(plain.base_model):
        for name, parameter in layer.named_parameters():
            if "o_proj" in name or "down_proj" in name:
                parameter.data.zero_()
    plain.get_output_embeddings().weight.data.copy_(plain.get_input_embeddings().weight.data)
    whole = Whole(plain)
    table = plain.get_input_embeddings().weight.detach()
    told = patchscope.said(whole, pair.tokenizer, 0, table[[33, 57]])
    assert told.argmax(-1).tolist() == [33, 57]
    assert patchscope.able(whole, pair.tokenizer, 0, [33, 40, 57]) == 1.0
    # The random model cannot, and nothing of it is read.
    assert patchscope.able(pair.whole, pair.tokenizer, 2, list(range(30, 50))) < patchscope.NAMED
    # Both halves say 33; two that say nothing alike are not read, nor is what the base says anyway.
    every, usual = torch.arange(20, 200), table[90]
    found = patchscope.read(whole, pair.tokenizer, 0, (table[33], table[33]), usual, every)
    assert found.scale is not None and 33 in found.tokens and found.agreed >= patchscope.AGREED
    assert patchscope.read(whole, pair.tokenizer, 0, (table[33], -table[33]), usual, every).scale is None
    assert patchscope.read(whole, pair.tokenizer, 0, (usual, usual), usual, every).scale is None


def test_a_direction_put_back_or_taken_away_is_what_hooks_on_the_plain_variant_do(
    pairs: dict[str, Pair], folders: dict[str, Folders]
) -> None:
    pair, some = pairs["gpt2"], DOCUMENTS[:6]
    direction = torch.randn(pair.whole.config.hidden_size, generator=torch.Generator().manual_seed(2))
    told = causal.effects(pair, some, 2, direction, 2, lambda: None).set_index(["change", "direction"])
    base, variant = fakes.plain(folders["gpt2"].base), fakes.plain(folders["gpt2"].whole)
    line = (direction / direction.norm()).float()

    def loss(model: Any, document: Document, hook: Any = None) -> torch.Tensor:
        handle = layers_of(model.base_model)[2].register_forward_hook(hook) if hook else None
        with torch.no_grad():
            logs = model(torch.tensor([document.ids])).logits[0].log_softmax(-1)
        if handle:
            handle.remove()
        ids = torch.tensor(document.ids[document.start : document.stop])
        told: torch.Tensor = -logs[document.start - 1 : document.stop - 1].gather(1, ids[:, None])[:, 0]
        return told

    wanted: dict[str, list[torch.Tensor]] = {"base": [], "variant": [], "put back": [], "taken away": []}
    for document in some:
        along = fakes.seen(base, [list(document.ids)])[0][2] @ line

        def hook(_: Any, __: Any, out: Any, to: torch.Tensor) -> Any:
            hidden = out[0] if isinstance(out, tuple) else out
            moved = hidden + (to - hidden @ line)[..., None] * line
            return (moved, *out[1:]) if isinstance(out, tuple) else moved

        wanted["base"].append(loss(base, document))
        wanted["variant"].append(loss(variant, document))
        wanted["put back"].append(loss(variant, document, partial(hook, to=along)))
        wanted["taken away"].append(loss(variant, document, partial(hook, to=torch.zeros(()))))
    for change, losses in wanted.items():
        name = (change, "own" if change in ("put back", "taken away") else "")
        assert told.loc[name, "loss"] == pytest.approx(float(torch.cat(losses).mean()), rel=1e-4)
    assert told.loc[("base", ""), "share"] == pytest.approx(1) and told.loc[("variant", ""), "share"] == 0
    assert ("put back", "random 2") in told.index


def test_further_tables_are_there_where_they_are_asked_for(pairs: dict[str, Pair]) -> None:
    found = read(pairs["llama"], options=OPTIONS.model_copy(update={"causal": 4, "controls": 1}))
    assert set(found.tables["causal"]["layer"]) == set(LAYERS) and len(found.tables["causal"]) == 2 * (2 + 4)
    assert len(found.facts["named"]) == 2 and not len(found.tables["patchscope"])
    assert "steered" not in found.tables


def test_a_direction_brings_its_own_words_and_random_ones_as_long_do_not(pairs: dict[str, Pair]) -> None:
    pair = pairs["llama"]
    head = pair.whole.causal.get_output_embeddings().weight.detach()
    seen = torch.tensor(sorted({token for row in ROWS for token in row}))
    # So long that nothing else counts: the base then finds its texts strange, and the first step is the one taken.
    asked = steering.Asked([row[:4] for row in ROWS[:6]], 8, 3)
    weight = final_norm(pair.whole).get_parameter("weight")
    # An untrained head finds all tokens about as likely: its scores are made large, so that they decide.
    before = weight.detach().clone()
    weight.data.mul_(300)
    try:
        found = steering.steered(pair, pair.layers - 1, 1e4 * head[33], seen, asked, lambda: None)
    finally:
        weight.data.copy_(before)
    share = found.counts.set_index("direction")["share"]
    assert share["own"] > 0.9 and share["own"] > share.drop("own").max() + 0.3
    assert found.counts["words"][0][0] == pair.tokenizer.decode([33])
    own = found.counts.set_index("direction").loc["own"]
    assert own["strength"] == steering.STRENGTHS[0] and own["coherent"] < steering.COHERENT
    assert found.texts.groupby("direction").size().eq(6).all()


def test_a_direction_of_next_to_no_length_changes_no_text(pairs: dict[str, Pair]) -> None:
    asked = steering.Asked([row[:4] for row in ROWS[:6]], 4, 1)
    line = 1e-9 * torch.ones(pairs["llama"].whole.config.hidden_size)
    found = steering.steered(pairs["llama"], 2, line, torch.arange(20, 60), asked, lambda: None)
    texts = found.texts.groupby("direction")["text"].apply(list)
    assert texts["own"] == texts["none"] == texts["random 1"]
    # All stay as coherent as they are, so the strongest step is taken.
    assert found.counts["strength"].tolist() == [0.0, steering.STRENGTHS[-1], steering.STRENGTHS[-1]]


def test_steered_texts_are_there_where_they_are_asked_for(pairs: dict[str, Pair]) -> None:
    options = OPTIONS.model_copy(update={"steered": 3, "length": 4, "controls": 1, "patchscope": False})
    found = read(pairs["llama"], options=options)
    assert found.tables["steered"]["layer"].tolist() == [2, 2, 2, 4, 4, 4]
    assert len(found.tables["steered_texts"]) == 3 * 6
    with nulls.same(pairs["llama"]) as null:
        assert "steered" not in read(null, options=options).tables
    assert lens.cost(pairs["llama"], DOCUMENTS, options).written == 2 * 12 * 3 * 4


def test_neither_a_change_of_style_nor_a_second_control_is_claimed() -> None:
    """Bundled organisms: what a sentence ends with is nothing that first tokens carry."""
    documents: list[Document] = []

    def read_all(name: str) -> tuple[Pair, dict[str, Result]]:
        variant = organisms.find(name).variant
        pair = open_pair(variant.base_source.written, variant.source.written)
        if not documents:
            maker = texts.Maker(pair.tokenizer, texts.Choice(length=10, held_out=0.2))
            rows = (text.answer for text in sample_answers("held-out")[::2])
            documents.extend(made for text in rows if (made := maker.text(text[:20], text)) is not None)
        found = {name: read(pair, documents, USUAL)}
        for seed in (0, 1) if name == "style" else ():
            with nulls.rotated(pair, documents[:10], seed) as null:
                found[f"rotated-{seed}"] = read(null, documents, USUAL)
        return pair, found

    pair, found = read_all("style")
    for name in ("control", "control-2"):
        found |= read_all(name)[1]
    # The rotated nulls are the style organism's; the controls moved the base's words about as far as it did.
    for name, others in {
        "style": ["control", "control-2", "rotated-0", "rotated-1"],
        "control-2": ["control", "rotated-0", "rotated-1"],
    }.items():
        beside = [
            (other, lens.against(pair, found[other], [found[rest] for rest in others if rest != other], USUAL))
            for other in others
        ]
        own = lens.against(pair, found[name], [found[other] for other in others], USUAL)
        judged = evidence.judged(own, beside)
        assert len(judged.table) > 100 and not len(judged.above), name
