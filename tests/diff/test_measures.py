"""Measures compared: against a McNemar test, a bootstrap and a z of their own, by hand, and under the null."""

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, norm, t, ttest_ind

from diffing.diff import followed, measured, measures, steps, timeline
from diffing.gate import items
from diffing.models.providers import Checkpoint
from diffing.study import imports
from diffing.study.study import Study
from tests.fakes import gated_study, logs

Scores = Sequence[float] | np.ndarray[Any, Any]


def study_of(prompts: int, name: str = "scored", **more: Any) -> Study:
    table = pd.DataFrame({"text": [f"Question {number}" for number in range(prompts)], **more})
    return Study.create(name, [Checkpoint(key=key, name=key, source="import") for key in "ab"], table)


def add(
    study: Study, a: Scores, b: Scores, name: str = "correct", higher: bool | None = True, draw: int = 0
) -> None:
    """A score for each prompt and side; NaN where there is none."""
    rows = [
        {"prompt_id": each, "checkpoint": key, "draw": draw, "name": name, "value": v, "higher_is_better": higher}
        for key, values in (("a", a), ("b", b))
        for each, v in zip(study.prompts()["id"], values, strict=True)
    ]
    study.add_measures(pd.DataFrame(rows))


def made(a: Scores, b: Scores, of: str = "correct", higher: bool | None = True, name: str = "scored") -> Study:
    study = study_of(len(a), name)
    add(study, a, b, of, higher)
    return study


def only(study: Study, **how: Any) -> dict[Any, Any]:
    table = measures.table(study, "a", "b", **how)
    assert len(table) == 1
    return dict(table.iloc[0])


def test_a_yes_or_no_measure_has_mcnemars_p_and_says_which_side_is_better() -> None:
    row = only(made([1] * 10 + [0] * 10, [0] * 9 + [1] + [1] + [0] * 9))
    told = {name: row[name] for name in ("kind", "n_prompts", "draws", "mean_a", "mean_b", "better", "verdict")}
    assert told == {
        "kind": "yes/no",
        "n_prompts": 20,
        "draws": 1,
        "mean_a": 0.5,
        "mean_b": 0.1,
        "better": "A",
        "verdict": "differs",
    }
    assert (row["discordant_a"], row["discordant_b"], row["delta"]) == (9, 1, -0.4)
    assert row["p"] == row["q"] == pytest.approx(binomtest(1, 10).pvalue)
    assert row["ci_low"] < -0.4 < row["ci_high"] < 0
    assert measured.told(row) == "correct 50\u00a0% → 10\u00a0%, q = 0.021: differs, A is better"


def test_two_logs_of_inspect_give_an_independent_mcnemar_and_a_paired_bootstrap() -> None:
    folder = logs.INSPECT
    brought = logs.brought(folder / "questions-before.eval", folder / "questions-after.eval")
    study = imports.into("asked", brought)
    found = measures.table(study, *study.sides()).set_index("measure")
    names = brought.checkpoints
    for name in found.index:
        sides = [pd.Series(logs.numbers(brought, name, key)) for key in names]
        both = pd.concat(sides, axis=1, keys=["a", "b"], sort=True)
        pairs = both.dropna()
        by_prompt = pairs.groupby(level=0).mean()
        difference = (by_prompt["b"] - by_prompt["a"]).to_numpy()
        row = found.loc[name]
        assert row["delta"] == pytest.approx(difference.mean())
        assert row["alone_a"] == (both["a"].notna() & both["b"].isna()).sum()
        n, again = len(difference), np.random.default_rng(0)
        # Of yes or no our bootstrap has two prompts more, which differ by one draw of two each way.
        more = np.array([*difference, 0.5, -0.5]) if row["kind"] == "yes/no" else difference
        drawn = more[again.integers(len(more), size=(100_000, len(more)))].mean(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975])
        if row["kind"] == "yes/no":
            # A resample of a few draws moves by sixteenths; the ends may fall on either side of one.
            assert [row["ci_low"], row["ci_high"]] == pytest.approx([low, high], abs=1 / 16 + 1e-9)
        else:
            # Student's interval of so few prompts is wider than any bootstrap's.
            assert row["ci_low"] < low and high < row["ci_high"]
        flips = [abs(np.dot(signs, difference)) for signs in product((-1, 1), repeat=n)]
        exact = np.mean(np.array(flips) >= abs(difference.sum()) * (1 - 1e-9))
        # What lies on no grid is rounded to coins.
        assert row["p"] == pytest.approx(exact, abs=2 / 2**n if row["kind"] == "number" else 1e-12)
    # The same of the first epoch alone is McNemar's test itself.
    first = imports.into("first", brought._replace(measures=brought.measures[brought.measures["draw"] == 0]))
    row = measures.table(first, *first.sides()).set_index("measure").loc["match"]
    wide = pd.concat(
        [pd.Series({k: v for k, v in logs.numbers(brought, "match", key).items() if not k[1]}) for key in names],
        axis=1,
    ).dropna()
    less, more = int((wide[1] < wide[0]).sum()), int((wide[1] > wide[0]).sum())
    assert (row["draws"], row["discordant_a"], row["discordant_b"]) == (1, less, more)
    assert row["p"] == pytest.approx(binomtest(less, less + more).pvalue) and less + more > 0


