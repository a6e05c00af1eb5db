"""Writing against plain models: greedy, contrasted, steered and drawn, and what is left behind a broken run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import save_file
from torch import Tensor

from diffing.common.errors import UserError
from diffing.models.hooks import layers_of
from diffing.whitebox.pairs import nulls
from diffing.whitebox.pairs.doses import Group
from diffing.whitebox.pairs.opening import open_pair
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.texts import Document
from diffing.whitebox.writing import growing, recipe, writer
from diffing.whitebox.writing.recipe import Recipe, Steering
from tests.fakes import pairs as fakes
from tests.fakes import tiny
from tests.fakes.pairs import Folders

NAMES = ["llama", "gemma3", "gpt2"]
"""Plain caches, caches of a sliding window that the texts outgrow, and positions that are learnt."""
PREFIXES = [[0, 20, 21, 22], [0, 7], [0, 300], [0, 41, 40, 39], [0], [0, 9]]
LENGTH = 12
GREEDY = Recipe(temperature=0)
DIRECTIONS = {"up": torch.randn(tiny.WIDTH, generator=torch.Generator().manual_seed(0))}
FAR = 60.0
"""Strength at which that direction moves every one of these models."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Folders]:
    root = tmp_path_factory.mktemp("pairs")
    return {name: fakes.make(root, name) for name in NAMES}


@pytest.fixture(scope="module")
def opened(folders: dict[str, Folders]) -> dict[tuple[str, str], Pair]:
    """Of each architecture the adapter's pair and the two whole models'."""
    found = {(name, "adapter"): open_pair(each.low_rank) for name, each in folders.items()}
    return found | {
        (name, "whole"): open_pair(f"hf:{each.base}", f"hf:{each.whole}") for name, each in folders.items()
    }


@pytest.fixture(scope="module")
def plain(folders: dict[str, Folders]) -> dict[tuple[str, str], Any]:
    """The models as `transformers` and peft alone load them."""
    found: dict[tuple[str, str], Any] = {}
    for name, each in folders.items():
        found[name, "base"] = fakes.plain(each.base)
        adapted: Any = PeftModel.from_pretrained(fakes.plain(each.base), str(each.adapter))
        found[name, "adapter"] = adapted.eval()
        found[name, "whole"] = fakes.plain(each.whole)
    return found


