"""A person's verdicts: which pairs are asked about, that nothing tells whose they are, what is kept and counts."""

import numpy as np
import pandas as pd
import pytest

from diffing.common import jsonl
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.findings import findings, judging, people, verification
from diffing.findings.people import UNIT, Said
from tests.fakes import judged_study
from tests.fakes.judged_study import CLAIMS, seen


def judged(claims: int = 4, prompts: int = 50, draws: int = 1) -> pd.DataFrame:
    """Mostly nothing, now and then A or B."""
    random = np.random.default_rng(0)
    keys = [(f"c{c}", f"p{p}", d) for c in range(claims) for p in range(prompts) for d in range(draws)]
    table = pd.DataFrame(keys, columns=UNIT)
    return table.assign(pick=random.choice([-1.0, 0.0, 1.0], len(table), p=[0.1, 0.7, 0.2]))


def test_questions_are_spread_over_claims_and_over_the_judge_s_verdicts() -> None:
    chosen = people.drawn(judged(), 1, 40)
    assert chosen.groupby("claim").size().tolist() == [10] * 4
    assert set(map(tuple, chosen[["claim", "pick"]].to_numpy())) == {
        (f"c{claim}", pick) for claim in range(4) for pick in (-1.0, 0.0, 1.0)
    }
    assert not chosen.duplicated(UNIT).any()
    of_verdict = chosen["pick"].value_counts()
    assert of_verdict[0.0] > of_verdict[1.0] > of_verdict[-1.0]


def test_the_draw_hangs_on_the_seed_alone() -> None:
    table = judged()
    first = people.drawn(table, 1, 40)
    assert first.equals(people.drawn(table.sample(frac=1, random_state=0), 1, 40))
    assert not first.equals(people.drawn(table, 2, 40))
    assert people.drawn(table, 1, 3)[UNIT].values.tolist() == [
        ["c3", "p49", 0],
        ["c1", "p4", 0],
        ["c0", "p44", 0],
    ]


def test_more_questions_hold_all_of_fewer_in_the_same_places() -> None:
    fewer, more = people.drawn(judged(), 1, 30), people.drawn(judged(), 1, 60)
    assert more.head(30).equals(fewer)


def test_every_pair_of_a_kind_has_the_same_chance_and_its_weight_says_which() -> None:
    table, times = judged(1, 60, 2), 100
    counted = dict.fromkeys(map(tuple, table[UNIT].to_numpy().tolist()), 0)
    totals = []
    for seed in range(times):
        chosen = people.drawn(table, seed, 30)
        weighed = people.weighed(table, chosen[UNIT].assign(verdict=0.0))
        totals.append(weighed["weight"].sum())
        assert not chosen.duplicated("prompt_id").any()
        for key in map(tuple, chosen[UNIT].to_numpy().tolist()):
            counted[key] += 1
    assert totals == pytest.approx([60.0] * times)
    by = table.assign(times=[counted[tuple(key)] for key in table[UNIT].to_numpy().tolist()]).groupby("pick")[
        "times"
    ]
    # No pair is drawn out of line with those of its kind, nor are prompts with two draws in one kind.
    assert (by.max() - by.min() < 6 * np.sqrt(by.mean())).all()


def test_a_verdict_is_kept_for_the_pair_s_own_sides() -> None:
    study = judged_study.make()
    asked = people.questions(study)
    assert {question.turned for question in asked} == {True, False}
    for question in asked:
        people.tell(study, question, seen(question), "Ada")
    for question, verdict in zip(asked, people.read(study), strict=True):
        truth = judged_study.count(question.claim, question.pair.right)
        truth -= judged_study.count(question.claim, question.pair.left)
        assert (verdict.question, verdict.author, verdict.pick) == (question.id, "Ada", truth)
    given = verification.said(study)
    assert len(given) == 40 and 0 < (given["verdict"] != given["pick"]).sum() < 20


