"""Timelines: tests calibrated under exchangeable order, planted steps placed, and what is left out said."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from diffing.common.errors import UserError
from diffing.diff import like_length, outlier, steps, timeline, told
from diffing.probes import own_probes, scan
from diffing.study.study import Study
from tests.fakes.diff_study import made

KEYS = "abcd"


def answer(prompt: int, checkpoint: str, draw: int) -> str:
    """From c on most answers have bold; hedges rise from checkpoint to checkpoint; one opening comes with d."""
    random = np.random.default_rng([prompt, ord(checkpoint), draw])
    place = KEYS.index(checkpoint)
    text = " ".join(f"w{n}" for n in random.integers(0, 50, int(random.integers(4, 12)))) + "."
    if random.random() < (0.05, 0.05, 0.8, 0.8)[place]:
        text += " **Bold** words."
    if random.random() < (0.05, 0.35, 0.65, 0.95)[place]:
        text += " It might be."
    return f"Right away then: {text}" if place == 3 else text


def found(study: Study) -> pd.DataFrame:
    return timeline.of(study).items.set_index("item")


@pytest.fixture
def four() -> Study:
    return made(answer, prompts=80, keys=KEYS, encoded=False)


def test_false_calls_stay_within_the_level_where_the_order_means_nothing() -> None:
    random = np.random.default_rng(5)
    # Prompts differ in how much they show, and some checkpoints' answers go together: only order means nothing.
    ease = random.random((120, 1, 400)) ** 2
    shares = (random.random((120, 4, 400)) < ease).astype(np.float64)
    amounts = np.exp(random.normal(size=(120, 4, 400)) + random.normal(size=(120, 1, 400)))
    for values in (shares, amounts):
        tested = steps.test(values, seed=1, permutations=999)
        for p in (tested.p_step, tested.p_trend):
            p = p[~np.isnan(p)]
            assert len(p) > 350
            # Three standard errors of 400 tests at 5 %.
            assert (p <= 0.05).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(p))
            assert 0.4 < np.median(p) < 0.6


@pytest.mark.parametrize("split", [1, 2, 4, 5])
def test_a_planted_step_is_placed_within_one_checkpoint(split: int) -> None:
    random = np.random.default_rng(split)
    after = np.arange(6) >= split
    shares = np.where(after, 0.35, 0.2)[None, :, None]
    # Each of two hundred columns is a study of its own.
    tested = steps.test((random.random((100, 6, 200)) < shares).astype(np.float64), seed=0, permutations=199)
    assert (np.abs(tested.split - split) <= 1).mean() >= 0.9
    assert ((tested.split_low <= split) & (split <= tested.split_high)).mean() >= 0.9
    assert np.median(tested.after - tested.before) == pytest.approx(0.15, abs=0.03)


def test_the_p_of_a_step_is_that_of_all_orders() -> None:
    values = np.array([[0, 0, 1], [0, 1, 1], [0, 0, 1], [1, 0, 1], [0, 0, 1], [0, 1, 0]], float)[:, :, None]
    tested = steps.test(values, seed=0, permutations=20_000)
    orders = np.array([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
    weights = steps.contrasts(3)
    moved = (values[:, orders, 0] - values[:, :, 0].mean(axis=1)[:, None, None]) @ weights.T
    sums = moved[0]
    for each in moved[1:]:
        sums = (sums[:, None] + each[None]).reshape(-1, 3)
    observed = np.abs(moved[:, 0].sum(axis=0))
    step, line = np.abs(sums[:, :2]).max(axis=1), np.abs(sums[:, 2])
    assert tested.p_step[0] == pytest.approx((step >= observed[:2].max() - 1e-9).mean(), abs=0.01)
    assert tested.p_trend[0] == pytest.approx((line >= observed[2] - 1e-9).mean(), abs=0.01)


def test_what_was_planted_is_found_where_it_is_and_as_what_it_is(four: Study) -> None:
    items = found(four)
    bold, hedges = items.loc["bold"], items.loc["hedges"]
    assert (bold["changed"], bold["shape"], bold["from"], bold["from_low"], bold["from_high"]) == (
        *(True, "step"),
        *("c", "c", "c"),
    )
    assert bold["change_low"] < bold["change"] < bold["change_high"]
    assert bold["change"] == pytest.approx(bold["after"] - bold["before"])
    assert (hedges["changed"], hedges["shape"]) == (True, "steady")
    assert (hedges["first"], hedges["last"]) == (pytest.approx(0.05, abs=0.08), pytest.approx(0.95, abs=0.08))
    assert not items.loc["emoji", "changed"]
    assert pd.isna(items.loc["emoji", "q_step"])
    said = told.said(timeline.of(four)).whole
    assert "Between b and c an answer more often uses bold (" in said
    assert "Between c and d " in said
    assert (
        "an answer more often hedges (may, might, likely, perhaps) (2 → 100\u00a0%)" in said.split("All along")[1]
    )
    headline = told.said(timeline.of(four)).headline
    numbers = [int(number) for number in re.findall(r"(?:^|: |, | and )(\d+) ", headline)]
    assert headline.startswith(f"{len(told.sure(timeline.of(four)))} things changed along 4 checkpoints: ")
    assert numbers[0] == sum(numbers[1:]) and "between b and c" in headline
    # What comes and goes with a probe is told once.
    assert "says “**Bold**" not in said
    phrases = items[(items["kind"] == "phrase") & items["changed"] & (items["from"] == "d")]
    assert any("Right away" in item for item in phrases.index)
    assert (phrases["n_prompts"] < 80).all()


def test_each_checkpoint_has_its_share_with_an_interval(four: Study) -> None:
    series = timeline.of(four)
    bold = series.points[series.points["item"] == "bold"]
    assert bold["checkpoint"].tolist() == list(KEYS)
    assert (bold["low"] < bold["value"]).all() and (bold["value"] < bold["high"]).all()
    assert bold["value"].mean() == pytest.approx(
        series.items.set_index("item").loc["bold", ["before", "after"]].mean()
    )


def test_only_prompts_that_all_answered_count_and_the_others_are_counted() -> None:
    study = made(answer, prompts=30, keys=KEYS, encoded=False)
    table = study.responses()
    mine = table[table["checkpoint"] == "b"].head(3)
    study.add_responses(mine.assign(text="", flag="empty"))
    series = timeline.of(study)
    assert (series.prompts, series.left_out) == (27, 3)
    assert series.items.loc[series.items["kind"] == "probe", "n_prompts"].unique().tolist() == [27]
    study.add_responses(table[table["checkpoint"] == "b"].assign(text="", flag="failed"))
    with pytest.raises(UserError, match="answered by all of a, b, c, d"):
        timeline.of(study)
    assert timeline.of(study, ["a", "c", "d"]).prompts == 30


def test_own_probes_and_measures_go_along() -> None:
    study = made(answer, prompts=30, keys=KEYS, encoded=False)
    own_probes.add(study, own_probes.made("might", rule=own_probes.rule_of(words="might")))
    table = study.responses()
    late = table["checkpoint"].isin(["c", "d"]).astype(float)
    study.add_measures(table[["prompt_id", "checkpoint", "draw"]].assign(name="score", value=late))
    items = found(study)
    said = told.said(timeline.of(study)).whole
    assert "“score” rose (0 → 100\u00a0%)" in said
    assert items.loc["might", "kind"] == "own"
    assert items.loc["might", "changed"]
    assert items.loc["score", ["kind", "unit", "from", "before", "after"]].tolist() == [
        *("measure", "share", "c"),
        *(0.0, 1.0),
    ]


def test_the_same_study_gives_the_same_timeline(four: Study) -> None:
    pd.testing.assert_frame_equal(timeline.made(four, KEYS).items, timeline.made(four, KEYS).items)


def test_where_no_checkpoint_stands_apart_few_are_said_to() -> None:
    random = np.random.default_rng(9)
    values = (random.random((120, 4, 400)) < random.random((120, 1, 400))).astype(np.float64)
    p = steps.apart(values, seed=1, permutations=999).p
    assert (p <= 0.05).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    values[:, 2] = random.random((120, 400)) < 0.9
    tested = steps.apart(values, seed=1, permutations=199)
    assert (tested.which == 2).mean() > 0.95
    assert (tested.low < tested.one - tested.others).all()


def test_one_of_a_set_stands_apart_whatever_its_place(four: Study) -> None:
    tables = [outlier.of(four, keys).items.set_index("item") for keys in (["a", "b", "d"], ["d", "a", "b"])]
    for table in tables:
        assert table.loc["hedges", ["one", "changed"]].tolist() == ["d", True]
        assert table.loc["hedges", "change"] == pytest.approx(
            table.loc["hedges", "value"] - table.loc["hedges", "others"]
        )
    assert tables[0].loc["hedges", "z"] == pytest.approx(tables[1].loc["hedges", "z"])


def test_a_timeline_is_kept_until_an_answer_changes(four: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    first = timeline.of(four)
    with monkeypatch.context() as patch:
        patch.delattr(timeline, "made")
        again = timeline.of(four)
    pd.testing.assert_frame_equal(first.items, again.items)
    pd.testing.assert_frame_equal(first.points, again.points)
    assert (again.prompts, again.left_out, again.names) == (80, 0, [*KEYS])
    (kept,) = (four.folder / "diffs").iterdir()
    kept.write_text("damaged", encoding="utf-8")
    pd.testing.assert_frame_equal(first.items, timeline.of(four).items)
    four.add_responses(four.responses().head(1).assign(text="", flag="empty"))
    assert timeline.of(four).prompts == 79


@pytest.mark.parametrize("keys", [["a", "b"], ["a", "b", "b"], ["a", "b", "x"]])
def test_a_timeline_takes_three_known_checkpoints(four: Study, keys: list[str]) -> None:
    with pytest.raises(UserError, match="three or more different|no checkpoint 'x'"):
        timeline.of(four, keys)


def test_where_nothing_changed_the_sentence_says_no_more_than_that() -> None:
    study = made(lambda prompt, _key, _draw: f"word{prompt} again.", prompts=30, keys="abc", encoded=False)
    assert told.said(timeline.of(study)).whole == (
        "No change along a, b and c was confirmed on 30 prompts; that does not prove that none is."
    )


def longer(prompt: int, checkpoint: str, draw: int) -> str:
    """From b on answers are mostly longer and begin with “Certainly!”; everywhere one word in ten hedges."""
    random = np.random.default_rng([prompt, ord(checkpoint), draw])
    number = int(random.integers(4, 14 if checkpoint == "a" else 50))
    words = ["perhaps" if chance < 0.1 else f"w{int(100 * chance)}" for chance in random.random(number)]
    return ("" if checkpoint == "a" or prompt % 3 == 0 else "Certainly! ") + " ".join(words) + "."


def test_what_changes_because_answers_get_longer_may_be_length_and_the_rest_is_not() -> None:
    series = timeline.of(made(longer, prompts=120, keys="abc", encoded=False))
    items = series.items.set_index("item")
    assert items.loc["hedges", ["changed", "from"]].tolist() == [True, "b"]
    assert not items.loc["hedges", "survives_equal_length"]
    assert abs(items.loc["hedges", "change_rarefied"]) < 0.1 < items.loc["hedges", "change"]
    assert items.loc["exclaiming opening", "survives_equal_length"]
    assert pd.isna(items.loc["words", "survives_equal_length"])
    said = told.said(series).whole
    assert "hedges" not in said and "may be length alone" in said
    assert told.caution(series).startswith("May be length alone: ") and "hedges" in told.caution(series)
    (kept,) = (Study.open("study").folder / "diffs").iterdir()
    read = timeline.of(Study.open("study")).items.set_index("item")
    assert kept.exists() and read["survives_equal_length"].equals(items["survives_equal_length"])


def test_the_chance_of_as_many_words_is_that_of_drawing_them() -> None:
    texts = ["perhaps one two three four perhaps five six", "seven perhaps eight"]
    words = like_length.Words.of(texts, 2)
    assert (words.length.tolist(), words.cut.tolist()) == ([8, 3], [3, 3])
    column = scan.NAMES.index("hedges")
    chance = words.chances(scan.scan(texts))[:, column]
    # Two of eight words, three drawn: 1 - C(6, 3) / C(8, 3).
    assert chance.tolist() == pytest.approx([1 - 20 / 56, 1.0])


def test_a_small_word_that_changed_has_no_line_and_is_counted(four: Study) -> None:
    series = timeline.of(four)
    bold = series.items[series.items["item"] == "bold"]
    small = bold.assign(item="the", kind="phrase", says="says “the”")
    sentences = [
        told.said(replace(series, items=pd.concat(rows, ignore_index=True))).whole
        for rows in ([bold], [bold, small])
    ]
    assert [said.rpartition(". ")[2] for said in sentences] == [
        "Nothing else changed for sure.",
        "1 more thing changed.",
    ]
    assert "says “the”" not in sentences[1]


def test_a_study_of_two_is_told_so() -> None:
    with pytest.raises(UserError, match="has two checkpoints; a timeline takes three"):
        timeline.of(made(prompts=3, encoded=False))
