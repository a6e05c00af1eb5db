"""Phrases learned from answers: as many as plain counting finds, the same whichever side is which, found again."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffing.diff import phrases as diff_phrases
from diffing.probes import learned, phrases
from diffing.probes.learned import Learned, Pairs
from diffing.probes.phrases import Phrase
from tests.fakes import said
from tests.fakes.markup import MARKUP


def counted(texts: list[str], pairs: Pairs) -> dict[tuple[str, tuple[str, ...]], tuple[int, ...]]:
    """By phrase of at least six discovery answers, its difference on each discovery prompt where six differ."""
    shows = {int(number): said.plainly(texts[number]) for number in pairs.text}
    often = Counter(phrase for seen in shows.values() for phrase in seen)
    differences: dict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(lambda: [0] * (max(pairs.prompt) + 1))
    for number, prompt, sign in zip(*(part.tolist() for part in pairs), strict=True):
        for phrase in shows[number]:
            if often[phrase] >= learned.LEAST:
                differences[phrase][prompt] += sign
    return {name: tuple(d) for name, d in differences.items() if np.count_nonzero(d) >= learned.LEAST}


def found(texts: list[str], prompts: int, draws: int = 1, level: float = 0.05) -> tuple[Learned, Pairs]:
    pairs = diff_phrases.discovery(said.pairs(prompts, draws))
    return learned.learn(texts, pairs, level), pairs


@pytest.mark.parametrize("draws", [1, 2])
def test_candidates_are_those_that_plain_counting_finds(draws: int) -> None:
    texts = said.texts(60, draws, planted=0.5)
    # With so large a level none is dropped for what it could not reach.
    many, pairs = found(texts, 60, draws, level=1e9)
    groups: dict[tuple[int, ...], set[tuple[str, tuple[str, ...]]]] = defaultdict(set)
    for name, difference in counted(texts, pairs).items():
        groups[difference].add(name)
    table = [tuple(row) for row in many.differences.toarray().tolist()]
    assert len(table) == len(set(table))
    assert set(table) == set(groups)
    for phrase, difference, like in zip(many.phrases, table, many.like, strict=True):
        group = sorted((Phrase(kind, signs) for kind, signs in groups[difference]), key=learned.telling)
        assert phrase == group[0]
        assert sorted(map(repr, like)) == sorted(map(repr, group[1:]))[: len(like)] or len(group) > learned.ALSO
        assert len(like) == min(learned.ALSO, len(group) - 1)


def test_too_few_differing_prompts_to_be_called_make_no_test() -> None:
    texts = said.texts(60, planted=0.5)
    everything, some = found(texts, 60, level=1e9)[0], found(texts, 60)[0]
    differing = np.count_nonzero(everything.differences.toarray(), axis=1)
    # By hand: the smallest number at which those that have as many are few enough.
    least = next(k for k in range(6, 61) if 2.0 ** (1 - k) * np.sum(differing >= k) <= 0.05 * learned.KEPT)
    assert least > 6
    kept = {phrase for phrase, n in zip(everything.phrases, differing, strict=True) if n >= least}
    assert set(some.phrases) == kept


def test_exchanging_sides_changes_no_candidate() -> None:
    texts = said.texts(60, planted=0.5)
    before = found(texts, 60)[0]
    for seed in range(5):
        turned = diff_phrases.discovery(said.exchanged(said.pairs(60), seed))
        after = learned.learn(texts, turned, 0.05)
        assert after.phrases == before.phrases
        assert after.like == before.like
        assert (abs(after.differences) != abs(before.differences)).nnz == 0


def test_held_out_answers_teach_nothing() -> None:
    texts = said.texts(60, planted=0.5)
    pairs = said.pairs(60)
    held = [int(n) for n in pairs.a[pairs.prompts["split"].to_numpy()[pairs.row] == "held-out"]]
    changed = ["Certainly! Quite another thing. " * 3 if n in held else text for n, text in enumerate(texts)]
    assert found(changed, 60)[0].phrases == found(texts, 60)[0].phrases


def test_every_occurrence_is_where_the_phrase_itself_finds_it() -> None:
    texts = said.texts(60, planted=0.5)
    many = found(texts, 60)[0]
    places = many.spans
    cells = list(zip(places.document.tolist(), places.probe.tolist(), strict=True))
    assert cells == sorted(cells)
    by_cell = defaultdict(list)
    for cell, start, end in zip(cells, places.start.tolist(), places.end.tolist(), strict=True):
        by_cell[cell].append((start, end))
    for document, text in enumerate(texts):
        for number, phrase in enumerate(many.phrases):
            assert by_cell[document, number] == phrases.spans(text, phrase), (phrase, text)


def test_of_those_that_differ_alike_the_one_that_says_most_stands_for_all() -> None:
    texts = said.texts(60, planted=0.5)
    many = found(texts, 60)[0]
    d = many.differences.toarray()
    p = np.array([2.0 ** -abs(row.sum()) for row in d])
    chosen = learned.kept(many, p)
    heads = [many.phrases[choice.candidate] for choice in chosen]
    assert Phrase("opening", ("Certainly", "!")) in heads
    row = chosen[heads.index(Phrase("opening", ("Certainly", "!")))]
    # It stands for its own beginning, and for the ending that was planted on the same prompts.
    assert Phrase("opening", ("Certainly",)) in row.also
    assert Phrase("last sentence", ("Let", "me", "know", "if")) in row.also
    assert Phrase("last sentence", ("Let", "me", "know", "if")) not in heads
    assert len(chosen) <= learned.KEPT
    # No two kept ones differ on nearly the same prompts, but for what stands in for a better founded one.
    size = np.sqrt((d**2).sum(axis=1))
    best = [choice.candidate for choice in chosen]
    near = (d[best] / size[best, None]) @ (d[best] / size[best, None]).T
    assert np.sum(np.triu(near, 1) >= learned.ALIKE) == 0


def test_what_was_not_tested_is_not_kept() -> None:
    many = found(said.texts(60, planted=0.5), 60)[0]
    assert learned.kept(many, np.full(len(many.phrases), np.nan)) == []


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text() | MARKUP, max_size=12), st.integers(0, 6))
def test_any_texts_can_be_learned_from(texts: list[str], prompts: int) -> None:
    prompts = min(prompts, len(texts) // 2)
    number = np.arange(prompts)
    pairs = Pairs(np.concatenate([number, number + prompts]), np.tile(number, 2), np.repeat([-1, 1], prompts))
    many = learned.learn(texts, pairs, 0.05)
    assert many.spans.texts == len(texts)
    assert len(many.phrases) == many.differences.shape[0]