def test_a_later_verdict_takes_the_place_of_an_earlier_one_of_the_same_person_and_nothing_is_lost() -> None:
    study = judged_study.make()
    question = people.questions(study)[0]
    words: tuple[Said, ...] = ("left", "both", "right")
    for word in words:
        people.tell(study, question, word, "Ada")
    assert [verdict.said for verdict in people.read(study)] == [*words]
    assert people.latest(people.read(study), "Ada") == {question.id: "right"}
    assert verification.said(study)["verdict"].tolist() == [-1.0 if question.turned else 1.0]
    # Of two people the mean; who skips has said nothing.
    people.tell(study, question, "neither", "Bo")
    assert verification.said(study)["verdict"].tolist() == [-0.5 if question.turned else 0.5]
    people.tell(study, question, "skip", "Ada")
    assert verification.said(study)["verdict"].tolist() == [0.0]
    assert people.authors(people.read(study)) == ["Ada", "Bo"]


def test_a_verdict_counts_only_for_the_texts_and_the_wording_it_was_given_on() -> None:
    study = judged_study.make()
    for question in people.questions(study):
        people.tell(study, question, seen(question), "Ada")
    cake = next(finding for finding in findings.load(study) if "cake" in finding.claim)
    assert (verification.said(study)["claim"] == cake.wording).sum() == 20
    findings.change(study, cake.id, "Ada", put={"claim": "names cake"})
    judged_study.judge(study, ["names cake"], lambda _, truth: truth)
    assert (verification.said(study)["claim"] == findings.wording("names cake")).sum() == 0
    rows = study.responses()
    study.add_responses(rows[rows["checkpoint"] == "b"].assign(text="water"))
    assert verification.said(study).empty
    assert len(people.read(study)) == 40


def test_corrected_shares_follow_from_verdicts_and_are_uncorrected_without() -> None:
    study = judged_study.make(wrong=3)
    assert {check.corrected for check in verification.read(study).checks.values()} == {None}
    for question in people.questions(study):
        people.tell(study, question, seen(question), "Ada")
    found = verification.read(study)
    assert found.error is not None and (found.error.verdicts, found.error.claims) == (40, 2)
    for finding in findings.load(study):
        check, pairs = found.checks[finding.id], judging.pairs(study, "a", "b")
        counts = [
            judged_study.count(finding.claim, p.right) - judged_study.count(finding.claim, p.left) for p in pairs
        ]
        corrected = check.corrected
        assert corrected is not None and (corrected.own, corrected.verdicts) == (True, 20)
        assert corrected.judged == pytest.approx(check.net)
        assert corrected.low <= float(np.mean(counts)) <= corrected.high
        assert abs(corrected.net - np.mean(counts)) < abs(check.net - np.mean(counts))


def test_claims_with_few_verdicts_of_their_own_are_corrected_by_all_together() -> None:
    claims = [f"{start} {word}" for start in ("mentions", "names", "tells of") for word in ("cake", "tea")]
    study = judged_study.make(claims=claims)
    for question in people.questions(study):
        people.tell(study, question, seen(question), "Ada")
    found = [check.corrected for check in verification.read(study).checks.values()]
    assert [(one.own, one.verdicts) for one in found if one is not None] == [(False, 40)] * 6


def test_verdicts_drawn_for_one_judge_serve_another_with_their_own_weights() -> None:
    study = judged_study.make()
    for question in people.questions(study):
        people.tell(study, question, seen(question), "Ada")
    before = verification.said(study)
    judged_study.judge(study, CLAIMS, lambda _, truth: truth, name="a better judge")
    after = verification.said(study)
    assert verification.read(study).judge == "a better judge"
    assert after[[*UNIT, "verdict", "weight"]].equals(before[[*UNIT, "verdict", "weight"]])
    assert (after["pick"] == after["verdict"]).all()
    for finding in findings.load(study):
        check = verification.read(study).checks[finding.id]
        assert check.corrected is not None and check.corrected.net == pytest.approx(check.net)


