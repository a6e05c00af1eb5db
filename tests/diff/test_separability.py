"""How well the sides can be told apart: at chance for equal ones, near one for planted ones."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from diffing.common.arrays import Bools
from diffing.diff import presence, separability
from diffing.diff.pairing import Pairing
from diffing.diff.presence import Stored
from diffing.diff.separability import Separability
from tests.fakes.documents import Documents, paired


def judged(shift: float, seed: int = 0, prompts: int = 60, features: int = 40) -> Separability:
    """Answers of one token that show features by the prompt's own taste, B's shifted."""
    random = np.random.default_rng(seed)
    dense = []
    for _ in range(prompts):
        taste = random.uniform(0.1, 0.6, features)
        for side in range(2):
            share = taste + shift * side * (np.arange(features) < 8)
            dense.append((random.random((1, features)) < share) * 1.0)
    pairing = paired(np.ones(len(dense), int), prompts)
    return separability.separability(presence.shown(Documents(dense), np.arange(len(dense))), pairing, seed, 99)


def test_a_planted_difference_is_told_apart() -> None:
    found = judged(0.35)
    assert found.auc > 0.8
    assert found.paired > found.auc - 0.05
    assert found.p == 0.01


def test_equal_sides_are_at_chance_and_p_is_uniform() -> None:
    found = [judged(0.0, seed, prompts=30) for seed in range(60)]
    assert np.mean([f.auc for f in found]) == pytest.approx(0.5, abs=0.03)
    assert np.mean([f.null_mean for f in found]) == pytest.approx(0.5, abs=0.02)
    p = np.array([f.p for f in found])
    assert [np.mean(p <= level) for level in (0.05, 0.5)] == pytest.approx([0.05, 0.5], abs=0.15)


def test_answers_that_show_the_same_tie_however_products_are_rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    random, exact = np.random.default_rng(0), separability._inner_products

    def rounded(*asked: Any) -> Any:
        inner = exact(*asked)
        return inner * (1 + 1e-14 * random.standard_normal(inner.shape))

    monkeypatch.setattr(separability, "_inner_products", rounded)
    dense = [(random.random((1, 40)) < 0.3) * 1.0 for _ in range(40)]
    twice = Documents([one for one in dense for _ in range(2)])
    pairing = paired(np.ones(80, int), 40)
    found = separability.separability(presence.shown(twice, np.arange(80)), pairing, 0, 99)
    assert [found.auc, found.paired] == pytest.approx([0.5, 0.5])


def test_hashing_keeps_inner_products_within_its_known_error(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = Documents([(np.random.default_rng(n).random((1, 2000)) < 0.1) * 1.0 for n in range(40)])
    shown = presence.shown(documents, np.arange(40))
    random = np.random.default_rng(0)
    whole = separability._inner_products(shown, np.arange(40), random)
    monkeypatch.setattr(separability, "WIDTH", 500)
    hashed = separability._inner_products(shown, np.arange(40), random)
    off = ~np.eye(40, dtype=bool)
    expected = np.sqrt(2 / 500) * np.diag(whole).mean()
    assert np.sqrt(np.mean((hashed - whole)[off] ** 2)) < expected


def test_auc_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    score = random.integers(0, 5, (20, 6)).astype(np.float64)
    truth: Any = np.stack([random.permutation([-1.0, 1.0] * 10) for _ in range(6)], axis=1)
    reference = [roc_auc_score(t > 0, s) for s, t in zip(score.T, truth.T, strict=True)]
    assert separability._auc(score, truth).tolist() == pytest.approx(reference)


def test_few_prompts_say_nothing() -> None:
    found = judged(0.35, prompts=9)
    assert np.isnan(found.auc)
    assert (found.prompts, found.permutations) == (9, 0)
    assert found.reason == "there are only 9 prompts of the 10 that it takes"


def alike(share: float, seed: int, prompts: int = 160) -> tuple[Stored, Pairing, Bools]:
    """Equal sides of which so many pairs show the same features, and which pairs these are."""
    random = np.random.default_rng(seed)
    same = np.arange(prompts) < share * prompts
    dense = []
    for twice in same:
        taste = random.uniform(0.1, 0.6, 40)
        first, second = ((random.random((1, 40)) < taste) * 1.0 for _ in range(2))
        dense += [first, first if twice else second]
    return (
        presence.shown(Documents(dense), np.arange(2 * prompts)),
        paired(np.ones(2 * prompts, int), prompts),
        same,
    )


@pytest.mark.parametrize("share", [0.5, 0.75, 0.9, 0.99])
def test_pairs_that_show_the_same_count_one_half_in_any_share(share: float) -> None:
    made = [alike(share, seed)[:2] for seed in range(12)]
    found = [separability.separability(*one, seed, 1) for seed, one in enumerate(made)]
    assert np.mean([f.paired for f in found]) == pytest.approx(0.5, abs=0.02)
    assert np.mean([f.auc for f in found]) == pytest.approx(0.5, abs=0.02)
    assert {f.prompts for f in found} == {160}


def test_identical_answers_are_left_out() -> None:
    shown, pairing, same = alike(0.75, 0)
    marked = dataclasses.replace(pairing, identical=same)
    found = separability.separability(shown, marked, 0, 19)
    assert found == separability.separability(shown, pairing.only(~same), 0, 19)
    assert (found.prompts, found.reason) == (40, "")


@pytest.mark.parametrize(
    ("share", "left", "reason"),
    [
        (1.0, 0, "all answers are identical on both sides"),
        (0.95, 8, "only 8 prompts of the 10 that it takes have answers that are not identical"),
    ],
)
def test_where_nearly_all_answers_are_identical_nothing_is_said(share: float, left: int, reason: str) -> None:
    shown, pairing, same = alike(share, 0)
    found = separability.separability(shown, dataclasses.replace(pairing, identical=same), 0, 19)
    assert np.isnan([found.auc, found.paired, found.p]).all()
    assert (found.prompts, found.permutations, found.reason) == (left, 0, reason)


def test_another_draw_stands_in_for_one_that_is_identical() -> None:
    dense = [(np.random.default_rng(n).random((1, 40)) < 0.3) * 1.0 for n in range(80)]
    shown, pairing = presence.shown(Documents(dense), np.arange(80)), paired(np.ones(80, int), 20, 2)
    first = pairing.slot == 0
    found = separability.separability(shown, dataclasses.replace(pairing, identical=first), 0, 19)
    assert found == separability.separability(shown, pairing.only(~first), 0, 19)


def test_scores_that_rounding_keeps_apart_are_made_equal_and_others_are_not() -> None:
    score = np.array([[0.5, 1.0], [0.5 + 4e-13, 2.0], [0.5 + 8e-10, -1.0], [0.5 + 1e-6, 1.0 - 2e-13]])
    assert separability._tied(score).tolist() == [
        [0.5, 1.0 - 2e-13],
        [0.5, 2.0],
        [0.5, -1.0],
        [0.5 + 1e-6, 1.0 - 2e-13],
    ]


def test_columns_that_tell_the_sides_apart_carry_it_and_leave_nothing() -> None:
    random, prompts = np.random.default_rng(5), 120
    pairing = paired(np.ones(2 * prompts, int), prompts)
    half = np.where(np.arange(len(pairing.prompts)) % 2, "held-out", "discovery")
    pairing = dataclasses.replace(pairing, prompts=pairing.prompts.assign(split=half))
    habit = np.zeros(2 * prompts)
    for documents, share in ((pairing.a, 0.15), (pairing.b, 0.85)):
        habit[documents] = random.random(prompts) < share
    dense = (random.random((2 * prompts, 30)) < 0.5) * 1.0
    dense[:, :6] = habit[:, None]
    shown = presence.shown(Documents([row[None] for row in dense]), np.arange(2 * prompts))
    found = separability.apart(shown, pairing, 0, 19)
    own = separability.carried(found, habit[:, None], pairing)
    other = separability.carried(found, random.random((2 * prompts, 3)), pairing)
    assert own.prompts == other.prompts == prompts // 2
    assert own.everything == other.everything > 0.75
    assert own.these > 0.75 and abs(own.rest - 0.5) < 0.15
    assert abs(other.these - 0.5) < 0.15 and other.rest > 0.75
    few = separability.carried(found._replace(pairs=found.pairs[:5]), habit[:, None], pairing)
    assert np.isnan([few.everything, few.these, few.rest]).all()
