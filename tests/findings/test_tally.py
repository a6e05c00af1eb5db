"""What follows from blind votes, against scipy and scikit-learn: shares, tests, agreement, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score

from diffing.findings import tally, votes
from diffing.findings.tally import LEAST


def table(*rows: tuple[str, str, int, str]) -> pd.DataFrame:
    """Votes as (voter, prompt, pick, category) on which answer is better."""
    out = pd.DataFrame(rows, columns=["voter", "prompt_id", "pick", "category"])
    said = out["pick"].map({-1: "left", 1: "right", 0: "no difference"})
    return out.assign(
        question="better", words="Which?", date="", draw=0, held_out=False, left="A", said=said, seed=0
    )


def of_ada(for_b: int, for_a: int, neither: int = 0, category: str = "") -> list[tuple[str, str, int, str]]:
    picks = [1] * for_b + [-1] * for_a + [0] * neither
    return [("Ada", f"{category}{at}", pick, category) for at, pick in enumerate(picks)]


def test_shares_are_of_decided_prompts_and_tested_exactly() -> None:
    (row,) = [row for row in tally.counted(table(*of_ada(14, 6, 5))).rows if row.group == "all"]
    test = binomtest(14, 20)
    assert (row.votes, row.for_b, row.for_a, row.neither) == (25, 14, 6, 5)
    assert row.share_b == 0.7
    assert (row.p, row.q) == pytest.approx((test.pvalue, test.pvalue))
    assert (row.low, row.high) == pytest.approx((0.4572, 0.8811), abs=1e-4)
    assert tally.sentence(row).replace("\u00a0", " ") == (
        "People, voting blind, preferred B on 14 of 20 prompts: 70 % [46 % to 88 %], exact p = 0.12; 5 more "
        "prompts without a difference are left out."
    )


def test_a_share_of_a_is_said_of_a() -> None:
    row = tally.counted(table(*of_ada(3, 12))).rows[0]
    assert (
        tally.sentence(row)
        .replace("\u00a0", " ")
        .startswith("People, voting blind, preferred A on 12 of 15 prompts: 80 % [52 % to 96 %]")
    )


def test_of_too_few_prompts_nothing_but_their_counts_is_said() -> None:
    row = tally.counted(table(*of_ada(LEAST - 1, 0, 1))).rows[0]
    assert np.isnan([row.share_b, row.low, row.high, row.p, row.q]).all()
    assert tally.sentence(row).replace("\u00a0", " ") == (
        "9 prompts decided so far, A 0 and B 9: too few to say anything, 10 are needed; 1 more prompt without a "
        "difference is left out."
    )
    assert tally.plain(tally.counted(table(*of_ada(1, 0))))["rows"][0]["p"] is None


def test_a_prompt_counts_once_however_many_vote_on_it() -> None:
    rows = [(voter, f"p{at}", pick, "") for at in range(12) for voter, pick in (("Ada", 1), ("Bo", 1), ("Cy", -1))]
    rows += [("Ada", "even", 1, ""), ("Bo", "even", -1, "")]
    told = tally.counted(table(*rows)).rows
    assert [(row.group, row.value, row.votes, row.for_b, row.for_a, row.neither) for row in told] == [
        ("all", "", 38, 12, 0, 1),
        ("voter", "Ada", 13, 13, 0, 0),
        ("voter", "Bo", 13, 12, 1, 0),
        ("voter", "Cy", 12, 0, 12, 0),
    ]


def test_rows_by_category_are_corrected_together() -> None:
    rows = of_ada(12, 0, category="maths") + of_ada(8, 4, category="advice") + of_ada(2, 0, category="rare")
    told = [row for row in tally.counted(table(*rows)).rows if row.group == "category"]
    p = [binomtest(12, 12).pvalue, binomtest(8, 12).pvalue]
    assert [row.value for row in told] == ["maths", "advice", "rare"]
    assert [row.q for row in told] == pytest.approx([2 * p[0], p[1], np.nan], nan_ok=True)


def test_agreement_is_cohens_kappa_and_refused_of_few() -> None:
    random = np.random.default_rng(0)
    ada = random.choice([-1, 0, 1], 40)
    bo = np.where(random.random(40) < 0.7, ada, random.choice([-1, 0, 1], 40))
    rows = [
        (name, f"p{at}", int(pick), "")
        for name, said in (("Ada", ada), ("Bo", bo))
        for at, pick in enumerate(said)
    ]
    rows += [("Cy", f"p{at}", 1, "") for at in range(LEAST - 1)]
    first, *few = tally.counted(table(*rows)).agreement
    assert (first.one, first.other, first.pairs) == ("Ada", "Bo", 40)
    assert first.same == pytest.approx(np.mean(ada == bo))
    assert first.kappa == pytest.approx(cohen_kappa_score(ada, bo))
    assert [tally.agreement_words(each) for each in few] == [
        f"{name} and Cy have 9 pairs in common: too few to say anything." for name in ("Ada", "Bo")
    ]


def test_how_often_the_left_answer_was_chosen_is_counted() -> None:
    told = tally.counted(table(*of_ada(3, 2, 4)))
    assert (told.left_chosen, told.decided) == (2, 5)


def test_without_votes_there_is_nothing() -> None:
    assert tally.counted(pd.DataFrame(columns=list(votes.COLUMNS))) == ([], [], 0, 0)
