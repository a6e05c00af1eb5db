"""A diff in little memory: the same figures however much is read at a time, and a sample that says it is one."""

import numpy as np
import pandas as pd
import pytest

from diffing.diff import amounts, answer, compute, groups, noise, presence, sampling, tally
from diffing.diff.amounts import Amounts
from diffing.reader import encode
from tests.fakes.diff_study import computed, made
from tests.fakes.documents import paired
from tests.fakes.reader import FakeReader

WORDS = ["tokens", "probes"]
"""Columns of features that say what they fire on."""


@pytest.fixture(autouse=True)
def reader(monkeypatch: pytest.MonkeyPatch) -> FakeReader:
    fake = FakeReader(window=64)
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: fake)
    return fake


def test_tables_are_the_same_to_the_last_bit_however_much_is_looked_at_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = made(draws=3)
    usual = computed(study)
    tables = {name: getattr(usual, name) for name in compute.TABLES}
    for few in (1, 7):
        monkeypatch.setattr(tally, "FEW", few * FakeReader.n_features)
        monkeypatch.setattr(amounts, "WAITING", few)
        monkeypatch.setattr(groups, "PAIRS", few)
        monkeypatch.setattr(noise, "PAIRS", few)
        # Room for a few answers, and then for none.
        monkeypatch.setattr(presence, "SHARE", few * presence.EACH / 2**31)
        again = computed(study)
        for name, table in tables.items():
            pd.testing.assert_frame_equal(getattr(again, name), table, check_exact=True)


def test_above_a_size_words_are_of_a_sample_and_features_and_probes_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = made(prompts=60)
    whole = computed(study)
    assert "sampled" not in whole.summary
    tables = whole.features.drop(columns=WORDS), whole.probes
    monkeypatch.setattr(sampling, "PROMPTS", 20)
    monkeypatch.setattr(compute, "BLOCK", 7)
    some = computed(study)
    pd.testing.assert_frame_equal(some.features.drop(columns=WORDS), tables[0], check_exact=True)
    pd.testing.assert_frame_equal(some.probes, tables[1], check_exact=True)
    assert some.summary["sampled"] == {"prompts": 40, "of": 60}
    assert set(some.phrases["n_prompts"]) <= {40}
    assert some.changes["prompt_id"].nunique() == 40
    words = "Phrases and behaviours are of 40 prompts drawn by the study's seed from 60 prompts; features and"
    assert words in answer.sentence(some)
    pd.testing.assert_frame_equal(computed(study).changes, some.changes)
    # More memory holds all of them, in the same place.
    assert "sampled" not in computed(study, memory=3).summary
    assert computed(study, memory=3).folder == some.folder


def test_a_sample_fits_in_tokens_as_in_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, held = paired(np.full(200, 50), 100), np.ones(200, bool)
    assert sampling.of(pairs, held, 2.0, 0) is pairs
    monkeypatch.setattr(sampling, "TOKENS", 1000)
    some = sampling.of(pairs, held, 2.0, 0)
    assert len(some.prompts) == 20
    assert sampling.of(pairs, held, 2.0, 1).prompts["id"].tolist() != some.prompts["id"].tolist()
    assert {*some.a.tolist()} <= {*pairs.a.tolist()}
    held[pairs.b[7]] = False
    assert len(sampling.of(pairs, held, 200.0, 0).prompts) == 99


def test_differences_of_any_sizes_are_counted_alike_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    coins = []
    for waiting in (10**9, 40):
        monkeypatch.setattr(amounts, "WAITING", waiting)
        random = np.random.default_rng(0)
        counted = Amounts.empty(300, 20)
        for _ in range(300):
            feature = np.flatnonzero(random.random(20) < 0.5)
            # Over forty factors of two, so that the norm rises by many levels on the way.
            size = np.exp2(random.uniform(-20, 20, len(feature))) * random.choice([-1, 1], len(feature))
            counted.add(feature, feature.astype(np.uint8), size.astype(np.float32))
        coins.append(counted.coins())
    for one, other in zip(*coins, strict=True):
        np.testing.assert_array_equal(one, other)
