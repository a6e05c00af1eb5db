"""Net shares corrected by a person's verdicts: against plain computations, and in studies whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench import judges as bench
from diffing.findings import correction, people
from diffing.findings.correction import Corrected

STUDIES = 100
"""Studies of a judge: a coverage of 95 % has then a standard error of 2.2 points."""


def labelled(picks: list[int], verdicts: list[int], weights: list[float], claim: str = "c") -> pd.DataFrame:
    columns = {"claim": claim, "prompt_id": [f"p{n}" for n in range(len(picks))], "draw": 0}
    return pd.DataFrame({**columns, "verdict": verdicts, "pick": picks, "weight": weights}).astype(
        {"verdict": float, "pick": float, "weight": float}
    )


def test_a_claim_s_own_correction_is_a_plain_prediction_powered_mean() -> None:
    random = np.random.default_rng(0)
    means = random.integers(-1, 2, 80).astype(float)
    pick = means[:20]
    verdict = np.where(random.random(20) < 0.7, pick, random.integers(-1, 2, 20)).astype(float)
    net, low, high = correction.own(means, verdict, pick, np.full(20, 4.0))
    # By the formulas as they are printed, a sum at a time.
    both = [(h, f) for h, f in zip(verdict.tolist(), pick.tolist(), strict=True)]
    mean_h, mean_f = sum(h for h, _ in both) / 20, sum(f for _, f in both) / 20
    tuned = sum((h - mean_h) * (f - mean_f) for h, f in both) / sum((f - mean_f) ** 2 for _, f in both)
    assert 0 < tuned < 1
    errors = [h - tuned * f for h, f in both]
    centre = sum(errors) / 20
    assert net == pytest.approx(tuned * sum(means) / 80 + centre)
    of_errors = (sum((e - centre) ** 2 for e in errors) * 20 / 19 + 2) / 22**2
    of_judge = tuned**2 * (sum((f - sum(means) / 80) ** 2 for f in means) + 2) / 82**2
    half = stats.t.ppf(0.975, 18) * (of_errors + of_judge) ** 0.5
    assert [low, high] == pytest.approx([net - half, net + half])


def test_weights_undo_an_uneven_draw() -> None:
    # Eighty prompts where the judge sees nothing, ten each where it sees A or B: as many of each were asked.
    means = np.array([0.0] * 80 + [1.0] * 10 + [-1.0] * 10)
    verdict = np.array([0, 1] * 4 + [1] * 8 + [0, -1] * 4, float)
    pick = np.array([0.0] * 8 + [1.0] * 8 + [-1.0] * 8)
    net, *_ = correction.own(means, verdict, pick, np.array([10.0] * 8 + [10 / 8] * 16))
    assert net == pytest.approx(0.8 * 0.5 + 0.1 * 1 - 0.1 * 0.5)
    assert correction.own(means, verdict, pick, np.ones(24))[0] != pytest.approx(net, abs=0.02)


def test_the_pooled_correction_is_the_judge_s_line_read_backwards() -> None:
    pick, verdict = [1, 1, 0, 0, -1, -1, 0, 1, 0, 0, 1, -1], [1, 1, 1, 0, -1, -1, 0, 0, 0, -1, 1, -1]
    error = correction.measured(labelled(pick, verdict, [1.0] * 12))
    assert error is not None
    line = stats.linregress(verdict, pick)
    assert [error.slope, error.lean] == pytest.approx([line.slope, line.intercept])
    assert (error.verdicts, error.claims, error.spread) == (12, 1, 0.0)
    means = np.array([1.0] * 30 + [0.0] * 70)
    net, low, high = correction.pooled(means, error)
    assert net == pytest.approx((0.3 - line.intercept) / line.slope)
    assert low < net < high


def test_a_perfect_judge_is_left_as_it_is_and_not_called_surer() -> None:
    random = np.random.default_rng(1)
    means = random.integers(-1, 2, 100).astype(float)
    for verdicts in (12, 40):
        pick = means[:verdicts]
        net, low, high = correction.own(means, pick, pick, np.ones(verdicts))
        assert net == pytest.approx(means.mean())
        assert high - low > 2 * 1.96 * (means.var() / 100) ** 0.5
        error = correction.measured(labelled(pick.tolist(), pick.tolist(), [1.0] * verdicts))
        assert error is not None
        assert [error.lean, error.slope] == pytest.approx([0, 1], abs=1e-12)
        net, low, high = correction.pooled(means, error)
        assert net == pytest.approx(means.mean())
        assert high - low > 2 * 1.96 * (means.var() / 100) ** 0.5


def test_more_verdicts_make_a_narrower_interval() -> None:
    widths = []
    for verdicts in (12, 24, 48):
        pick = np.tile([1.0, 0.0, 0.0, -1.0], verdicts // 4)
        verdict = np.tile([1.0, 0.0, 1.0, -1.0], verdicts // 4)
        _, low, high = correction.own(np.tile(pick, 10), verdict, pick, np.ones(verdicts))
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True) and widths[0] > 1.7 * widths[2]


def test_too_few_verdicts_or_none_correct_nothing() -> None:
    judged = labelled([1, 0] * 20, [0] * 40, [1.0] * 40)
    for number in (0, 1, 11):
        given = labelled([1, 0, 0] * 4, [1, 0, -1] * 4, [1.0] * 12).head(number)
        assert correction.of(judged, given) == {}
        assert correction.measured(given) is None
    assert set(correction.of(judged, labelled([1, 0, 0] * 4, [1, 0, -1] * 4, [1.0] * 12))) == {"c"}


def test_verdicts_that_are_all_alike_correct_their_own_claim_alone() -> None:
    judged = pd.concat([labelled([1, 0] * 20, [0] * 40, [1.0] * 40, claim) for claim in "cd"])
    found = correction.of(judged, labelled([1, 0] * 6, [0] * 12, [1.0] * 12))
    assert set(found) == {"c"} and found["c"].own and found["c"].net == pytest.approx(0)


def test_a_judge_that_looks_at_nothing_tells_nothing_of_other_claims() -> None:
    pick, verdict = [1, 1, 0, 0, -1, -1] * 6, [1, -1, 1, -1, 1, -1] * 6
    error = correction.measured(labelled(pick, verdict, [1.0] * 36))
    assert error is not None and error.slope == pytest.approx(0)
    assert correction.pooled(np.array([1.0] * 30 + [0.0] * 70), error)[1:] == (-1.0, 1.0)


def test_a_claim_of_the_other_side_turns_the_figures() -> None:
    found = Corrected(0.2, 0.1, 0.4, 0.3, 40, True)
    assert found.toward(-1) == Corrected(-0.2, -0.4, -0.1, -0.3, 40, True)
    assert found.toward(1) is found


@pytest.mark.parametrize(
    "judge",
    [
        # Sensitivity 0.8 and specificity 0.7 leave half of any difference.
        bench.Case("errs", 1, 0.8, 0.7),
        bench.Case("likes long answers", 1, longer=0.6),
        bench.Case("likes long answers, few verdicts", 1, longer=0.6, verdicts=12),
        bench.Case("likes long answers, many claims", 8, longer=0.6, prompts=120),
    ],
    ids=lambda judge: judge.name,
)
def test_corrected_intervals_hold_the_truth_where_the_judge_s_own_miss_it(judge: bench.Case) -> None:
    found = bench.rates(judge, STUDIES // judge.claims, first=1000)
    assert found.own < 0.8
    assert found.corrected >= 0.91
    assert found.error < found.bias


def test_of_a_perfect_judge_the_simulated_correction_moves_nothing() -> None:
    table, _ = bench.simulate(bench.Case("perfect", 2), 3)
    judged = table[[*people.UNIT, "pick"]]
    for claim, found in bench.corrected(table, 40, 3).items():
        net = judged.loc[judged["claim"] == claim, "pick"].mean()
        assert [found.net, found.judged] == pytest.approx([net, net])


def test_what_stands_beside_a_net_share_is_one_wording() -> None:
    assert correction.words(None) == "uncorrected"
    assert correction.words(Corrected(0.124, -0.031, 0.28, 0.3, 40, False)) == (
        "corrected +12 points (95 % interval −3 to +28) by 40 verdicts of a person on all claims together"
    )
    assert correction.words(Corrected(0.1, 0.0, 0.2, 0.3, 12, True)).endswith("by 12 verdicts of a person on it")
    assert "it takes 12 verdicts" in correction.error_words(None)
    error = correction.Error(-0.05, 0.7, np.eye(2), 0.0, 40, 3)
    assert correction.error_words(error) == (
        "By 40 verdicts of a person the judge shows 70% of the differences that the person sees, and leans to A "
        "by 5% where the person sees none."
    )
