"""A pair against plain models with hooks, in float32: each layer, each probability, each strength of a change."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from torch import Tensor

from diffing.common.errors import UserError
from diffing.whitebox.pairs import pair as pairs
from diffing.whitebox.pairs.changes import Nothing
from diffing.whitebox.pairs.doses import Group
from diffing.whitebox.pairs.opening import open_pair
from diffing.whitebox.pairs.pair import Pair
from tests.fakes import pairs as fakes
from tests.fakes import tiny
from tests.fakes.pairs import IDS, Folders
from tests.fakes.tiny import assert_close

NAMES = ["llama", "gemma2", "gemma3", "qwen2", "qwen3", "gpt2", "mistral"]
LAYERS = range(tiny.LAYERS)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Folders]:
    root = tmp_path_factory.mktemp("pairs")
    return {name: fakes.make(root, name) for name in NAMES}


@pytest.fixture(scope="module")
def opened(folders: dict[str, Folders]) -> dict[str, tuple[Pair, Pair]]:
    """Of each architecture the adapter's pair and the two whole models'."""
    return {
        name: (open_pair(found.low_rank), open_pair(f"hf:{found.base}", f"hf:{found.whole}"))
        for name, found in folders.items()
    }


@pytest.fixture(params=["adapter", "whole"])
def llama(request: pytest.FixtureRequest, opened: dict[str, tuple[Pair, Pair]]) -> Iterator[Pair]:
    yield opened["llama"][request.param == "whole"]


def through(pair: Pair, layers: Any = LAYERS) -> tuple[dict[int, Tensor], dict[int, Tensor], Tensor, Tensor]:
    """Both models' layers and log-probabilities, in the order in which the texts were given."""
    (batch,) = pair.run(IDS, layers, logits=True)
    order = torch.argsort(batch.document * 1000 + batch.position)
    assert batch.ids[order].tolist() == [token for row in IDS for token in row]
    # In pieces, as a large vocabulary needs them.
    chunks = list(pair.log_probs(batch, rows=50))
    one, other = ({n: rows[order] for n, rows in side.hidden.items()} for side in (batch.base, batch.variant))
    return one, other, torch.cat([c.base for c in chunks])[order], torch.cat([c.variant for c in chunks])[order]


@pytest.mark.parametrize("kind", ["adapter", "whole"])
@pytest.mark.parametrize("name", NAMES)
def test_a_pair_gives_what_two_loaded_models_give(
    name: str, kind: str, folders: dict[str, Folders], opened: dict[str, tuple[Pair, Pair]]
) -> None:
    found = folders[name]
    plain = fakes.plain(found.base)
    layers, probabilities = fakes.seen(plain, IDS)
    adapted: Any = PeftModel.from_pretrained(plain, str(found.adapter))
    other = adapted if kind == "adapter" else fakes.plain(found.whole)
    other_layers, other_probabilities = fakes.seen(other.eval(), IDS)
    base, variant, base_says, variant_says = through(opened[name][kind == "whole"])
    for number in LAYERS:
        assert_close(base[number], layers[number])
        assert_close(variant[number], other_layers[number])
    assert_close(base_says, probabilities)
    assert_close(variant_says, other_probabilities)


def test_distributions_are_given_for_the_rows_that_count_and_no_others(llama: Pair) -> None:
    (batch,) = llama.run(IDS, logits=True)
    (whole,) = llama.log_probs(batch)
    counted = batch.position % 3 == 1
    chunks = list(llama.log_probs(batch, counted, rows=5))
    places = torch.cat([chunk.rows for chunk in chunks])
    assert places.tolist() == counted.nonzero()[:, 0].tolist() and max(len(chunk.rows) for chunk in chunks) == 5
    assert_close(torch.cat([chunk.variant for chunk in chunks]), whole.variant[counted])
    assert list(llama.log_probs(batch, counted & False)) == []