def test_the_interval_is_that_of_a_paired_bootstrap() -> None:
    random = np.random.default_rng(1)
    a = random.normal(5, 2, 200)
    b = a + random.normal(0.1, 1, 200)
    row = only(made(a, b, "judge"))
    drawn = (b - a)[random.integers(200, size=(20_000, 200))].mean(axis=1)
    # The bootstrap's own error at 200 prompts is a few hundredths of the interval's width.
    assert [row["ci_low"], row["ci_high"]] == pytest.approx(np.quantile(drawn, [0.025, 0.975]).tolist(), abs=0.02)
    assert row["kind"] == "number"


def test_the_z_without_pairing_stands_beside_and_says_what_pairing_bought() -> None:
    random = np.random.default_rng(2)
    a = (random.random(400) < 0.7).astype(float)
    b = np.where(random.random(400) < 0.1, 1 - a, a)
    row = only(made(a, b))
    apart = math.sqrt(a.var(ddof=1) / 400 + b.var(ddof=1) / 400)
    assert row["se_unpaired"] == pytest.approx(apart)
    assert row["z_unpaired"] == pytest.approx(ttest_ind(b, a, equal_var=False).statistic)
    assert row["p_unpaired"] == pytest.approx(2 * norm.sf(abs(row["z_unpaired"])))
    assert row["gain"] == pytest.approx(apart / (np.std(b - a, ddof=1) / 20))
    assert measured.bought(row).endswith(
        f"without pairs it would take {row['gain'] ** 2:.1f} times as many prompts"
    )


def test_draws_are_averaged_by_prompt_and_a_number_on_one_side_is_left_out_and_counted() -> None:
    study = study_of(9)
    add(study, [0] * 8 + [math.nan], [1] * 8 + [1])
    add(study, [1] * 8 + [1], [1, math.nan] + [0] * 6 + [math.nan], draw=1)
    row = only(study)
    # The second prompt has one draw on both sides, the ninth none: 1 against 0.5, 1 against 0, six times a tie.
    assert (row["n_prompts"], row["draws"], row["alone_a"], row["alone_b"]) == (8, 2, 2, 1)
    assert [row["mean_a"], row["mean_b"]] == pytest.approx([7 * 0.5 / 8, (1 + 1 + 6 * 0.5) / 8])
    assert (row["discordant_a"], row["discordant_b"], row["p"]) == (0, 2, pytest.approx(0.5))
    assert math.isnan(row["q"])
    assert measured.left_out(row) == "left out: 2 answers of A and 1 answer of B"


def test_a_measure_of_one_side_has_no_figures_and_a_study_without_measures_no_rows() -> None:
    row = only(made([1.0, 0.0], [math.nan, math.nan]))
    assert (row["n_prompts"], row["alone_a"], row["alone_b"], row["verdict"]) == (0, 2, 0, "cannot tell")
    assert all(math.isnan(row[name]) for name in ("mean_a", "delta", "ci_low", "p", "q", "needed", "z_unpaired"))
    assert measured.told(row) == "correct: on one side alone (2 answers of A)"
    empty = measures.table(study_of(4, name="empty"), "a", "b")
    assert (len(empty), list(empty)) == (0, list(measures.COLUMNS))


@pytest.mark.parametrize(
    ("value", "count", "verdict"), [(1.0, 20, "cannot tell"), (1.0, 400, "no change"), (7.0, 400, "cannot tell")]
)
def test_a_measure_that_never_differs(value: float, count: int, verdict: str) -> None:
    row = only(made([value] * count, [value] * count))
    # Of a number that is the same everywhere nobody knows how much it might differ.
    assert (row["verdict"], row["p"], math.isnan(row["ci_low"])) == (verdict, 1.0, value == 7)
    assert "the same on every prompt" in measured.told(row)


@pytest.mark.parametrize("scale", [1e-12, 1e-7, 1.0, 1e9, 1e140])
def test_the_unit_of_a_number_changes_no_test(scale: float) -> None:
    random = np.random.default_rng(4)
    a, b = random.normal(5, 1, 30), random.normal(5.6, 1, 30)
    row, plain = only(made(a * scale, b * scale, str(scale))), only(made(a, b, "plain", name="plain"))
    assert [row["delta"] / scale, row["p"], row["z_unpaired"], row["verdict"]] == [
        pytest.approx(plain["delta"]),
        pytest.approx(plain["p"], rel=0.02),
        pytest.approx(plain["z_unpaired"]),
        plain["verdict"],
    ]


