"""The sparse step against dense autograd and a dense trainer, and what it must not change."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffing.common.errors import UserError
from diffing.whitebox.dictionaries import sparse
from diffing.whitebox.dictionaries.shape import Shape, scale_of
from diffing.whitebox.dictionaries.sparse import Entries
from diffing.whitebox.dictionaries.step import Learner, Recipe, weighed

CPU = torch.device("cpu")
SHAPES = [
    Shape(7, 30, 1),
    Shape(9, 41),
    Shape(5, 40, base_only=3, variant_only=4),
    Shape(6, 40, groups=(10, 20, 40)),
    Shape(7, 33, difference=-0.9),
    Shape(4, 48, base_only=2, variant_only=5, groups=(12, 48), difference=-0.3),
]


def channels(errors: Tensor, shape: Shape) -> Tensor:
    """The loss as it is defined, by sum and difference channel."""
    if shape.sides == 1:
        return errors.square().sum(1).mean()
    base, variant = errors[:, : shape.width], errors[:, shape.width :]
    u, v = (variant + base) / 2**0.5, (variant - base) / 2**0.5
    weight = shape.difference
    return ((1 + weight) * u.square().sum(1) + (1 - weight) * v.square().sum(1)).mean()


def strongest(scores: Tensor, count: int) -> Tensor:
    """A mask of the largest scores above 0."""
    flat = scores.detach().flatten()
    mask = torch.zeros_like(flat)
    mask[flat.topk(min(count, int((flat > 0).sum()))).indices] = 1
    return mask.view_as(scores)


def dense(weights: list[Tensor], x: Tensor, shape: Shape, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The plain loss, what is left, and the activations before any choice, by dense products."""
    encoder, bias, decoder, out = weights
    before = F.relu(x @ encoder.T + bias)
    codes = before * strongest(before * decoder.norm(dim=1), count)
    left = [x - codes[:, :end] @ decoder[:end] - out for end in shape.prefixes]
    return torch.stack([channels(each, shape) for each in left]).mean(), left[-1], before


def parts(learner: Learner) -> list[sparse.Moments]:
    return [learner.encoder, learner.encoder_bias, learner.decoder, learner.decoder_bias]


def stirred(shape: Shape, recipe: Recipe) -> Learner:
    """A learner with biases, in float64."""
    learner = Learner(shape, recipe, CPU, torch.float64)
    torch.manual_seed(1)
    for each in (learner.encoder_bias, learner.decoder_bias):
        each.weights.normal_()
    return learner


