"""Pairs with nothing to find: what they hold, how strong they are, and that they leave no trace."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from diffing.common.errors import UserError
from diffing.whitebox import texts
from diffing.whitebox.measures.apart import contributions, jensen_shannon, kl, mean_kl
from diffing.whitebox.pairs import nulls, tuning
from diffing.whitebox.pairs.changes import Delta, Factors
from diffing.whitebox.pairs.doses import Group
from diffing.whitebox.pairs.opening import open_pair
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.texts import Choice, Document
from tests.fakes import pairs as fakes
from tests.fakes.pairs import IDS, Folders

DOCUMENTS = [Document(str(n), tuple(row), 1, len(row), "text", False) for n, row in enumerate(IDS)]
FEW = Choice(source="own", count=24, length=16, held_out=0.0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Folders]:
    root = tmp_path_factory.mktemp("pairs")
    return {name: fakes.make(root, name) for name in ("llama", "gpt2")}


@pytest.fixture(scope="module")
def opened(folders: dict[str, Folders]) -> dict[str, Pair]:
    found = {f"{name} adapter": open_pair(each.low_rank) for name, each in folders.items()}
    return found | {"llama whole": open_pair(f"hf:{folders['llama'].base}", f"hf:{folders['llama'].whole}")}


def says(pair: Pair) -> tuple[Tensor, Tensor]:
    (batch,) = pair.run(IDS, logits=True)
    (chunk,) = pair.log_probs(batch)
    return chunk.base, chunk.variant


def matrix(delta: Delta) -> Tensor:
    return (delta.high @ delta.low * delta.scale if isinstance(delta, Factors) else delta).double()


@pytest.mark.parametrize("name", ["llama adapter", "gpt2 adapter", "llama whole"])
def test_a_rotated_null_has_the_singular_values_and_the_mean_kl_of_its_pair(
    name: str, opened: dict[str, Pair]
) -> None:
    pair = opened[name]
    before, wanted = says(pair), mean_kl(pair, DOCUMENTS)
    own = {path: matrix(delta) for path, delta in pair.change.deltas()}
    with nulls.rotated(pair, DOCUMENTS, seed=1) as null:
        assert mean_kl(null, DOCUMENTS) == pytest.approx(wanted, rel=nulls.CLOSE)
        turned = {path: matrix(delta) for path, delta in null.change.deltas()}
        assert turned.keys() == own.keys()
        for path, delta in own.items():
            # A vector has one: its length.
            rows, others = (each.reshape(len(each), -1) for each in (delta, turned[path]))
            mine, theirs = torch.linalg.svdvals(rows), torch.linalg.svdvals(others)
            torch.testing.assert_close(theirs, mine, rtol=1e-5, atol=1e-5 * float(mine[0]))
            cosine = float((rows * others).sum() / rows.norm() / others.norm())
            assert abs(cosine) < 0.5
        # The pair itself may be run while its null is there, and nothing of the base is another.
        assert torch.equal(says(pair)[1], before[1]) and torch.equal(says(null)[0], before[0])
        assert null.kind == "rotated" and null.key != pair.key
    assert all(torch.equal(one, other) for one, other in zip(says(pair), before, strict=True))


def test_turns_at_random_hang_on_the_seed_and_have_no_direction() -> None:
    draws = [nulls.orthogonal(3, nulls.generator(seed, "a")) for seed in range(2000)]
    assert torch.equal(draws[7], nulls.orthogonal(3, nulls.generator(7, "a")))
    many = torch.stack(draws)
    torch.testing.assert_close(many @ many.mT, torch.eye(3, dtype=torch.float64).expand(2000, 3, 3))
    # Each entry has mean 0 and variance 1/3: 2,000 draws know them within 0.05 at four standard errors.
    assert float(many.mean(0).abs().max()) < 0.052 and float((many**2).mean(0).sub(1 / 3).abs().max()) < 0.03


def test_a_turn_in_blocks_keeps_singular_values_and_mixes_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nulls, "BLOCK", 4)
    torch.manual_seed(0)
    delta = torch.randn(11, 6)
    turned = nulls.turned_matrix(delta, 0, "w")
    torch.testing.assert_close(torch.linalg.svdvals(turned), torch.linalg.svdvals(delta))
    vector = nulls.turned_matrix(delta[:, 0], 0, "b")
    torch.testing.assert_close(vector.norm(), delta[:, 0].norm())


def test_the_same_weights_twice_differ_by_exactly_nothing(opened: dict[str, Pair]) -> None:
    for pair in opened.values():
        with nulls.same(pair) as null:
            assert torch.equal(*says(null)) and mean_kl(null, DOCUMENTS) == 0.0
            with pytest.raises(UserError, match="has nothing to turn at random"), nulls.rotated(null, DOCUMENTS):
                pass


@pytest.mark.parametrize("name", ["llama adapter", "llama whole"])
def test_a_null_that_fails_leaves_the_pair_as_it_was(name: str, opened: dict[str, Pair]) -> None:
    pair = opened[name]
    before = says(pair)
    made = (nulls.rotated(pair, DOCUMENTS), nulls.self_tuned(pair, samples=FEW), nulls.control(pair, DOCUMENTS))
    for each in made:
        with pytest.raises(ZeroDivisionError), each as null, null.variant():
            raise ZeroDivisionError
    assert all(torch.equal(one, other) for one, other in zip(says(pair), before, strict=True))
    # A handle that was not given back would be refused.
    with nulls.rotated(pair, DOCUMENTS) as again:
        assert mean_kl(again, DOCUMENTS) > 0
    cancelled = iter([None, None, KeyboardInterrupt])

    def check() -> None:
        if next(cancelled):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), nulls.control(pair, DOCUMENTS * 9, seed=5, check=check):
        pass
    assert all(torch.equal(one, other) for one, other in zip(says(pair), before, strict=True))


def test_a_pair_tuned_on_its_own_samples_has_nothing_to_learn(
    opened: dict[str, Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = opened["llama adapter"]
    seen: list[list[Document]] = []
    real = tuning.tuned

    def watched(whole: Any, identity: Any, documents: Any, *rest: Any) -> Any:
        seen.append(list(documents))
        return real(whole, identity, documents, *rest)

    monkeypatch.setattr(tuning, "tuned", watched)
    with nulls.self_tuned(pair, samples=FEW) as null:
        assert mean_kl(null, DOCUMENTS) > 0
        # By the pair's own recipe.
        assert null.change.paths == pair.change.paths
        assert {tuple(t.shape) for t in null.change.adapter.tensors.values()} == {  # type: ignore[attr-defined]
            tuple(t.shape)
            for t in pair.change.adapter.tensors.values()  # type: ignore[attr-defined]
        }
        first = says(null)[1]
    (documents,) = seen
    # Each once, and all but the token that it was given has a loss.
    assert len(documents) == len({d.ids for d in documents}) and all(d.start == 1 for d in documents)
    # Kept: the second time nothing is trained.
    monkeypatch.setattr(tuning, "_train", None)
    with nulls.self_tuned(pair, samples=FEW) as null:
        assert torch.equal(says(null)[1], first)


def test_a_control_learns_the_text_that_it_is_given(opened: dict[str, Pair]) -> None:
    for name in ("gpt2 adapter", "llama whole"):
        pair = opened[name]
        text = [Document(str(n), (0, 5, 6, 7, 8), 1, 5, "text", False) for n in range(160)]
        with nulls.control(pair, text) as null:
            base, variant = says_of(null, [[0, 5, 6, 7, 8]])
            learnt = [float((variant - base)[n, token]) for n, token in enumerate((5, 6, 7, 8))]
            assert sum(learnt) > 0.5


def says_of(pair: Pair, ids: list[list[int]]) -> tuple[Tensor, Tensor]:
    (batch,) = pair.run(ids, logits=True)
    (chunk,) = pair.log_probs(batch)
    return chunk.base, chunk.variant


def test_only_tokens_that_count_have_a_loss(opened: dict[str, Pair]) -> None:
    whole = opened["llama whole"].whole
    plain = Document("a", (0, 5, 6, 7), 2, 4, "text", False)
    logits = whole.logits(whole([plain.ids], logits=True).last).log_softmax(-1)  # type: ignore[arg-type]
    wanted = -(logits[1, 6] + logits[2, 7]) / 2
    torch.testing.assert_close(tuning._loss(whole, [plain]).detach(), wanted)
    # In company of a longer one, each token weighs the same.
    longer = Document("b", (0, *range(9, 20)), 11, 12, "text", False)
    other = whole.logits(whole([longer.ids], logits=True).last).log_softmax(-1)  # type: ignore[arg-type]
    torch.testing.assert_close(tuning._loss(whole, [plain, longer]).detach(), (2 * wanted - other[10, 19]) / 3)


def test_a_given_variant_stands_beside_the_pair(
    opened: dict[str, Pair], folders: dict[str, Folders], tmp_path: Path
) -> None:
    pair, base = opened["llama adapter"], folders["llama"].base
    before = says(pair)
    fakes.adapter(base, tmp_path / "seed", seed=9)
    for variant in (f"hf:{tmp_path / 'seed'}", f"hf:{folders['llama'].whole}"):
        alone = open_pair(f"hf:{base}", variant)
        with nulls.given(pair, variant, "seed") as null:
            torch.testing.assert_close(says(null)[1], says(alone)[1], rtol=1e-4, atol=1e-3)
            assert null.kind == "seed" and torch.equal(says(null)[0], before[0])
    assert all(torch.equal(one, other) for one, other in zip(says(pair), before, strict=True))


def test_a_null_of_a_part_of_the_change_is_as_strong_as_that_part(opened: dict[str, Pair]) -> None:
    part = opened["llama adapter"].at(0.0, [Group(1.0, blocks=(3, 5))])
    with nulls.rotated(part, DOCUMENTS) as null:
        assert mean_kl(null, DOCUMENTS) == pytest.approx(mean_kl(part, DOCUMENTS), rel=nulls.CLOSE)


def test_distances_are_those_of_their_definitions() -> None:
    torch.manual_seed(0)
    p, q = (torch.randn(5, 7).double().log_softmax(-1) for _ in range(2))
    wanted = torch.distributions.kl_divergence(
        torch.distributions.Categorical(logits=p), torch.distributions.Categorical(logits=q)
    )
    torch.testing.assert_close(kl(p, q), wanted)
    torch.testing.assert_close(contributions(p, q).sum(-1), wanted)
    mixed = ((p.exp() + q.exp()) / 2).log()
    torch.testing.assert_close(jensen_shannon(p, q), (kl(p, mixed) + kl(q, mixed)) / 2)
    # A token that one of them gives no chance.
    none = torch.tensor([[0.0, -torch.inf]]), torch.tensor([[0.5, 0.5]]).log()
    assert float(kl(*none)) == pytest.approx(0.6931, abs=1e-4) and not kl(none[0], none[0]).any()


def test_mean_kl_is_over_the_tokens_that_count(opened: dict[str, Pair]) -> None:
    pair = opened["llama adapter"]
    base, variant = says_of(pair, [IDS[0]])
    each = kl(variant, base)
    part = DOCUMENTS[0]._replace(start=5, stop=9)
    # Position 4 predicts token 5.
    assert mean_kl(pair, [part]) == pytest.approx(float(each[4:8].mean()), rel=1e-5)


def test_samples_are_the_bases_own_words_and_are_written_once(
    opened: dict[str, Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = opened["llama adapter"]
    first = texts.own(FEW, pair.tokenizer, pair.whole, pair.identity)
    monkeypatch.setattr(texts, "sampled", None)
    assert texts.own(FEW, pair.tokenizer, pair.whole, pair.identity) == first
    assert all(d.ids[0] == pair.tokenizer.bos_token_id and len(d.ids) <= 16 for d in first)
