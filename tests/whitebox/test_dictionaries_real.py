"""Which latents are real: whose they are, what nulls show, a second seed, what they do, and the verdict."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from bench.latent_tables import tables
from diffing.common.errors import UserError
from diffing.models.hooks import layers_of
from diffing.whitebox.activations.corpus import Corpus
from diffing.whitebox.activations.source import Passes
from diffing.whitebox.dictionaries import causal, exclusive, judge, latents, stable, verdict
from diffing.whitebox.dictionaries.dictionary import Dictionary
from diffing.whitebox.dictionaries.latents import Seen
from diffing.whitebox.dictionaries.shape import Scale, Shape
from diffing.whitebox.pairs import nulls
from diffing.whitebox.pairs.opening import open_pair
from diffing.whitebox.pairs.pair import Pair
from diffing.whitebox.texts import Document
from tests.fakes import pairs as fakes

WIDTH, SHARED, OWN, TOKENS = 48, 20, 4, 4000
LATENTS = SHARED + 2 * OWN


def directions(seed: int = 0) -> Tensor:
    return normalize(torch.randn(LATENTS, WIDTH, generator=torch.Generator().manual_seed(seed)), dim=1)


def codes(seed: int, tokens: int = TOKENS) -> Tensor:
    draws = torch.Generator().manual_seed(seed)
    fires = torch.rand(tokens, LATENTS, generator=draws) < 0.05
    return fires * (3 + 3 * torch.rand(tokens, LATENTS, generator=draws))


def sides(rows: Tensor) -> Tensor:
    """What each direction is in the base and in the variant: the last ones are one model's alone."""
    both = torch.stack([rows, rows], 1)
    both[SHARED : SHARED + OWN, 1], both[SHARED + OWN :, 0] = 0, 0
    return both


def pairs_of(both: Tensor, seed: int = 1) -> Tensor:
    made = torch.einsum("tl,lsw->tsw", codes(seed), both)
    return made + 0.05 * torch.randn(made.shape, generator=torch.Generator().manual_seed(seed + 99))