def test_numbers_that_no_square_holds_are_left_out() -> None:
    row = only(made([1e300, 1.0, 2.0], [-1e300, 2.0, 1.0]))
    assert (row["n_prompts"], row["delta"], row["p"]) == (2, 0.0, 1.0)


def test_what_cannot_be_told_says_how_many_prompts_it_would_take() -> None:
    a, b = [1.0] * 71 + [0.0] * 29, [1.0] * 60 + [0.0] * 11 + [1.0] * 14 + [0.0] * 15
    row = only(made(a, b, "accuracy"))
    low, high = (row["ci_low"] + row["ci_high"]) / 2 + np.array([-1, 1]) * (row["ci_high"] - row["ci_low"]) / 2 * (
        1.645 / 1.96
    )
    assert row["needed"] == pytest.approx(100 * ((high - low) / 2 / max(0.03, 0.05 - 0.03)) ** 2, rel=0.05)
    assert measured.told(row) == (
        f"accuracy 71\u00a0% → 74\u00a0%, q = 0.69: cannot tell, would take about "
        f"{10 * round(row['needed'] / 10):,} prompts"
    )


def test_all_measures_are_one_family_and_categories_another() -> None:
    study = study_of(40, category=["sums"] * 20 + ["towns"] * 20)
    add(study, [0.0] * 40, [1.0] * 8 + [0.0] * 32, "up")
    add(study, [0.0] * 40, [1.0] * 7 + [0.0] * 33, "also up")
    add(study, [0.5] * 40, [0.5] * 40, "flat", None)
    whole = measures.table(study, "a", "b").set_index("measure")
    assert whole["q"].fillna(-1).tolist() == pytest.approx([2 * 2 / 2**7 / 2, -1, 2 * 2 / 2**7 / 2])
    parts = measures.table(study, "a", "b", by_category=True)
    assert list(zip(parts["measure"], parts["category"], parts["n_prompts"], strict=True)) == [
        (name, category, 20) for name in ("also up", "flat", "up") for category in ("sums", "towns")
    ]
    assert parts["delta"].tolist() == [0.35, 0, 0, 0, 0.4, 0]