def test_where_many_layers_are_wanted_a_batch_is_smaller(llama: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    row = llama.whole.config.hidden_size * llama.whole.dtype.itemsize
    # Room for both models' two layers of 70 tokens.
    monkeypatch.setattr(pairs, "HELD", 2 * 2 * 70 * row)
    sizes = {layers: [len(batch.ids) for batch in llama.run(IDS, layers)] for layers in ((1,), (0, 1))}
    # Padded, three texts are 123 tokens.
    assert sizes == {(1,): [61, 60], (0, 1): [20, 41, 60]}


def test_strength_0_is_the_base_and_1_the_variant_to_the_bit(llama: Pair) -> None:
    base, variant, base_says, variant_says = through(llama)
    none, whole = through(llama.at(0.0)), through(llama.at(1.0))
    assert torch.equal(none[1][4], base[4]) and torch.equal(none[3], base_says)
    assert torch.equal(whole[1][4], variant[4]) and torch.equal(whole[3], variant_says)
    # By the context too.
    with llama.variant(0.0) as model:
        assert torch.equal(model(IDS, (4,)).hidden[4], llama.whole(IDS, (4,)).hidden[4])


@pytest.mark.parametrize("strength", [-1.0, 0.5, 3.0])
def test_a_strength_multiplies_the_difference_of_the_weights(
    strength: float, llama: Pair, folders: dict[str, Folders]
) -> None:
    mixed, other = fakes.plain(folders["llama"].base), fakes.plain(folders["llama"].whole)
    for tensor, changed in zip(mixed.parameters(), other.parameters(), strict=True):
        tensor.data += strength * (changed.data - tensor.data)
    assert_close(through(llama.at(strength))[3], fakes.seen(mixed, IDS)[1])
    assert torch.equal(through(llama)[2], through(llama.at(0.0))[3])


def test_groups_have_strengths_of_their_own(llama: Pair, folders: dict[str, Folders]) -> None:
    mixed, other = fakes.plain(folders["llama"].base), fakes.plain(folders["llama"].whole)
    changed = dict(other.named_parameters())
    for name, tensor in mixed.named_parameters():
        inside = ".mlp." in name and any(f"layers.{n}." in name for n in (2, 3))
        tensor.data += (2.0 if inside else 0.5) * (changed[name].data - tensor.data)
    assert_close(through(llama.at(0.5, [Group(2.0, ("mlp",), (2, 4))]))[3], fakes.seen(mixed, IDS)[1])
    # One part alone: nothing below it moves.
    base, variant, _, _ = through(llama.at(0.0, [Group(1.0, ("q_proj",), (3, 4))]))
    assert all(torch.equal(base[n], variant[n]) for n in range(3)) and not torch.equal(base[3], variant[3])


def test_groups_that_hold_nothing_or_the_same_are_refused(llama: Pair) -> None:
    with pytest.raises(UserError, match="The change has no embed_tokens; name modules that it touches"):
        llama.at(1.0, [Group(2.0, ("embed_tokens",))])
    with pytest.raises(UserError, match="Two groups hold 'model.layers.1.mlp"):
        llama.at(1.0, [Group(2.0, ("mlp",)), Group(0.5, blocks=(1, 2))])


def test_an_adapter_on_one_block_moves_nothing_below_it(folders: dict[str, Folders], tmp_path: Path) -> None:
    for name in ("llama", "gemma2", "gpt2"):
        base = folders[name].base
        fakes.adapter(base, tmp_path / name, target_modules=r".*(layers|h)\.2\..*(_proj|c_attn|c_proj|c_fc)")
        first, second, _, _ = through(open_pair(f"hf:{base}", f"hf:{tmp_path / name}"))
        moved = [float((second[n] - first[n]).abs().max()) for n in LAYERS]
        assert moved[:2] == [0.0, 0.0] and min(moved[2:]) > 0


def test_a_model_beside_itself_differs_by_exactly_nothing(opened: dict[str, tuple[Pair, Pair]]) -> None:
    for name in NAMES:
        pair = opened[name][0]
        base, variant, base_says, variant_says = through(pair.beside(Nothing(pair.whole), "same", "same"))
        assert all(torch.equal(base[n], variant[n]) for n in LAYERS) and torch.equal(base_says, variant_says)


def test_models_that_take_turns_give_the_same(
    opened: dict[str, tuple[Pair, Pair]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = opened["llama"][1]
    monkeypatch.setitem(pairs.BUDGET, "cpu", 64)
    together = list(pair.run(IDS, (1, 3), logits=True))
    # Room for two of the three batches between turns.
    monkeypatch.setattr(pairs, "TURN", 3 * 32 * 4 * 64)
    moves: list[str] = []
    for name, whole in (("base", pair.whole), ("variant", pair.change.variant)):  # type: ignore[attr-defined]
        monkeypatch.setattr(whole, "moved", lambda _, name=name: moves.append(name))
    apart = list(replace(pair, apart=True).run(IDS, (1, 3), logits=True))
    assert moves == ["base", "base", "variant", "variant"] * 2 and len(together) == len(apart) == 3
    for one, other in zip(together, apart, strict=True):
        assert all(torch.equal(one.variant.hidden[n], other.variant.hidden[n]) for n in (1, 3))
        assert all(
            torch.equal(a.variant, b.variant)
            for a, b in zip(pair.log_probs(one), pair.log_probs(other), strict=True)
        )


def test_nothing_above_the_highest_layer_wanted_is_computed(opened: dict[str, tuple[Pair, Pair]]) -> None:
    pair = opened["gpt2"][0]
    ran: list[int] = []
    blocks = pair.whole.model.h
    handles = [block.register_forward_pre_hook(lambda *_, n=n: ran.append(n)) for n, block in enumerate(blocks)]
    (batch,) = pair.run([[0, 1, 2]], (0, 2))
    assert ran == [0, 1, 2] * 2 and list(batch.base.hidden) == [0, 2] and batch.base.last is None
    for handle in handles:
        handle.remove()


def test_a_variant_that_fails_leaves_the_base_as_it_was(opened: dict[str, tuple[Pair, Pair]]) -> None:
    pair = opened["llama"][0]
    before = pair.whole(IDS, (4,)).hidden[4]
    with pytest.raises(ZeroDivisionError), pair.variant(2.0):
        assert not torch.equal(pair.whole(IDS, (4,)).hidden[4], before)
        with pytest.raises(RuntimeError, match="switched on"), pair.base():
            pass
        raise ZeroDivisionError
    assert torch.equal(pair.whole(IDS, (4,)).hidden[4], before)
    assert torch.equal(through(pair)[3], through(pair.at(1.0))[3])


def test_a_longer_vocabulary_is_cut_to_the_common_part_and_the_rest_is_told(
    folders: dict[str, Folders], tmp_path: Path
) -> None:
    longer = fakes.plain(folders["llama"].whole)
    longer.resize_token_embeddings(tiny.VOCABULARY + 8, mean_resizing=False)
    longer.save_pretrained(tmp_path)
    tokenizer = tiny.tokenizer()
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(tmp_path)
    pair = open_pair(f"hf:{folders['llama'].base}", f"hf:{tmp_path}")
    assert pair.facts["added"] == ["<new>"]
    (batch,) = pair.run(IDS[:1], logits=True)
    (chunk,) = pair.log_probs(batch)
    with torch.inference_mode():
        says = longer(torch.tensor(IDS[:1])).logits[0].softmax(-1)
    assert_close(chunk.variant_outside, says[:, tiny.VOCABULARY :].sum(-1))
    assert_close(
        chunk.variant.exp(), says[:, : tiny.VOCABULARY] / says[:, : tiny.VOCABULARY].sum(-1, keepdim=True)
    )
    assert not chunk.base_outside.any()
    # What the base does not know stays the variant's at any strength.
    assert torch.equal(through(pair)[2], through(pair.at(0.0))[3])


def test_a_text_beyond_the_models_window_and_a_layer_beyond_its_last_are_refused(llama: Pair) -> None:
    with pytest.raises(UserError, match="A text has 257 tokens where the model takes 256"):
        next(llama.run([[0] * 257], (0,)))
    with pytest.raises(UserError, match="There is no layer 5: the model has layers 0 to 4"):
        next(llama.run([[0]], (5,)))


def test_the_key_is_of_what_changes_a_number(llama: Pair, opened: dict[str, tuple[Pair, Pair]]) -> None:
    keys = [llama.key, llama.at(2.0).key, llama.at(1.0, [Group(0.0, ("mlp",))]).key]
    keys += [llama.beside(Nothing(llama.whole), "same", "").key, opened["qwen3"][0].key]
    assert len(set(keys)) == 5 and llama.at(1.0).key == llama.key
