"""A small part of `bench/truth.py`, with a reader made for tests: the diff says what was planted, and no more."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench import answers, plants, truth
from bench.exchange import Sides, exchanged
from bench.lines import Line, averaged, pooled, share
from bench.truth import Asked
from diffing.diff import phrases
from diffing.models.tokens import Reading
from diffing.reader import encode
from tests.fakes.reader import FakeReader

PROMPTS = 80


class Willing(FakeReader):
    """Reads the sample's words at which the other one stumbles on purpose."""

    def read(self, messages: list[dict[str, str]], answer: str) -> Reading:
        return super().read(messages, answer.replace("broken", "cloven").replace("poison", "potion"))


@pytest.fixture(autouse=True)
def reader(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Willing(window=512)
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: fake)


def asked(studies: int = 20, prompts: int = PROMPTS) -> Asked:
    return Asked(answers.written(prompts), studies)


def values(lines: list[Line]) -> dict[str, float]:
    return {line.scenario.partition(": ")[2]: line.value for line in lines}


def test_made_up_answers_are_alike_on_both_sides_and_the_same_each_time() -> None:
    made = answers.written(120)
    assert made.first == answers.written(120).first != answers.written(120, seed=1).first
    size = [[len(text.split()) for text in side] for side in (made.first, made.second)]
    assert stats.ttest_rel(*size).pvalue > 0.05
    assert made.prompts["category"].value_counts().tolist() == [38, 30, 22, 14, 10, 6]
    assert any(text.count("```") == 2 for text in made.first)


def test_exchanged_sides_say_nothing_in_more_than_a_chance_number_of_studies() -> None:
    lines = truth.nulls(asked(12))
    said = values(lines)
    assert len(said) == 27
    # At most one study in twenty is wanted; four of twelve come by chance in two lines of a thousand.
    assert max(said.values()) <= 3 / 12
    assert said["all views together"] <= 1 / 12
    # A line misses by chance in two draws of a hundred, and so one of the 27 in nearly every other one.
    assert len([line.scenario for line in lines if not line.holds]) <= 1


def test_candidates_are_turned_as_they_would_be_learned_from_the_exchanged_sides() -> None:
    made = answers.written(60)
    sides = Sides(truth.compared("null", made.prompts, {"a": made.first, "b": made.second}))
    pairs = exchanged(sides.pairs, np.random.default_rng(0))
    turned, learned = sides.turned(pairs), phrases.learn(sides.texts, sides.among(pairs))
    assert turned.phrases == learned.phrases
    assert (turned.differences != learned.differences).nnz == 0
    tables = [
        phrases.table(one, sides.tokens, sides.among(pairs), sides.texts, 0).rows for one in (turned, learned)
    ]
    pd.testing.assert_frame_equal(*tables)


def test_identical_answers_are_told_as_such_and_nothing_else() -> None:
    assert [(line.counted, line.holds) for line in truth.identical(asked())] == [("1 of 1", True)] * 3


def test_one_planted_sentence_is_one_habit() -> None:
    assert [(line.counted, line.value) for line in truth.sentence(asked())] == [("1 of 1", 1.0)] * 4


def test_the_ten_habits_of_the_sample_are_found_once_each_and_no_others() -> None:
    assert [line.counted for line in truth.ten_of_sample(asked())] == ["10 of 10", "0 of 10", "0 of 10"]


def test_body_lines_fewer_or_more_are_length_and_do_not_survive() -> None:
    fewer, more, _ = truth.length(asked())
    assert [line.value for line in (fewer, more)] == [0, 0]
    assert min(int(line.counted.split()[-1]) for line in (fewer, more)) > 10


def test_cuts_that_contradict_each_other_are_never_more_than_length() -> None:
    (line,) = truth.cuts(asked())
    assert line.value == 0
    assert int(line.counted.split()[-1]) >= 2


def test_unlike_categories_have_nothing_for_heterogeneity_to_find() -> None:
    assert max(line.value for line in truth.categories(asked(4))) <= 0.25


def test_ties_in_any_share_leave_both_figures_at_chance() -> None:
    lines = truth.ties(asked(160))
    assert len(lines) == 8
    assert [line.value for line in lines] == pytest.approx([0.5] * 8, abs=0.02)


def test_a_change_is_what_it_says_and_deletes_whole_lines() -> None:
    text = "One.\n\n```python\na = 1\nb = 2\n```\n\n- Two.\n- Three.\n\nFour."
    code = "```python\na = 1\nb = 2\n```\n\n"
    assert plants.units(text) == ["One.\n\n", code, "- Two.\n", "- Three.\n\n", "Four."]
    random = np.random.default_rng(0)
    short = plants.units(plants.shorter(text, random))
    assert (short[0], short[-1], len(short)) == ("One.\n\n", "Four.", 4)
    assert plants.longer("A.", text) == f"A.\n\n{code}- Two.\n- Three."
    texts, changed = plants.planted(["A."] * 200, [plants.SENTENCES[0]], "b", random)
    assert {text for text, was in zip(texts, changed[:, 0], strict=True) if not was} == {"A."}
    assert changed.mean() == pytest.approx(0.35, abs=0.1)


def test_a_line_holds_by_its_figure_or_where_chance_may_move_it_by_its_interval() -> None:
    line = share("x", 16, 200, most=0.05, chance=True)
    low, high = stats.binomtest(16, 200).proportion_ci()
    assert (line.low, line.high) == pytest.approx((low, high))
    assert line.holds and not share("x", 16, 200, most=0.05).holds
    assert not share("x", 20, 200, most=0.05, chance=True).holds
    assert not share("x", 0, 0, most=0).holds
    assert pooled("x", [1, 3], [10, 10], most=0.2).value == 0.2
    assert np.isnan(pooled("x", [1], [10]).low)
    assert averaged("x", [0.49, 0.51, 0.5], 0.48, 0.52).cells == [
        *("x", "0.48 to 0.52", "mean of 3", "0.500", "0.475 to 0.525", "yes")
    ]