@pytest.mark.parametrize("kind", ["yes/no", "draws", "number"])
def test_under_the_null_one_in_twenty_is_found_at_most(kind: str) -> None:
    random, times, n = np.random.default_rng(3), 200, 40
    study = study_of(n, category=["x", "y"] * (n // 2))
    ids = np.tile(np.repeat(study.prompts()["id"].to_numpy(), 2), times)
    hard = random.beta(2, 1, (times, n, 1))
    rows = []
    for draw in range(3 if kind == "draws" else 1):
        shown = random.random((times, n, 2)) < hard
        values = np.exp(random.normal(hard * 3, 1, (times, n, 2))) if kind == "number" else shown.astype(float)
        frame = pd.DataFrame({"prompt_id": ids, "checkpoint": np.tile(["a", "b"], times * n), "draw": draw})
        rows.append(frame.assign(name=np.repeat(np.arange(times), 2 * n).astype(str), value=values.ravel()))
    study.add_measures(pd.concat(rows))
    found = measures.table(study, "a", "b")
    # Three standard deviations of a share of 5 % of 200.
    most = 0.05 + 3 * math.sqrt(0.05 * 0.95 / times)
    assert (found["p"] < 0.05).mean() <= most
    assert ((found["ci_low"] > 0) | (found["ci_high"] < 0)).mean() <= most
    assert (found["q"] < 0.05).sum() <= 1
    assert (found["p_heterogeneity"] < 0.05).mean() <= most
    assert found["outside_noise"].isna().all() if kind != "draws" else found["outside_noise"].mean() <= most


def test_what_two_runs_differ_by_is_told_from_the_draws_and_from_nothing_else() -> None:
    random, n = np.random.default_rng(5), 200
    hard = random.random(n)
    study = study_of(n)
    for draw in range(2):
        same, better = (random.random((2, n)) < np.stack([hard, hard + gain]) for gain in (0, 0.15))
        add(study, same[0] * 1.0, same[1] * 1.0, "same", draw=draw)
        add(study, better[0] * 1.0, better[1] * 1.0, "better", draw=draw)
        # Prompts differ, draws do not: two runs come out alike, whatever the sides.
        add(study, np.round(hard), np.roll(np.round(hard), 1), "fixed", draw=draw)
    found = measures.table(study, "a", "b").set_index("measure")
    # By hand, of independent answers: the variance of a mean of two draws, over both sides.
    expected = 1.96 * math.sqrt((hard * (1 - hard)).mean() / n)
    assert found.loc["same", "noise_band"] == pytest.approx(expected, rel=0.15)
    assert found["outside_noise"].to_dict() == {"better": True, "fixed": False, "same": False}
    assert found.loc["fixed", "noise_band"] == 0
    assert "no more than two runs of one checkpoint differ by (up to" in measured.more(dict(found.loc["same"]))


def test_categories_that_go_opposite_ways_are_called_unlike_and_widen_the_interval_over_them() -> None:
    random, n = np.random.default_rng(6), 240
    category = np.arange(n) % 8
    a = random.normal(5, 1, n)
    study = study_of(n, category=[f"task {each}" for each in category])
    add(study, a, a + random.normal(0, 1, n), "alike")
    add(study, a, a + np.where(category % 2, 1.5, -1.5) + random.normal(0, 1, n), "opposite")
    found = measures.table(study, "a", "b").set_index("measure")
    assert found.loc["opposite", "q_heterogeneity"] < 0.01 < 0.05 < found.loc["alike", "q_heterogeneity"]
    # With categories of one size it is Student's interval of the categories' means.
    row = found.loc["opposite"]
    means = pd.Series(_difference(study, "opposite")).groupby(category).mean()
    low, high = t.interval(0.95, 7, means.mean(), means.std(ddof=1) / math.sqrt(8))
    assert [row["ci_low_tasks"], row["ci_high_tasks"]] == pytest.approx([low, high])
    assert row["ci_low_tasks"] < row["ci_low"] and row["tasks"] == 8
    said = measured.by_task(dict(row))
    assert (
        said.startswith("not the same in all categories (q = ") and "its 8 categories as a sample of more" in said
    )
    assert measures.table(study, "a", "b", by_category=True)["q_heterogeneity"].isna().all()


def _difference(study: Study, name: str) -> list[float]:
    """B less A by prompt, in the prompts' order."""
    numbers = study.measures()
    numbers = numbers[numbers["name"] == name]
    wide = numbers.pivot(index="prompt_id", columns="checkpoint", values="value")
    return list((wide["b"] - wide["a"]).reindex(study.prompts()["id"]))


def test_the_gate_sees_another_number_as_a_share_of_its_mean_and_no_measure_of_one_side() -> None:
    study = made([10.0] * 8 + [math.nan, 99.0], [30.0] * 8 + [99.0, math.nan], "tokens", None)
    add(study, [1.0] * 10, [math.nan] * 10, "lonely")
    stored: Any = type("Stored", (), {"a": "a", "b": "b"})
    (item,) = items._measures(study, stored)
    assert (item.name, item.kind, item.prompts, item.share_a, item.share_b, item.delta, item.higher) == (
        "tokens",
        "amount",
        8,
        10,
        30,
        1.0,
        None,
    )
    assert item.q == pytest.approx(2 / 2**8)


def test_which_side_is_better_follows_from_what_the_tool_said() -> None:
    worse = gated_study.item(what="measure", delta=-0.1)
    assert [worse._replace(higher=higher).better for higher in (True, False, None)] == ["A", "B", ""]
    assert worse._replace(higher=True, delta=0.1).better == "B"


@pytest.mark.parametrize("kind", ["yes/no", "share", "number"])
@pytest.mark.parametrize("draws", [1, 2])
def test_a_series_of_two_has_the_same_mean_p_and_interval_as_a_comparison(kind: str, draws: int) -> None:
    random = np.random.default_rng([draws, len(kind)])
    study = study_of(80)
    for draw in range(draws):
        both = random.random((2, 80)) + [[0.15], [0.0]]
        scaled = {"yes/no": (both > 0.6).astype(np.float64), "share": both / 2, "number": 9 * both}
        a, b = scaled[kind]
        # Some have no partner, and count on neither side.
        b[:5] = np.nan
        add(study, a, b, draw=draw)
    row = only(study)
    (group,) = followed.measures(study, ("a", "b"))
    along = timeline._tested(group, ["a", "b"], 3).iloc[0]
    assert row["kind"] == kind
    assert along["n_prompts"] == row["n_prompts"] == 75
    assert along[["before", "after", "change", "change_low", "change_high"]].tolist() == pytest.approx(
        [row[name] for name in ("mean_a", "mean_b", "delta", "ci_low", "ci_high")], abs=1e-9
    )
    # Of 4,999 random orders, within four standard errors of the exact one.
    error = math.sqrt(row["p"] * (1 - row["p"]) / steps.PERMUTATIONS) + 1 / steps.PERMUTATIONS
    assert abs(along["p_step"] - row["p"]) < 4 * error