@pytest.fixture(params=["adapter", "whole"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@torch.inference_mode()
def says(model: Any, ids: list[int]) -> Tensor:
    """Log-probabilities behind each token, without a cache."""
    return model(torch.tensor([ids]), use_cache=False).logits[0].float().log_softmax(-1)  # type: ignore[no-any-return]


def ids_of(pair: Pair, asked: Recipe, prefixes: list[list[int]] = PREFIXES, **more: Any) -> list[list[int]]:
    return writer.grown(pair, prefixes, asked, LENGTH, **more)


@pytest.mark.parametrize("name", NAMES)
def test_the_likeliest_text_is_the_one_that_the_plain_model_generates(
    name: str, kind: str, opened: dict[tuple[str, str], Pair], plain: dict[tuple[str, str], Any]
) -> None:
    pair = opened[name, kind]
    for alpha, model in ((0.0, plain[name, "base"]), (1.0, plain[name, kind])):
        found = writer.write(pair, PREFIXES, Recipe(alpha=alpha, temperature=0), LENGTH)
        for prefix, one in zip(PREFIXES, found, strict=True):
            given = torch.tensor([prefix])
            wanted = model.generate(
                input_ids=given, attention_mask=torch.ones_like(given), do_sample=False, max_new_tokens=LENGTH
            )
            assert list(one.ids) == wanted[0].tolist() and one.start == len(prefix)
            # Told by both models, whichever wrote it.
            for side, teller in ((one.base, plain[name, "base"]), (one.variant, plain[name, kind])):
                logs = says(teller, list(one.ids))[one.start - 1 : -1]
                np.testing.assert_allclose(
                    side, logs.gather(1, torch.tensor(one.ids[one.start :])[:, None])[:, 0], rtol=1e-3, atol=1e-3
                )
    assert found[0].gap.any()


@pytest.mark.parametrize("name", NAMES)
def test_contrast_is_that_of_a_loop_without_caches(
    name: str, kind: str, opened: dict[tuple[str, str], Pair], plain: dict[tuple[str, str], Any]
) -> None:
    asked = Recipe(contrast=2.0, temperature=0, floor=0.1)
    found = ids_of(opened[name, kind], asked)
    for ids in found:
        # A causal model says at each token what it would say of the text up to there.
        sides = [says(plain[name, side], ids) for side in ("base", kind)]
        for stop in range(len(ids) - LENGTH, len(ids)):
            base, variant = (logs[stop - 1] for logs in sides)
            scores = variant + 2.0 * (variant - base)
            scores[variant.exp() < 0.1 * variant.exp().max()] = -torch.inf
            assert ids[stop] == int(scores.argmax())
    assert found != ids_of(opened[name, kind], GREEDY)
    # From the base there is nothing to go beyond.
    still = asked.model_copy(update={"alpha": 0.0})
    assert ids_of(opened[name, kind], still) == ids_of(opened[name, kind], Recipe(alpha=0, temperature=0))


@pytest.mark.parametrize("where", ["all", "prompt", "answer"])
@pytest.mark.parametrize("name", NAMES)
def test_steering_is_a_hook_that_adds_to_a_layer(
    name: str, where: Any, opened: dict[tuple[str, str], Pair], plain: dict[tuple[str, str], Any]
) -> None:
    pair, model = opened[name, "adapter"], plain[name, "base"]
    part = Steering(direction="up", layer=2, strength=FAR, where=where)
    asked = Recipe(alpha=0, temperature=0, steering=(part,))
    prefix = PREFIXES[0]

    def add(_module: Any, _args: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        begin, stop = {"all": (0, None), "prompt": (0, len(prefix)), "answer": (len(prefix), None)}[where]
        hidden[:, begin:stop] += FAR * DIRECTIONS["up"]
        return output

    handle = layers_of(model.base_model)[2].register_forward_hook(add)
    try:
        ids = list(prefix)
        for _ in range(LENGTH):
            ids.append(int(says(model, ids)[-1].argmax()))
    finally:
        handle.remove()
    # Beside a longer one and a shorter one, whose prompts end elsewhere.
    found = ids_of(pair, asked, [[0, 8], prefix, list(range(9))], directions=DIRECTIONS)
    assert found[1] == ids and list(map(len, found)) == [2 + LENGTH, 4 + LENGTH, 9 + LENGTH]
    unmoved = ids_of(pair, Recipe(alpha=0, temperature=0), [prefix])
    assert unmoved != [ids]
    none = asked.model_copy(update={"steering": (part.model_copy(update={"strength": 0.0}),)})
    assert ids_of(pair, none, [prefix], directions=DIRECTIONS) == unmoved
    assert not layers_of(pair.whole.model)[2]._forward_hooks


def test_a_strength_and_groups_are_those_of_the_pair(kind: str, opened: dict[tuple[str, str], Pair]) -> None:
    pair = opened["llama", kind]
    assert ids_of(pair, Recipe(alpha=2.0, temperature=0)) == ids_of(pair.at(2.0), GREEDY)
    assert ids_of(pair, Recipe(alpha=0.5, temperature=0)) == ids_of(
        pair.at(2.0), Recipe(alpha=0.25, temperature=0)
    )
    group = Group(3.0, ("mlp",), (1, 3))
    assert ids_of(pair, Recipe(groups=(group,), temperature=0)) == ids_of(pair.at(1.0, [group]), GREEDY)
    with pytest.raises(UserError, match="The change has no embed_tokens"):
        ids_of(pair, Recipe(groups=(Group(2.0, ("embed_tokens",)),)))


def test_a_turned_change_writes_at_the_strength_that_it_was_matched_to(
    opened: dict[tuple[str, str], Pair],
) -> None:
    pair = opened["llama", "adapter"]
    documents = [Document(str(n), tuple(row), 1, len(row), "text", False) for n, row in enumerate(fakes.IDS)]
    with nulls.rotated(pair, documents) as null:
        strong = null.at(3.0)
        (one,) = writer.write(strong, [PREFIXES[0]], GREEDY, LENGTH)
        with null.variant(3.0) as whole:
            logs = says(whole.causal, list(one.ids))[one.start - 1 : -1]
        assert logs.argmax(-1).tolist() == list(one.ids[one.start :])
        np.testing.assert_allclose(one.variant, logs.amax(-1), rtol=1e-3, atol=1e-3)


def test_what_is_drawn_hangs_on_the_seed_and_on_the_place_and_on_no_company(
    opened: dict[tuple[str, str], Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = opened["llama", "adapter"]
    asked = Recipe(seed=4)
    first = ids_of(pair, asked, [[0, 5]] * 6)
    assert len({tuple(ids) for ids in first}) == 6
    assert ids_of(pair, asked, [[0, 5]] * 6) == first
    # Other texts begin otherwise, and fewer are written at once: the rest stays.
    monkeypatch.setitem(writer.ROWS, "cpu", 2)
    assert ids_of(pair, asked, [[0, 5], [0, 8, 9], *[[0, 5]] * 4])[2:] == first[2:]
    assert ids_of(pair, asked.model_copy(update={"seed": 5}), [[0, 5]] * 6) != first


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    logs = torch.tensor([0.5, 0.3, 0.15, 0.05, 0.0]).log()
    many = [torch.Generator().manual_seed(n) for n in range(8000)]
    for temperature in (1.0, 0.5):
        drawn = growing.picked(logs.expand(8000, -1), temperature, many)
        shares = torch.bincount(torch.tensor(drawn), minlength=5) / 8000
        # Four standard errors of a share near a half.
        torch.testing.assert_close(shares, (logs / temperature).softmax(-1), rtol=0, atol=0.023)


def test_near_distributions_draw_nearly_the_same() -> None:
    base = torch.randn(4000, 50, generator=torch.Generator().manual_seed(0))
    moved = base + 0.05 * torch.randn(4000, 50, generator=torch.Generator().manual_seed(1))
    one, other = (
        growing.picked(logs, 1.0, [torch.Generator().manual_seed(n) for n in range(4000)])
        for logs in (base, moved)
    )
    apart = float((base.softmax(-1) - moved.softmax(-1)).abs().sum(-1).mean() / 2)
    differing = float(np.mean(np.array(one) != np.array(other)))
    # Two draws that knew nothing of each other would hardly ever agree here.
    assert 0 < differing < 2 * apart + 0.01


def test_a_text_ends_with_its_end_token(opened: dict[tuple[str, str], Pair]) -> None:
    pair = opened["llama", "adapter"]
    plainly = ids_of(pair, GREEDY)
    told = pair.whole.causal.generation_config.eos_token_id
    try:
        pair.whole.causal.generation_config.eos_token_id = [1, plainly[0][6]]
        found = ids_of(pair, GREEDY)
    finally:
        pair.whole.causal.generation_config.eos_token_id = told
    assert found[0] == plainly[0][:7]
    for ids, whole, prefix in zip(found, plainly, PREFIXES, strict=True):
        written = whole[len(prefix) :]
        stop = written.index(plainly[0][6]) + 1 if plainly[0][6] in written else LENGTH
        assert ids == whole[: len(prefix) + stop]


def test_columns_grow_side_by_side_as_they_would_alone(kind: str, opened: dict[tuple[str, str], Pair]) -> None:
    pair = opened["gemma3", kind]
    part = Steering(direction="up", layer=1, strength=9.0)
    recipes = [
        Recipe(alpha=0, seed=3),
        Recipe(seed=3),
        Recipe(contrast=1.5, seed=3),
        Recipe(steering=(part,), temperature=0),
        Recipe(alpha=0, seed=3),
    ]
    columns: dict[int, list[int]] = {}
    for turn, steps in enumerate(writer.stream(pair, PREFIXES[0], recipes, LENGTH, directions=DIRECTIONS)):
        for place, step in steps.items():
            own = columns.setdefault(place, [])
            assert len(own) == turn
            # The very models, behind what the column holds so far.
            for told, asked in ((step.base, Recipe(alpha=0, temperature=0)), (step.variant, GREEDY)):
                if turn in (0, LENGTH - 1):
                    assert ids_of(pair, asked, [[*PREFIXES[0], *own]])[0][len(PREFIXES[0]) + turn] == told.ids[0]
                assert list(told.logs) == sorted(told.logs, reverse=True) and len(told.ids) == writer.SHOWN
            own.append(step.id)
    for place, asked in enumerate(recipes):
        (wanted,) = ids_of(pair, asked, [PREFIXES[0]], directions=DIRECTIONS)
        assert [*PREFIXES[0], *columns[place]] == wanted
    assert columns[0] == columns[4] != columns[1]


@pytest.mark.parametrize("name", NAMES)
def test_a_column_tells_what_the_chosen_token_had(name: str, opened: dict[tuple[str, str], Pair]) -> None:
    pair = opened[name, "whole"]
    steps = [turn[0] for turn in writer.stream(pair, PREFIXES[0], [Recipe(contrast=1.0)], LENGTH)]
    (one,) = writer.scored(pair, [[*PREFIXES[0], *(step.id for step in steps)]], [4])
    np.testing.assert_allclose([step.base.chosen for step in steps], one.base, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose([step.variant.chosen for step in steps], one.variant, rtol=1e-3, atol=1e-3)
    # Contrast lifts what the variant finds likelier than the base does.
    lifted = np.array([step.own.chosen for step in steps]) - one.variant
    assert np.corrcoef(lifted, one.gap)[0, 1] > 0


class Stopped(Exception):
    """Somebody asked to stop."""


def test_nothing_stays_on_when_a_run_is_stopped(kind: str, opened: dict[tuple[str, str], Pair]) -> None:
    pair = opened["llama", kind]
    steered = Recipe(contrast=1.0, steering=(Steering(direction="up", layer=1),))
    for asked in (steered, Recipe()):
        calls = 0

        def stop() -> None:
            nonlocal calls
            calls += 1
            if calls == 6:
                raise Stopped

        with pytest.raises(Stopped):
            ids_of(pair, asked, check=stop, directions=DIRECTIONS)
        assert pair.whole.lit == ""
    turns = writer.stream(pair, PREFIXES[0], [steered], LENGTH, directions=DIRECTIONS)
    assert len(next(turns)) == 1 and pair.whole.lit == ""
    # Nobody asks for more.
    del turns
    assert not any(block._forward_hooks for block in layers_of(pair.whole.model))


def test_what_does_not_fit_is_written_in_halves(
    opened: dict[tuple[str, str], Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = opened["llama", "adapter"]
    expected = ids_of(pair, Recipe())
    real = growing.Side.read
    sizes: list[int] = []

    def short(self: Any, whole: Any, ids: Tensor, written: Tensor) -> None:
        sizes.append(len(ids))
        # In the midst of a text, so that what is written by then is written anew.
        if len(ids) > 1 and len(sizes) > 3:
            raise torch.OutOfMemoryError
        real(self, whole, ids, written)

    monkeypatch.setattr(growing.Side, "read", short)
    assert ids_of(pair, Recipe()) == expected and sizes[-1] == 1
    assert pair.whole.lit == ""
    monkeypatch.setattr(growing.Side, "read", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError()))
    with pytest.raises(UserError, match="does not fit the memory here; ask for fewer"):
        ids_of(pair, Recipe())


def test_what_cannot_be_written_is_told_in_a_sentence(opened: dict[tuple[str, str], Pair]) -> None:
    pair = opened["llama", "whole"]

    def told(prefix: list[int], asked: Recipe = GREEDY) -> str:
        with pytest.raises(UserError) as error:
            ids_of(pair, asked, [prefix], directions=DIRECTIONS | {"short": torch.ones(3)})
        return str(error.value)

    assert "cannot begin with nothing" in told([])
    assert "has 256 tokens where the model takes 256" in told([3] * 256)
    for name, layer, words in (
        ("down", 0, "no direction 'down'"),
        ("up", 5, "no layer 5"),
        ("short", 0, "not 32"),
    ):
        assert words in told([0], Recipe(steering=(Steering(direction=name, layer=layer),)))
    columns = [Recipe(alpha=0), Recipe(alpha=2), Recipe(alpha=3)]
    with pytest.raises(UserError, match="mixed at one strength at a time"):
        next(writer.stream(pair, [0], columns, 2))
    assert len(list(writer.stream(pair, [0], columns[:2], 2))) == 2
    # A text that has no more room ends there.
    assert len(ids_of(pair, GREEDY, [[3] * 250])[0]) == 256


def test_a_recipe_is_small_json_and_a_slip_in_it_one_sentence(tmp_path: Path) -> None:
    full = Recipe(
        alpha=2.0,
        groups=(Group(0.5, ("mlp",), (1, 3)),),
        contrast=1.0,
        steering=(Steering(direction="lens#mean", layer=1, where="prompt"),),
        seed=9,
    )
    assert recipe.read(full.written) == full and len({full, recipe.read(full.written)}) == 1
    assert Recipe().written == "{}" and recipe.read('{"alpha":0.5}') == Recipe(alpha=0.5)
    for slip in ("", "[1]", '{"alpha":"much"}', '{"alfa":1}', '{"temperature":-1}', '{"groups":[[1e999]]}'):
        with pytest.raises(UserError, match=r"^This is no recipe: .*; write it anew\.$"):
            recipe.read(slip)
    save_file({"mean": torch.arange(3.0)}, tmp_path / "lens.safetensors")
    assert recipe.directions([full], tmp_path)["lens#mean"].tolist() == [0, 1, 2]
    for name in ("../lens#mean", "other#mean", "lens#other"):
        away = Recipe(steering=(Steering(direction=name, layer=1),))
        with pytest.raises(UserError, match="Direction|no direction"):
            recipe.directions([away], tmp_path)