def known(both: Tensor) -> Dictionary:
    """A crosscoder that knows what pairs are made of."""
    decoder = both.flatten(1)
    latents_, inputs = decoder.shape
    encoder = torch.linalg.pinv(decoder).T.contiguous()
    scale = Scale(torch.zeros(2, inputs // 2), torch.ones(2))
    bias = torch.zeros(latents_)
    shape = Shape(inputs // 2, latents_)
    return Dictionary(shape, scale, encoder, bias, decoder, torch.zeros(inputs), torch.full((latents_,), 1.0), 1.4)


def of_difference(both: Tensor) -> Dictionary:
    """A difference SAE that knows what changed."""
    decoder = (both[:, 1] - both[:, 0])[SHARED:].contiguous()
    count = len(decoder)
    encoder = torch.linalg.pinv(decoder).T.contiguous()
    scale = Scale(torch.zeros(1, WIDTH), torch.ones(1))
    shape = Shape(WIDTH, count, 1)
    return Dictionary(
        shape, scale, encoder, torch.zeros(count), decoder, torch.zeros(WIDTH), torch.full((count,), 1.0), 0.4
    )


def seen(pairs: Tensor) -> list[Seen]:
    return [Seen(pairs, np.arange(len(pairs)) // 10)]


def whose(dictionary: Dictionary, pairs: Tensor) -> list[str]:
    found: list[str] = exclusive.exclusive(latents.measured(dictionary, seen(pairs))).tolist()
    return found


def test_what_one_model_has_alone_is_told_and_what_both_have_is_nobodys() -> None:
    both = sides(directions())
    wanted = [*[""] * SHARED, *["base"] * OWN, *["variant"] * OWN]
    assert whose(known(both), pairs_of(both)) == wanted
    assert whose(of_difference(both), pairs_of(both)) == wanted[SHARED:]


def test_a_pair_that_is_only_rescaled_or_turned_has_nothing_exclusive() -> None:
    rows = directions()[:SHARED]
    both = torch.zeros(LATENTS, 2, WIDTH)
    both[:SHARED] = torch.stack([rows, 1.5 * rows], 1)
    crosscoder = known(both[:SHARED])
    with_nothing = torch.einsum("tl,lsw->tsw", codes(1)[:, :SHARED], both[:SHARED])
    assert set(whose(crosscoder, with_nothing)) == {""}
    # Turned wholly away: neither model has what the other writes, so ν alone would call every latent exclusive.
    turn = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(3))).Q
    turned = torch.stack([rows, rows @ turn], 1)
    pairs = torch.einsum("tl,lsw->tsw", codes(1)[:, :SHARED], turned)
    table = latents.measured(known(turned), seen(pairs))
    assert (table["nu"].abs() < exclusive.MOST).mean() > 0.5
    assert set(exclusive.exclusive(table)) == {""}


def test_where_a_decoder_writes_is_not_enough() -> None:
    both = sides(directions())
    # A shared direction that the crosscoder writes on the variant's side alone: the base has it all the same.
    lying = known(both)
    decoder = lying.decoder.clone()
    decoder[0, :WIDTH] = 0
    found = latents.measured(replace(lying, decoder=decoder), seen(pairs_of(both)))
    assert found["leaning"][0] == 1 and exclusive.exclusive(found)[0] == ""


def test_latents_that_fire_in_too_few_texts_are_nobodys() -> None:
    both = sides(directions())
    silent = known(both)
    silent.threshold[-1] = 1e9
    assert whose(silent, pairs_of(both))[-1] == ""


def test_counts_stand_beside_those_of_nulls() -> None:
    both = sides(directions())
    own = latents.measured(known(both), seen(pairs_of(both)))
    none = own.assign(beta_variant_low=0.0, beta_base_low=0.0)
    told = exclusive.counts(own, {"one": none, "two": none, "three": own})
    assert told[["name", "alive", "base", "variant"]].to_numpy().tolist() == [
        ["pair", LATENTS, OWN, OWN],
        ["one", LATENTS, 0, 0],
        ["two", LATENTS, 0, 0],
        ["three", LATENTS, OWN, OWN],
    ]
    assert told["p"][0] == 2 / 4 and told["p"][1:].isna().all()


def test_what_a_null_shows_of_a_latent_is_told() -> None:
    both = sides(directions())
    dictionary = known(both)
    amounts = exclusive.amounts(dictionary, seen(pairs_of(both)))
    # By hand: mean activation times the length written on the side where that is more.
    values = torch.zeros(TOKENS, LATENTS)
    entries = dictionary.encode(pairs_of(both))
    values[entries.row, entries.latent] = entries.value
    lengths = both.norm(dim=2).amax(1)
    np.testing.assert_allclose(amounts.amount, (values.mean(0) * lengths).numpy(), rtol=1e-5)
    assert (amounts.low < amounts.amount).all() and (amounts.amount < amounts.high).all()
    # A null that has one of the variant's own directions too, and one that has none.
    half, none = both.clone(), both.clone()
    half[-OWN + 1 :, 1], none[-OWN:, 1] = 0, 0
    theirs = [(name, exclusive.amounts(dictionary, seen(pairs_of(each)))) for name, each in
              {"same": both, "half": half, "none": none}.items()]  # fmt: skip
    table = exclusive.beside(amounts, theirs)
    own = table.tail(OWN)
    assert own["specific"].tolist() == [False, True, True, True]
    assert own["null"].iloc[0] == "half" and own["shown"].iloc[0] > 0.9 and (own["shown"][1:] < 0.05).all()
    # What both models have the nulls have as well.
    assert not table["specific"][:SHARED].any()
    alone = exclusive.beside(amounts, theirs[:1])
    assert not alone["specific"].any() and alone["shown"].isna().all()


def test_a_second_seed_is_matched_one_to_one_and_chance_is_not() -> None:
    both = sides(directions())
    one = known(both)
    order = torch.randperm(LATENTS, generator=torch.Generator().manual_seed(5))
    noisy = both[order] + 0.02 * torch.randn(both.shape, generator=torch.Generator().manual_seed(6))
    table = stable.stable(one, known(noisy), seen(pairs_of(both)))
    assert table["stable"].all() and (order[table["match"].to_numpy()] == torch.arange(LATENTS)).all()
    assert (table["cosine"] > 0.9).all() and (table["together"] > 0.9).all()
    assert (table["cosine_chance"] < 0.7).all() and (table["together_chance"] < 0.2).all()
    unlike = stable.stable(one, known(sides(directions(9))), seen(pairs_of(both)))
    assert not unlike["stable"].any()
    # Alike in what they write and silent wherever the other fires: not one latent.
    deaf = known(both)
    deaf.threshold[3] = 1e9
    assert not stable.stable(one, deaf, seen(pairs_of(both)))["stable"][3]
    with pytest.raises(UserError, match="unlike form; train the second like the first"):
        stable.stable(one, of_difference(both), seen(pairs_of(both)))


def test_firing_together_is_pearsons_correlation_and_matches_are_mutual() -> None:
    both = sides(directions())
    one, other = known(both), known(both[torch.arange(LATENTS - 1, -1, -1)])
    table = stable.stable(one, other, seen(pairs_of(both)))
    pairs = pairs_of(both)
    dense = []
    for dictionary in (one, other):
        values = np.zeros((TOKENS, LATENTS))
        entries = dictionary.encode(pairs)
        values[entries.row, entries.latent] = entries.value
        dense.append(values)
    wanted = [np.corrcoef(dense[0][:, n], dense[1][:, m])[0, 1] for n, m in enumerate(table["match"])]
    np.testing.assert_allclose(table["together"], wanted, rtol=1e-6)
    # Two rows that like the same third: only one of them is chosen back.
    rows = normalize(torch.tensor([[1.0, 0.1], [1.0, 0.3], [0.0, 1.0]]), dim=1)
    found = stable.match(rows, torch.eye(2))
    assert found.other.tolist() == [0, 0, 1] and found.mutual.tolist() == [1, 0, 1]
    assert found.cosine[0] == pytest.approx(1 / 1.01**0.5)


def test_chance_is_what_unlike_rows_give() -> None:
    """Independent dictionaries whose rows share a direction: as like by chance as the simulation says."""
    beyond = []
    for seed in range(20):
        draws = torch.Generator().manual_seed(seed)
        one, other = (torch.randn(60, 32, generator=draws) + 0.7 for _ in range(2))
        bar = np.quantile(stable.match(one, stable.shuffled(other, draws)).cosine, stable.CHANCE)
        beyond.append(float((stable.match(one, other).cosine > bar).mean()))
    assert 0.01 < np.mean(beyond) < 0.12


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return open_pair(fakes.make(tmp_path_factory.mktemp("pair"), "qwen2").low_rank)


def some_texts() -> list[Document]:
    rows = [[0, *range(20 + n, 52 + n)] for n in range(16)]
    return [Document(str(n), tuple(row), 1, len(row), "text", True) for n, row in enumerate(rows)]


def moving(pair: Pair, number: int = 12) -> tuple[Dictionary, Passes]:
    """A difference SAE whose latent 0 writes the mean difference wherever the base goes along a direction."""
    source = Passes(pair, Corpus(some_texts()), [0])
    blocks = list(source.read(range(16), lambda: None))
    values = torch.cat([block.values[:, 0] for block in blocks])
    gap = (values[:, 1] - values[:, 0]).mean(0)
    draws = torch.Generator().manual_seed(0)
    rows = torch.randn(number, source.width, generator=draws)
    rows[0] = gap
    rows = normalize(rows, dim=1) * gap.norm()
    scale = Scale(torch.zeros(1, source.width), torch.ones(1))
    shape = Shape(source.width, number, 1)
    encoder = normalize(rows, dim=1) / gap.norm()
    zeros = torch.zeros
    found = Dictionary(shape, scale, encoder, zeros(number), rows, zeros(source.width), zeros(number), number / 2)
    return found, source


def by_hooks(model: torch.nn.Module, ids: list[int], added: Tensor) -> Tensor:
    """Log-probabilities of one text with something added behind layer 0, by the model's own code."""

    def add(_module: object, _args: object, output: object) -> object:
        if isinstance(output, tuple):
            return (output[0] + added, *output[1:])
        assert isinstance(output, Tensor)
        return output + added

    handle = layers_of(model.base_model)[0].register_forward_hook(add)  # type: ignore[arg-type]
    with torch.inference_mode():
        logits: Tensor = model(torch.tensor([ids])).logits[0].float().log_softmax(-1)
    handle.remove()
    return logits


def test_what_a_latent_does_is_what_hooks_on_the_plain_models_give(pair: Pair) -> None:
    dictionary, source = moving(pair)
    options = causal.Options(texts=3, places=2, controls=5)
    row = causal.causal(pair, source, dictionary, [0], options).iloc[0]
    documents = some_texts()
    entries = [dictionary.encode(block.values[:, 0]) for block in source.read(range(16), lambda: None)]
    place = {}
    for block, found in zip(source.read(range(16), lambda: None), entries, strict=True):
        for n, latent, value in zip(*(column.tolist() for column in found), strict=True):
            if latent == 0 and int(block.position[n]):
                place[int(block.document[n]), int(block.position[n])] = value
    best = {d: max(v for (e, _), v in place.items() if e == d) for d, _ in place}
    gains = []
    for document in sorted(best, key=lambda d: -best[d])[:3]:
        mine = {p: v for (d, p), v in place.items() if d == document}
        told = sorted(mine, key=lambda p: -mine[p])[:2]
        ids = list(documents[document].ids)
        added = torch.zeros(1, len(ids), source.width)
        for position, value in mine.items():
            added[0, position] = value * dictionary.decoder[0]
        with pair.base() as whole:
            base, steered = (by_hooks(whole.causal, ids, each)[told] for each in (0 * added, added))
        with pair.variant() as whole:
            variant, ablated = (by_hooks(whole.causal, ids, each)[told] for each in (0 * added, -added))

        def nats(p: Tensor, q: Tensor) -> float:
            return float((p.exp() * (p - q)).sum(-1).mean())

        gains.append(
            (nats(variant, base) - nats(variant, steered), nats(base, variant) - nats(base, ablated)),
        )
    steered_, ablated_ = np.mean(gains, 0)
    assert row["steered"] == pytest.approx(steered_, rel=1e-3) and row["ablated"] == pytest.approx(
        ablated_, rel=1e-3
    )
    assert row["effect"] == pytest.approx((steered_ + ablated_) / 2, rel=1e-3) and row["effect"] > 0
    assert row["effect_low"] < row["effect"] < row["effect_high"] and row["texts"] == 3


def test_ranks_are_exact_and_seeds_give_the_same(pair: Pair) -> None:
    dictionary, source = moving(pair)
    options = causal.Options(texts=3, places=2, controls=7)
    table = causal.causal(pair, source, dictionary, [0, 5], options)
    # The mean difference does more than directions of its length that have nothing to do with it.
    assert table["p_directions"][0] == 1 / 8 and table["effect"][0] > table["directions_high"][0]
    for name in ("p_directions", "p_latents"):
        assert set((table[name] * 8).round(6)) <= set(range(1, 9))
    assert table["latents_high"].notna().all()
    pd.testing.assert_frame_equal(table, causal.causal(pair, source, dictionary, [0, 5], options))
    bare = causal.causal(pair, source, dictionary, [0], options.model_copy(update={"controls": 0}))
    assert bare["effect"][0] == pytest.approx(table["effect"][0], rel=1e-4) and np.isnan(bare["p_directions"][0])
    silent = replace(dictionary, threshold=torch.full_like(dictionary.threshold, 1e9))
    none = causal.causal(pair, source, silent, [0], options)
    assert none["texts"][0] == 0 and np.isnan(none["effect"][0]) and np.isnan(none["p_directions"][0])
    draws = np.random.default_rng(0)
    ps = [causal.rank_p(x[0], x[1:]) for x in draws.normal(size=(4000, 20))]
    assert {round(p * 20) for p in ps} == set(range(1, 21)) and abs(np.mean(np.array(ps) <= 0.05) - 0.05) < 0.012


NULLS = [(name, pd.DataFrame({"effect": [0.1, top]})) for name, top in {"a": 0.5, "b": 0.45, "c": 0.3}.items()]


def test_verdicts_name_the_first_test_that_fails() -> None:
    parts = tables(np.full(8, 2.0))
    parts["beside"].loc[1, "specific"] = False
    parts["stable"].loc[2, "stable"] = False
    parts["causal"].loc[3, "p_directions"] = 0.1
    parts["causal"].loc[4, "effect_low"] = -0.1
    # 0.5 is the nulls' most, 0.05 what it exceeds the others' by, and 0.06 by the margin.
    parts["causal"].loc[5, "effect_low"] = 0.55
    parts["causal"] = parts["causal"].drop(6)
    parts["causal"].loc[7, "effect_low"] = 0.57
    found = verdict.judged(**parts, nulls=NULLS).set_index("latent")
    wanted = {
        0: "real",
        1: "seen in nulls too",
        2: "not stable",
        3: "no effect of its own",
        4: "no effect of its own",
        5: "seen in nulls too",
        6: "not compared yet",
        7: "real",
    }
    assert found["verdict"].to_dict() == wanted
    assert found.index[:2].tolist() == [0, 7] and found["strength"][0] == pytest.approx(1.4 / 0.05)
    assert (found["exclusive"] == "variant").all()
    assert verdict.said(found) == {"real": 2, "seen in nulls too": 2, "not stable": 1, "no effect of its own": 2,
                                   "not compared yet": 1}  # fmt: skip


@pytest.mark.parametrize("missing", ["beside", "stable", "causal", "nulls"])
def test_nothing_is_claimed_of_what_was_not_done(missing: str, tmp_path: Path) -> None:
    parts = tables(np.full(3, 2.0))
    given = parts | {"nulls": NULLS}
    given |= {missing: NULLS[:1] if missing == "nulls" else None}
    table = verdict.judged(**given)
    assert set(table["verdict"]) == {"not compared yet"}
    assert verdict.load(tmp_path) is None
    verdict.save(tmp_path, table)
    kept = verdict.load(tmp_path)
    assert kept is not None
    pd.testing.assert_frame_equal(kept, table)


def test_nulls_alone_seldom_make_a_latent_real_and_a_planted_one_is() -> None:
    """60 noises (`bench.dictionary_truth` has 400): 40 latents beside four nulls alike, and one that does more."""
    draws = np.random.default_rng(0)
    false, missed = 0, 0
    for _ in range(60):
        drawn = draws.gamma(2.0, 0.1, size=(5, 40))
        theirs = [(str(n), pd.DataFrame({"effect": row})) for n, row in enumerate(drawn[1:])]
        table = verdict.judged(**tables(np.append(drawn[0], 3.0), 0.05), nulls=theirs).set_index("latent")
        real = table["verdict"] == "real"
        false += bool(real.drop(40).any())
        missed += not real[40]
    # One in five without the low end and the margin; with both fewer.
    assert false <= 6
    assert missed <= 1


def test_a_pair_is_judged_with_its_nulls_as_a_whole(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIFFING_HOME", str(tmp_path))
    dictionary, _ = moving(pair)
    documents = some_texts()

    def weaker(alpha: float) -> judge.Opened:
        return lambda given: nullcontext(given.at(alpha))

    options = judge.Options(most=4, trial=causal.Options(texts=3, places=2))
    own = judge.Trained(dictionary, dictionary)
    opened = {"third": weaker(0.3), "tenth": weaker(0.1), "same": nulls.same}
    trained = {judge.PAIR: own, "third": own, "tenth": own}
    found = judge.judge(pair, opened, documents, 0, trained, options)
    # Of the same change, only stronger, all that fires is the pair's own.
    judged = found.judged.set_index("latent")
    assert judged["specific"].sum() >= 4 and judged["stable"].sum() >= 4
    assert judged["effect"].notna().sum() == 4 and set(found.nulls) == {"third", "tenth"}
    most = max(table["effect"].max() for table in found.nulls.values())
    assert most > 0 and judged["null_effect"].dropna().unique().tolist() == [most]
    assert set(judged["verdict"][judged["effect"].isna()]) == {"not compared yet"}
    assert found.counts["name"].tolist() == ["pair", "third", "tenth"]
