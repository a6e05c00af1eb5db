"""Blind votes: which pairs are met on which sides, what is kept, what counts, and what can be taken back."""

import pytest

from diffing.common import jsonl
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.findings import votes
from diffing.findings.votes import BETTER, Said
from diffing.study.study import Study
from tests.fakes import voted_study


@pytest.fixture
def study() -> Study:
    return voted_study.make()


def said(study: Study, voter: str = "Ada") -> list[tuple[str, str, Said]]:
    return [(v.question, v.prompt_id, v.said) for v in votes.standing(votes.read(study)) if v.voter == voter]


def test_pairs_are_of_discovery_prompts_unless_held_out_ones_are_asked_for(study: Study) -> None:
    split = study.prompts().set_index("id")["split"]
    first, every = votes.pairs(study), votes.pairs(study, held_out=True)
    assert {split[pair.prompt_id] for pair in first} == {"discovery"}
    assert every[: len(first)] == first
    assert [pair.held_out for pair in every[len(first) :]] == [True] * (len(every) - len(first))
    assert sorted(pair.prompt_id for pair in every) == sorted(study.prompts()["id"])


def test_a_coin_lays_the_sides_and_the_same_ones_whoever_is_called_a(study: Study) -> None:
    one, other = votes.pairs(study), votes.pairs(study, "b", "a")
    assert [(p.left, p.right, p.key) for p in one] == [(p.left, p.right, p.key) for p in other]
    assert [p.turned for p in one] == [not p.turned for p in other]
    # 36 tosses of a coin lie between 9 and 27 but for one in a thousand seeds.
    assert 9 <= sum(pair.turned for pair in one) <= 27
    study.change_settings(seed=study.settings.seed + 1)
    assert [p.turned for p in votes.pairs(Study.open(study.name))] != [p.turned for p in one]


def test_of_several_draws_one_is_met_and_equal_answers_are_not(study: Study) -> None:
    before = votes.pairs(study)
    study.add_responses(study.responses().assign(draw=1, text="the same words"))
    after = votes.pairs(study)
    assert {pair.draw for pair in after} == {0}
    assert [pair.prompt_id for pair in after] == [pair.prompt_id for pair in before]


def test_a_vote_says_which_checkpoint_it_is_for(study: Study) -> None:
    turned = next(pair for pair in votes.pairs(study) if pair.turned)
    straight = next(pair for pair in votes.pairs(study) if not pair.turned)
    for pair in (turned, straight):
        votes.tell(study, "a", "b", pair, BETTER, "left", " Ada ")
    table = votes.table(study)
    assert table["voter"].tolist() == ["Ada", "Ada"]
    assert table["prompt_id"].tolist() == [turned.prompt_id, straight.prompt_id]
    assert table["left"].tolist() == ["B", "A"]
    assert table["pick"].tolist() == [1, -1]
    assert table["seed"].tolist() == [study.settings.seed] * 2
    assert votes.table(study, "b", "a")["pick"].tolist() == [-1, 1]


def test_the_last_word_counts_and_is_written_once(study: Study) -> None:
    pair = votes.pairs(study)[0]
    assert votes.tell(study, "a", "b", pair, BETTER, "left", "Ada") is not None
    assert votes.tell(study, "a", "b", pair, BETTER, "left", "Ada") is None
    votes.tell(study, "a", "b", pair, BETTER, "no difference", "Ada")
    votes.tell(study, "a", "b", pair, BETTER, "right", "Bo")
    assert said(study) == [("better", pair.prompt_id, "no difference")]
    assert said(study, "Bo") == [("better", pair.prompt_id, "right")]
    assert [line["said"] for line in jsonl.read(votes.path_of(study))] == ["left", "no difference", "right"]


def test_a_vote_can_be_taken_back_and_the_one_before_it_counts_again(study: Study) -> None:
    first, second = votes.pairs(study)[:2]
    votes.tell(study, "a", "b", first, BETTER, "left", "Ada")
    votes.tell(study, "a", "b", second, BETTER, "left", "Ada")
    votes.tell(study, "a", "b", second, BETTER, "right", "Ada")
    votes.tell(study, "a", "b", second, BETTER, "right", "Bo")
    assert votes.undo(study, "a", "b", "Ada").prompt_id == second.prompt_id
    assert said(study) == [("better", p.prompt_id, "left") for p in (first, second)]
    votes.undo(study, "b", "a", "Ada")
    votes.undo(study, "a", "b", "Ada")
    with pytest.raises(UserError, match="'Ada' has no vote to take back"):
        votes.undo(study, "a", "b", "Ada")
    assert said(study) == []
    assert said(study, "Bo") == [("better", second.prompt_id, "right")]
    assert len(votes.read(study)) == 7


def test_a_question_of_other_words_is_another_question(study: Study) -> None:
    pair = votes.pairs(study)[0]
    cake, tea = votes.shows("speaks  of cake"), votes.shows("speaks of tea")
    assert cake == votes.shows("speaks of cake")
    assert cake.words == "Which shows ‘speaks of cake’ more?"
    for question in (BETTER, cake, tea):
        votes.tell(study, "a", "b", pair, question, "left", "Ada")
    assert len(said(study)) == 3
    assert votes.done(votes.standing(votes.read(study)), "Ada", [cake.key]) == {(cake.key, pair.key): "left"}


def test_a_vote_counts_only_for_the_texts_it_was_given_on(study: Study) -> None:
    one, other = votes.pairs(study)[:2]
    for pair in (one, other):
        votes.tell(study, "a", "b", pair, BETTER, "left", "Ada")
    rows = study.responses()
    changed = rows[(rows["prompt_id"] == one.prompt_id) & (rows["checkpoint"] == "a")].assign(text="other words")
    study.add_responses(changed)
    assert votes.table(study)["prompt_id"].tolist() == [other.prompt_id]


def test_who_voted_on_held_out_prompts_is_known_even_after_taking_it_back(study: Study) -> None:
    held = next(pair for pair in votes.pairs(study, held_out=True) if pair.held_out)
    votes.tell(study, "a", "b", held, BETTER, "left", "Ada")
    assert votes.table(study)["held_out"].tolist() == [True]
    votes.undo(study, "a", "b", "Ada")
    assert votes.saw_held_out(votes.read(study), "Ada")
    assert not votes.saw_held_out(votes.read(study), "Bo")


def test_a_vote_needs_a_name_and_a_known_word(study: Study) -> None:
    pair = votes.pairs(study)[0]
    with pytest.raises(UserError, match="give your name"):
        votes.tell(study, "a", "b", pair, BETTER, "left", " ")
    with pytest.raises(UserError, match="'both' is no vote"):
        votes.tell(study, "a", "b", pair, BETTER, "both", "Ada")  # type: ignore[arg-type]
    assert votes.read(study) == []


def test_a_line_that_is_no_vote_is_told(study: Study) -> None:
    jsonl.append(votes.path_of(study), {"voter": "Ada"})
    with pytest.raises(Damaged, match="a line is no vote"):
        votes.read(study)