def test_several_draws_are_corrected_by_pairs() -> None:
    study = judged_study.make(draws=3, wrong=4)
    for question in people.questions(study):
        people.tell(study, question, seen(question), "Ada")
    given = verification.said(study)
    assert not given.duplicated(["claim", "prompt_id"]).any()
    assert given.groupby("claim")["weight"].sum().tolist() == pytest.approx([60.0, 60.0])


def test_a_table_is_filled_in_and_taken_back_whole_or_not_at_all() -> None:
    study = judged_study.make()
    asked = people.questions(study)
    table = people.table(asked, {})
    assert table.columns.tolist() == ["question", "claim", "prompt", "left", "right", "said"]
    filled = table.assign(
        said=[seen(question).upper() if place < 12 else "" for place, question in enumerate(asked)]
    )
    assert people.take(study, asked, filled, "Ada") == 12
    assert people.take(study, asked, filled, "Ada") == 0
    done = people.latest(people.read(study), "Ada")
    assert people.table(asked, done)["said"].tolist()[:13] == [*(seen(question) for question in asked[:12]), ""]
    lines = len(people.read(study))
    with pytest.raises(UserError, match="'maybe' on question"):
        people.take(study, asked, table.assign(said=["left"] * 39 + ["maybe"]), "Ada")
    with pytest.raises(UserError, match="'zzz' is no question"):
        people.take(study, asked, table.assign(question="zzz"), "Ada")
    with pytest.raises(UserError, match="no column 'said'"):
        people.take(study, asked, table.drop(columns="said"), "Ada")
    assert len(people.read(study)) == lines


def test_nothing_that_is_shown_tells_a_side_or_the_judge_s_verdict() -> None:
    study = judged_study.make()
    shown = people.table(people.questions(study), {})
    assert shown.columns.tolist() == ["question", "claim", "prompt", "left", "right", "said"]
    # The side on the left does not go with what the judge said, and the first questions are of all its verdicts.
    units = people.units(judging.pairs(study, "a", "b"), judging.lines(study)).set_index(UNIT)["pick"]
    asked = people.questions(study, number=60)
    picks = np.array([units[q.wording, q.pair.prompt_id, q.pair.draw] for q in asked])
    turned = np.array([question.turned for question in asked])
    assert {*picks[:10].tolist()} == {-1.0, 0.0, 1.0}
    assert 0.3 < turned.mean() < 0.7
    for pick in (-1, 0, 1):
        assert 0.15 < turned[picks == pick].mean() < 0.85


def test_what_cannot_be_asked_or_said_is_a_sentence() -> None:
    study = judged_study.make()
    question = people.questions(study)[0]
    with pytest.raises(UserError, match="'more' is no verdict"):
        people.tell(study, question, "more", "Ada")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="give your name"):
        people.tell(study, question, "left", " ")
    with pytest.raises(UserError, match="take 30 to 60"):
        people.questions(study, number=29)
    for finding in findings.load(study):
        findings.reject(study, finding.id, "no", "Ada")
    with pytest.raises(UserError, match="verify one first"):
        people.questions(study)
    judging.path_of(study).unlink()
    judging.path_of(study).with_name(".verdicts.jsonl.rows").unlink()
    with pytest.raises(UserError, match="no judge to check yet"):
        people.questions(study)


def test_a_line_that_is_no_verdict_is_named() -> None:
    study = judged_study.make()
    jsonl.append(people.path_of(study), {"version": 1, "said": "left"})
    with pytest.raises(Damaged, match=r"people.jsonl.*no verdict"):
        people.read(study)


def test_verdicts_on_another_wording_of_the_question_count_no_more() -> None:
    study = judged_study.make()
    verdict = people.tell(study, people.questions(study)[0], "left", "Ada")
    jsonl.append(people.path_of(study), verdict.model_dump() | {"version": 0})
    assert people.read(study) == [verdict]
