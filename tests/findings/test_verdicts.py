"""The statistics of verdicts against independent computations, and against claims without any truth."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.multitest import multipletests

from bench import verification as bench
from diffing.findings import verdicts
from diffing.findings.verdicts import BETWEEN, COLUMNS, Alias

NAN = float("nan")


def table(*rows: tuple[str, str, int, int, float], kind: str = BETWEEN) -> pd.DataFrame:
    """Rows of claim, prompt, draw, order and pick; what is picked shows it, the other answer does not."""
    full = [
        (
            claim,
            kind,
            prompt,
            draw,
            order,
            pick,
            NAN if np.isnan(pick) else pick < 0,
            NAN if np.isnan(pick) else pick > 0,
        )
        for claim, prompt, draw, order, pick in rows
    ]
    return pd.DataFrame(full, columns=COLUMNS).astype({"pick": float, "shows_a": float, "shows_b": float})


def both(claim: str, prompt: str, pick: float, draw: int = 0) -> list[tuple[str, str, int, int, float]]:
    return [(claim, prompt, draw, order, pick) for order in (0, 1)]


@pytest.mark.parametrize(
    ("one", "two", "pick", "flipped"),
    [
        (1, 1, 1, 0),
        (-1, -1, -1, 0),
        (1, -1, 0, 1),
        (0, 1, 0, 0),
        (0, 0, 0, 0),
        (NAN, 1, NAN, NAN),
        (1, NAN, NAN, NAN),
    ],
)
def test_a_preference_counts_only_in_both_orders(one: float, two: float, pick: float, flipped: float) -> None:
    (row,) = verdicts.pairs(table(("c", "p", 0, 0, one), ("c", "p", 0, 1, two))).itertuples()
    np.testing.assert_equal([row.pick, row.flipped], [pick, flipped])


def test_an_order_that_was_never_asked_is_missing() -> None:
    (row,) = verdicts.pairs(table(("c", "p", 0, 0, 1.0))).itertuples()
    assert np.isnan(row.pick)


@pytest.mark.parametrize(
    ("picks", "vote"),
    [([1, 1, -1], 1), ([1, 0, 0], 1), ([1, -1], 0), ([0, 0], 0), ([NAN, -1], -1), ([NAN, NAN], NAN)],
)
def test_a_prompt_votes_with_the_majority_of_its_pairs(picks: list[float], vote: float) -> None:
    rows = [row for draw, pick in enumerate(picks) for row in both("c", "p", pick, draw)]
    (found,) = verdicts.votes(verdicts.pairs(table(*rows))).itertuples()
    np.testing.assert_equal(found.vote, vote)


@settings(max_examples=30)
@given(st.lists(st.lists(st.sampled_from([1.0, -1.0, 0.0, NAN]), min_size=1, max_size=25), min_size=1, max_size=6))
def test_counts_p_and_q_equal_an_independent_computation(votes: list[list[float]]) -> None:
    rows = [
        row
        for c, picks in enumerate(votes)
        for n, pick in enumerate(picks)
        for row in both(f"c{c}", f"p{n}", pick)
    ]
    found = verdicts.check(table(*rows))
    expected = []
    for number, picks in enumerate(votes):
        wins, losses = picks.count(1.0), picks.count(-1.0)
        check = found[f"c{number}"]
        none = sum(np.isnan(pick) for pick in picks)
        assert (check.wins, check.losses, check.ties, check.missing) == (wins, losses, picks.count(0.0), none)
        if check.prompts:
            expected.append(binomtest(wins, wins + losses).pvalue if wins + losses else 1.0)
            assert check.net == pytest.approx((wins - losses) / check.prompts)
            assert check.low <= check.net <= check.high
        if wins + losses:
            assert check.net == pytest.approx(check.frequency * (2 * check.accuracy - 1))
    told = [check for check in found.values() if check.prompts]
    assert [check.p for check in told] == pytest.approx(expected)
    if told:
        assert [check.q for check in told] == pytest.approx(multipletests(expected, method="fdr_bh")[1].tolist())


def test_the_interval_is_that_of_prompts_drawn_again() -> None:
    wins, losses, prompts = 60, 20, 120
    low, high = verdicts.interval(wins, losses, prompts)
    votes = np.repeat([1, -1, 0], [wins, losses, prompts - wins - losses])
    random = np.random.default_rng(0)
    means = random.choice(votes, (20_000, prompts)).mean(axis=1)
    # The product adds one prompt each way, which draws it in a little.
    np.testing.assert_allclose([low, high], np.quantile(means, [0.025, 0.975]), atol=0.02)


def test_seen_from_the_other_side_everything_turns() -> None:
    rows = [row for n in range(10) for row in both("c", f"p{n}", 1.0 if n < 8 else -1.0)]
    check = verdicts.check(table(*rows))["c"]
    turned = check.toward(-1)
    assert (turned.wins, turned.losses, turned.net) == (check.losses, check.wins, -check.net)
    assert (turned.low, turned.high) == (-check.high, -check.low)
    assert turned.accuracy == pytest.approx(0.2)
    assert check.toward(1) is check and turned.toward(-1) == check


def test_presence_is_averaged_within_prompts_first() -> None:
    rows = [row for draw in range(3) for row in both("c", "p0", 1.0, draw)] + both("c", "p1", -1.0)
    check = verdicts.check(table(*rows))["c"]
    assert (check.presence_a, check.presence_b) == (0.5, 0.5)


def claims(**votes: list[float]) -> pd.DataFrame:
    return table(
        *[row for c, picks in votes.items() for n, pick in enumerate(picks) for row in both(c, f"p{n:02}", pick)]
    )


def test_claims_merge_by_votes_and_not_by_shared_ties() -> None:
    one = [1.0] * 8 + [0.0] * 12
    near = [1.0] * 7 + [0.0] * 13
    rare = [1.0] * 3 + [0.0] * 17
    found = verdicts.merged(
        claims(one=one, near=near, mirror=[-pick for pick in one], other=one[::-1], rare=rare, rare2=rare),
        ["one", "near", "mirror", "other", "rare", "rare2", "unknown"],
    )
    assert found == {"near": Alias("one", False), "mirror": Alias("one", True)}


def test_two_behaviours_that_nearly_every_answer_shows_are_not_one() -> None:
    one, other = [1.0] * 40, [1.0] * 40
    one[:2], other[2:6] = [0.0] * 2, [0.0] * 4
    assert verdicts.merged(claims(one=one, other=other, mirror=[-v for v in other]), ["one", "other"]) == {}
    # Where all votes are the same, nothing tells whether the claims are.
    assert verdicts.merged(claims(one=[1.0] * 40, other=[1.0] * 40), ["one", "other"]) == {}
    assert verdicts.merged(claims(one=one, other=one), ["one", "other"]) == {"other": Alias("one", False)}


def test_the_first_in_order_leads() -> None:
    one = [1.0] * 8 + [0.0] * 12
    assert verdicts.merged(claims(x=one, y=one), ["y", "x"]) == {"x": Alias("y", False)}


def test_the_judge_s_own_error_needs_draws_to_compare() -> None:
    between = claims(c=[1.0] * 10)
    assert verdicts.own_error(between) is None
    same = table(*[row for n in range(10) for row in both("c", f"p{n}", 1.0 if n < 9 else 0.0)], kind="a")
    calm = table(*[row for n in range(10) for row in both("c", f"p{n}", 0.0)], kind="b")
    error = verdicts.own_error(pd.concat([between, same, calm], ignore_index=True))
    assert error is not None
    assert (error.tests, error.false, error.decided, error.flipped) == (2, 1, 0.45, 0.0)


@pytest.mark.parametrize("name", ["common, 100 prompts, 3 draws", "careless judge, 1,000 prompts"])
def test_claims_without_truth_pass_at_most_as_often_as_said(name: str) -> None:
    case = next(case for case in bench.CASES if case.name == name)._replace(prompts=150)
    found = bench.rates(case, claims=200, repeats=2)
    error = 2 * (0.05 * 0.95 / 400) ** 0.5
    assert max(found.alone, found.ten, found.all) <= 0.05 + error
    assert found.published > 0.2


def test_a_judge_that_always_takes_the_first_verifies_nothing_and_passes_the_published_rule() -> None:
    case = next(case for case in bench.CASES if case.name == "always the first")._replace(prompts=300)
    found = bench.rates(case, claims=100, repeats=4)
    assert (found.decided, found.alone, found.all) == (0.0, 0.0, 0.0) and found.published > 0.0


def test_a_true_claim_is_verified() -> None:
    case = next(case for case in bench.CASES if case.name.startswith("true, by 20"))._replace(prompts=300)
    assert bench.rates(case, claims=50).all > 0.9