@pytest.mark.parametrize("dead", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradients_are_those_of_the_dense_loss(shape: Shape, dead: bool) -> None:
    recipe = Recipe(10, k=3, anneal=0, clip=0)
    learner = stirred(shape, recipe)
    x = torch.randn(23, shape.inputs, dtype=torch.float64)
    weights = [each.weights.clone().requires_grad_() for each in parts(learner)]
    wanted, left, before = dense(weights, x, shape, 3 * 23)
    total = wanted
    if dead:
        learner.spare = torch.arange(8, 25)
        spare = torch.zeros(shape.latents, dtype=torch.float64)
        spare[learner.spare] = 1
        decoder = weights[2]
        codes = before * strongest(before * spare * decoder.norm(dim=1), 3 * 23)
        total = total + recipe.revive * channels(left.detach() - codes @ decoder, shape)
    torch.autograd.backward(total)
    told = learner.learn(x)
    torch.testing.assert_close(told.loss, wanted.detach())
    torch.testing.assert_close(told.errors, left.detach())
    for own, twin in zip(parts(learner), weights, strict=True):
        assert twin.grad is not None
        if twin.dim() == 2:
            for rows, columns in shape.masked():
                twin.grad[rows, columns] = 0
        # After one step Adam's mean is a tenth of the gradient.
        torch.testing.assert_close(own.mean / 0.1, twin.grad)
    length = torch.stack([each.grad.square().sum() for each in weights if each.grad is not None]).sum().sqrt()
    torch.testing.assert_close(told.length, length)


def test_five_hundred_steps_lose_what_a_dense_trainer_loses() -> None:
    shape, recipe = Shape(8, 64), Recipe(500, k=4, rate=3e-3, warm_up=20, anneal=100)
    learner = Learner(shape, recipe, CPU)
    weights = [nn.Parameter(each.weights.clone()) for each in parts(learner)]
    adam = torch.optim.Adam(weights)
    torch.manual_seed(2)
    directions = torch.randn(40, 16)
    curves: list[tuple[float, float]] = []
    for step in range(1, 501):
        x = ((torch.rand(128, 40) < 0.08) * torch.rand(128, 40)) @ directions
        loss, _, _ = dense(list(weights), x, shape, round(recipe.k_at(step - 1) * 128))
        adam.param_groups[0]["lr"] = recipe.rate_at(step)
        adam.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(weights, recipe.clip)
        adam.step()
        curves.append((float(learner.learn(x).loss), float(loss.detach())))
    own, plain = torch.tensor(curves).T
    # It learns at all, and along the same curve.
    assert plain[-50:].mean() < 0.2 * plain[:10].mean()
    assert float((own[-50:].mean() / plain[-50:].mean() - 1).abs()) < 0.02
    assert float(((own - plain).abs() / plain).mean()) < 0.02


def test_no_weight_of_the_difference_is_the_plain_crosscoder_to_the_bit() -> None:
    shape = Shape(6, 30)
    errors = torch.randn(50, 12)
    swapped = torch.cat([errors[:, 6:], errors[:, :6]], 1)
    # The formula at λ = 0, written out, and what the plain crosscoder takes.
    assert torch.equal(errors + 0.0 * swapped, weighed(errors, shape))
    x = torch.randn(64, 12)
    ends = []
    for difference in (0.0, -1e-30):
        # So small a weight goes through the formula, and is lost in every sum.
        learner = Learner(shape._replace(difference=difference), Recipe(5, k=3, anneal=0), CPU)
        for _ in range(5):
            learner.learn(x)
        ends.append(parts(learner))
    assert all(torch.equal(one.weights, two.weights) for one, two in zip(*ends, strict=True))


def test_all_weight_on_the_difference_is_a_difference_sae_with_the_same_codes() -> None:
    shape = Shape(6, 30, difference=-1.0)
    learner = stirred(shape, Recipe(5, k=3, anneal=0, clip=0))
    learner.decoder.weights.normal_()
    learner.norm = learner.decoder.weights.norm(dim=1)
    x = torch.randn(40, 12, dtype=torch.float64)
    found, _ = sparse.strongest(x, *learner._side(None), 120, None)
    codes = torch.zeros(40, 30, dtype=torch.float64).index_put((found.row, found.latent), found.value)
    decoder = learner.decoder.weights
    difference = (decoder[:, 6:] - decoder[:, :6]).clone().requires_grad_()
    out = (learner.decoder_bias.weights[6:] - learner.decoder_bias.weights[:6]).clone()
    loss = (x[:, 6:] - x[:, :6] - codes @ difference - out).square().sum(1).mean()
    torch.autograd.backward(loss)
    told = learner.learn(x)
    torch.testing.assert_close(told.loss, loss.detach())
    torch.testing.assert_close(learner.decoder.mean[:, 6:] / 0.1, difference.grad)
    torch.testing.assert_close(learner.decoder.mean[:, :6], -learner.decoder.mean[:, 6:])


@pytest.mark.parametrize("bar", [None, 0.0, 0.5, 3.0, 100.0])
def test_the_choice_is_exact_whatever_bar_is_guessed(bar: float | None) -> None:
    torch.manual_seed(3)
    x, encoder, bias, scale = torch.randn(300, 10), torch.randn(70, 10), torch.randn(70), torch.rand(70) + 0.1
    guess = None if bar is None else torch.tensor(bar)
    found, least = sparse.strongest(x, encoder, bias, scale, 900, guess)
    scores = F.relu(x @ encoder.T + bias) * scale
    best = scores.flatten().topk(900)
    assert sorted((found.row * 70 + found.latent).tolist()) == sorted(best.indices.tolist())
    assert found.row.tolist() == sorted(found.row.tolist())
    torch.testing.assert_close(least, best.values.min())


def test_where_fewer_are_above_zero_fewer_are_active() -> None:
    x, encoder, bias = torch.randn(20, 4), torch.randn(9, 4), torch.full((9,), -3.0)
    found, least = sparse.strongest(x, encoder, bias, torch.ones(9), 100, None)
    wanted = F.relu(x @ encoder.T + bias)
    assert len(found.row) == int((wanted > 0).sum()) < 100
    none, least = sparse.strongest(x, encoder, bias - 100, torch.ones(9), 100, None)
    assert len(none.row) == 0 and float(least) == 0


def test_runs_cover_all_rows_and_stay_small() -> None:
    for rows, latents in ((0, 10), (1, 10**9), (1000, 3000), (5, 2**18)):
        cut = list(sparse.runs(rows, latents, gpu=False))
        assert [n for run in cut for n in range(run.start, run.stop)] == list(range(rows))
        assert all((run.stop - run.start) * latents <= max(latents, sparse.DENSE_CPU) for run in cut)


def test_a_dead_latent_comes_back() -> None:
    shape, recipe = Shape(8, 24, 1), Recipe(2000, k=2, rate=3e-3, warm_up=1, anneal=0, dead_after=4000)
    learner = Learner(shape, recipe, CPU)
    # Half can never fire: no activation of theirs is above 0, and so no gradient reaches them.
    learner.encoder_bias.weights[12:] = -1000
    torch.manual_seed(4)
    directions = torch.randn(24, 8)
    fired = torch.zeros(24, dtype=torch.long)
    for step in range(600):
        x = ((torch.rand(128, 24) < 0.08) * (1 + torch.rand(128, 24))) @ directions
        learner.learn(x)
        if step >= 500:
            fired += learner.silent == 0
    assert int((fired[12:] > 0).sum()) >= 10


def test_a_dictionary_that_cannot_be_is_refused() -> None:
    for shape in (
        Shape(4, 10, 3),
        Shape(4, 10, 1, variant_only=2),
        Shape(4, 10, base_only=5, variant_only=5),
        Shape(4, 10, difference=0.5),
        Shape(4, 10, 1, difference=-0.5),
        Shape(4, 10, groups=(5, 3, 10)),
        Shape(4, 10, groups=(5,)),
    ):
        with pytest.raises(UserError, match="no such dictionary"):
            shape.check()
    Shape(4, 10, groups=(5, 10)).check()


def test_the_scale_is_each_models_own_unless_their_difference_is_weighed() -> None:
    torch.manual_seed(5)
    pairs = torch.randn(5000, 2, 3) * torch.tensor([2.0, 10.0])[:, None] + 7
    scale = scale_of(pairs, Shape(3, 10))
    torch.testing.assert_close(scale.factor.float(), torch.tensor([0.5, 0.1]), rtol=0.05, atol=0)
    seen = scale.apply(pairs.double())
    assert float(seen.mean(0).abs().max()) < 1e-6 and abs(float(seen.square().mean()) - 1) < 1e-6
    torch.testing.assert_close(scale.undo(seen), pairs.double())
    one, two = scale_of(pairs, Shape(3, 10, difference=-0.5)).factor.tolist()
    assert one == two
    alike = torch.randn(50, 1, 3).repeat(1, 2, 1)
    with pytest.raises(UserError, match="differ by nothing"):
        scale_of(alike, Shape(3, 10, 1))
    with pytest.raises(UserError, match="none"):
        scale_of(pairs * torch.nan, Shape(3, 10))


def test_entries_are_ranked_by_what_they_write() -> None:
    found = Entries(torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([2.0, 3.0]))
    assert found.scaled(torch.tensor([1.0, 4.0])).tolist() == [8.0, 3.0]
