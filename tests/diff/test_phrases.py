"""The table of phrases: figures as plain counting and scipy have them, honest where nothing changed."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, false_discovery_control

from diffing import Study, diff
from diffing.diff import phrases
from diffing.diff.stored import Diff
from diffing.probes import learned
from diffing.probes.phrases import Phrase
from diffing.reader import encode
from tests.fakes import said
from tests.fakes.diff_study import computed, made
from tests.fakes.reader import FakeReader

PROMPTS = 90


def tabled(texts: list[str], seed: int | None = None) -> tuple[pd.DataFrame, int]:
    """The table of texts whose every character is a token, with sides exchanged by a seed."""
    pairs = said.pairs(len(texts) // 2)
    tokens = said.characters(texts)
    pairs = said.with_lengths(pairs if seed is None else said.exchanged(pairs, seed), tokens)
    found = phrases.table(phrases.learn(texts, pairs), tokens, pairs, texts, 0)
    return found.rows, found.tested


def test_each_row_is_what_plain_counting_and_scipy_say() -> None:
    texts = said.texts(PROMPTS, planted=0.4)
    table, tested = tabled(texts)
    assert 0 < len(table) <= learned.KEPT < tested
    plainly = [said.plainly(text) for text in texts]
    for row in table.to_dict("records"):
        phrase = phrases.read(row["form"])
        shows = np.array([(phrase.kind, phrase.symbols) in seen for seen in plainly]).reshape(2, -1)
        more_a, more_b = int(np.sum(shows[0] & ~shows[1])), int(np.sum(shows[1] & ~shows[0]))
        assert (row["discordant_a"], row["discordant_b"]) == (more_a, more_b)
        assert (row["frequency_a"], row["frequency_b"]) == pytest.approx(tuple(shows.mean(axis=1)))
        assert row["p"] == pytest.approx(binomtest(more_b, more_a + more_b).pvalue, rel=1e-12)


def test_the_planted_phrases_lead_and_are_corrected_for_all_that_were_tested() -> None:
    texts = said.texts(PROMPTS, planted=0.4)
    table, tested = tabled(texts)
    first = table.iloc[0]
    assert (first["phrase"], first["replicated"]) == ("opens with “Certainly!”", "yes")
    assert "begins its last sentence with “Let me know if”" in first["also"].split("; ")
    # As few as two are called, so each is corrected as if all others were no less likely.
    assert first["q"] >= first["p"] * tested / len(table)
    rest = table[~table["phrase"].str.contains("Let me|Certainly")]
    assert (len(rest) > 20, rest["q"].min() > 0.05) == (True, True)


def test_q_is_over_all_candidates_and_not_over_the_kept_ones() -> None:
    texts = said.texts(PROMPTS, planted=0.4)
    pairs = said.with_lengths(said.pairs(PROMPTS), tokens := said.characters(texts))
    many = phrases.learn(texts, pairs)
    p, plainly = [], [said.plainly(text) for text in texts]
    for phrase in many.phrases:
        shows = np.array([(phrase.kind, phrase.symbols) in seen for seen in plainly]).reshape(2, -1)
        more_a, more_b = int(np.sum(shows[0] & ~shows[1])), int(np.sum(shows[1] & ~shows[0]))
        p.append(binomtest(more_b, more_a + more_b).pvalue)
    wanted = dict(zip(many.phrases, false_discovery_control(p), strict=True))
    table, tested, _ = phrases.table(many, tokens, pairs, texts, 0)
    assert tested == len(many.phrases)
    without = {Phrase(one.kind, one.symbols): one for one in map(phrases.read, table["form"])}
    for phrase, q in zip(without, table["q"], strict=True):
        assert q == pytest.approx(wanted[phrase], rel=1e-9)


def test_where_nothing_changed_few_studies_find_anything() -> None:
    texts = said.texts(PROMPTS, seed=3)
    studies = 60
    found = [tabled(texts, seed)[0] for seed in range(studies)]
    for column in ("q", "q_discovery", "q_equal_length", "q_rate", "q_mean", "q_heterogeneity"):
        finding = sum(bool((table[column] < 0.05).any()) for table in found)
        # 5 % of 60 are 3; nine and more would come in one of 500 such series.
        assert finding <= 8, column
    assert sum(bool((table["replicated"] == "yes").any()) for table in found) <= 1
    # Not because there was nothing to find: the same p, taken alone, are as small as they should be.
    p = np.concatenate([table["p"].to_numpy() for table in found])
    assert np.mean(p < 0.05) > 0.05


def test_kept_phrases_are_no_more_likely_than_chance_on_held_out_prompts() -> None:
    texts = said.texts(PROMPTS, seed=5)
    signs = [np.sign(t["delta_discovery"] * t["delta_heldout"]) for t in (tabled(texts, s)[0] for s in range(40))]
    each = np.array([sign[sign != 0].mean() for sign in signs])
    assert abs(each.mean()) < 3 * each.std(ddof=1) / len(each) ** 0.5


def test_an_answer_that_never_differs_has_no_phrases() -> None:
    texts = said.texts(20)[:20] * 2
    table, tested = tabled(texts)
    assert (len(table), tested) == (0, 0)
    assert {"phrase", "form", "also", "q", "q_heterogeneity", "verdict"} <= set(table.columns)


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Iterator[Diff]:
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: FakeReader(window=64))
    yield computed(made())


def test_a_diff_has_its_phrases(stored: Diff) -> None:
    table = stored.phrases
    assert (table["phrase"].iloc[0], stored.summary["tested_phrases"] > 0) == ("ends with “**Bold**”", True)
    assert phrases.read(table["form"].iloc[0]).matches("so **Bold**")
    pd.testing.assert_frame_equal(table, diff.load(Study.open("study"), "a", "b").phrases)


def test_a_diff_made_before_there_were_phrases_opens_with_none(stored: Diff) -> None:
    columns = set(stored.phrases.columns)
    (stored.folder / "phrases.parquet").unlink()
    summary = {name: value for name, value in stored.summary.items() if name != "tested_phrases"}
    old = Diff(stored.folder, stored.a, stored.b, stored.settings, summary)
    old.check()
    assert len(old.phrases) == 0
    assert set(old.phrases.columns) <= columns
