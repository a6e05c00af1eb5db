"""A question put to a judge of each answer: blind, once for each text, with its sentence, resumed after a stop."""

import json
import re
from typing import Any

import numpy as np
import pytest
from scipy import stats

from diffing.cli.checks import CHECKS
from diffing.common.damage import Damaged
from diffing.common.errors import Cancelled, UserError
from diffing.diff import own
from diffing.findings import asking
from diffing.probes import own_probes
from diffing.study import repair
from diffing.study.study import Study
from tests.fakes import judges, label_study
from tests.fakes.openai_server import Call, OpenAIServer
from tests.fakes.watch import Watch

PROMPTS = 60
RULES = [{"sorry": 1.0}]


def answer(number: int, side: str) -> str:
    """A refuses every second prompt, B every sixth; a seventh of all answers is the same on both sides."""
    if number % 7 == 3:
        return "The same words."
    refuses = number % (2 if side == "a" else 6) == 0
    return f"Hello {number} {side}. " + ("I cannot\n do that. Ask on." if refuses else "It is done.")


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch, server: OpenAIServer) -> Study:
    answers = {side: [answer(number, side) for number in range(PROMPTS)] for side in "ab"}
    study, _ = label_study.make(monkeypatch, answers, RULES)
    question = {"text": "Does it refuse?", "judge": f"{server.url}#judge"}
    own_probes.add(study, own_probes.made("refuses", question=question, says="refuses"))
    server.models, server.prices, server.reply = ["judge"], {"judge": (1e-6, 2e-6)}, honest
    return study


def honest(call: Call) -> str:
    """Says yes of what cannot, with the sentence; white space comes back otherwise than it was."""
    yes = "I cannot" in judges.blocks(call)["answer"]
    return json.dumps({"yes": yes, "sentence": "I cannot do that." if yes else ""})


def ask(study: Study, watch: Watch | None = None, **options: Any) -> dict[str, Any]:
    told = {"attempts": 1, "probes": ["refuses"], **options}
    return asking.run(study, asking.Options(**told), watch or Watch())


def row(study: Study) -> Any:
    return asking.table(study).set_index("probe").loc["refuses"]


def test_the_share_of_yes_is_tested_as_presence(study: Study, server: OpenAIServer) -> None:
    assert (row(study)["n_prompts"], row(study)["missing_a"]) == (0, PROMPTS)
    expected = asking.estimate(study, asking.Options(probes=["refuses"]))
    assert len(server.calls) == 0
    result = ask(study)
    # A text that both sides gave is asked about once, of whichever prompt it is.
    texts = {(n, answer(n, side)) for n in range(PROMPTS) for side in "ab"}
    assert (result["calls"], result["failed"], result["left"]) == (len(texts), 0, 0)
    assert expected.calls == len(texts) and expected.cost is not None
    shows = {s: np.array(["I cannot" in answer(n, s) for n in range(PROMPTS)]) for s in "ab"}
    more_a, more_b = (shows["a"] & ~shows["b"]).sum(), (shows["b"] & ~shows["a"]).sum()
    found = row(study)
    assert (found["n_prompts"], found["frequency_a"], found["frequency_b"]) == (
        PROMPTS,
        shows["a"].mean(),
        shows["b"].mean(),
    )
    p = stats.binomtest(int(more_b), int(more_a + more_b)).pvalue
    assert (found["p"], found["q"]) == (pytest.approx(p), pytest.approx(p))
    assert (found["correction"], found["missing_a"], found["no_evidence_b"]) == ("uncorrected", 0, 0)
    read = own.answers(study, "a", "b")
    places = asking.both(study, read).places["refuses"]
    quoted = {text[a:b] for text, spans in zip(read.texts, places, strict=True) for a, b in spans}
    assert quoted == {"I cannot\n do that."}


def test_the_judge_sees_one_answer_and_no_side(study: Study, server: OpenAIServer) -> None:
    ask(study)
    table = study.prompts().set_index("text")
    splits, frames = set(), set()
    for call in server.calls:
        seen = judges.blocks(call)
        assert {*seen} == {"prompt", "answer", "question"} and seen["question"] == "Does it refuse?"
        splits.add(table.loc[seen["prompt"], "split"])
        outside = "".join(message["content"] for message in call.messages)
        for text in seen.values():
            outside = outside.replace(text, "")
        frames.add(re.sub("[0-9a-f]{6}", "CODE", outside))
        assert call.body["temperature"] == 0
    assert splits == {"discovery", "held-out"}
    # Beside prompt, answer and question every call has the same words: nothing in them can tell the side.
    assert len(frames) == 1


def test_a_yes_without_its_sentence_is_no_evidence_and_leaves_the_pair_out(
    study: Study, server: OpenAIServer
) -> None:
    def made_up(call: Call) -> str:
        yes = "I cannot" in judges.blocks(call)["answer"]
        a_side = " a." in judges.blocks(call)["answer"]
        return json.dumps({"yes": yes, "sentence": "I will not do that." if a_side else "I cannot do that."})

    server.reply = made_up
    ask(study)
    found = row(study)
    refused = sum("I cannot" in answer(n, "a") for n in range(PROMPTS))
    assert (found["no_evidence_a"], found["no_evidence_b"]) == (refused, 0)
    assert (found["n_prompts"], found["frequency_a"]) == (PROMPTS - refused, 0.0)


def test_replies_that_cannot_be_read_are_missing_and_asked_for_again(study: Study, server: OpenAIServer) -> None:
    server.reply = lambda call: "maybe" if "Hello 4 b" in judges.blocks(call)["answer"] else honest(call)
    assert ask(study)["failed"] == 1
    assert (row(study)["missing_b"], row(study)["n_prompts"]) == (1, PROMPTS - 1)
    before, server.reply = len(server.calls), honest
    assert (ask(study, attempts=2)["calls"], len(server.calls) - before) == (1, 1)
    assert (row(study)["missing_b"], row(study)["n_prompts"]) == (0, PROMPTS)


def test_a_run_that_is_stopped_goes_on_and_pays_for_nothing_twice(study: Study, server: OpenAIServer) -> None:
    with pytest.raises(Cancelled):
        ask(study, Watch(stop_after=10), concurrency=1)
    half = len(server.calls)
    assert 10 <= half < 111
    result = ask(study, max_requests=20)
    assert (result["calls"], result["stopped_by"]) == (20, "the limit of 20 requests")
    # What is stopped has whole pairs.
    assert row(study)["n_prompts"] >= 14
    ask(study)
    bodies = [json.dumps(call.body, sort_keys=True) for call in server.calls]
    assert len(bodies) == len({*bodies}) == len({(n, answer(n, s)) for n in range(PROMPTS) for s in "ab"})
    before = len(server.calls)
    assert ask(study)["calls"] == 0 and len(server.calls) == before


def test_a_damaged_file_of_answers_is_told_and_what_is_saved_is_not_asked_again(
    study: Study, server: OpenAIServer
) -> None:
    ask(study)
    path = asking.path_of(study)
    whole = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*whole[:-3], whole[-3][:40] + b"\xff" + whole[-3][41:], whole[-2], b""]))
    with pytest.raises(Damaged, match="`python -m diffing repair study`"):
        asking.table(study)
    (mended,) = repair.repair("study", CHECKS)
    assert (mended.name, mended.saved) == ("own_answers.jsonl", len(whole) - 2)
    assert row(study)["missing_a"] + row(study)["missing_b"] >= 1
    before = len(server.calls)
    # The reply itself is stored: what is lost in the study is not paid for again.
    assert (ask(study)["calls"], len(server.calls)) == (0, before)
    assert row(study)["n_prompts"] == PROMPTS


def test_questions_and_rules_are_families_of_their_own(study: Study, server: OpenAIServer) -> None:
    question = {"text": "Is it done?", "judge": f"{server.url}#judge"}
    own_probes.add(study, own_probes.made("done", question=question))
    own_probes.add(study, own_probes.made("cannot", rule=own_probes.rule_of(phrase="I cannot")))

    def reply(call: Call) -> str:
        seen = judges.blocks(call)
        sentence = "I cannot do that." if "refuse" in seen["question"] else "It is done."
        yes = sentence[:8] in seen["answer"]
        return json.dumps({"yes": yes, "sentence": sentence if yes else ""})

    server.reply = reply
    asking.run(study, asking.Options(attempts=1), Watch())
    table = asking.table(study).set_index("probe")
    assert [*table.index] == ["refuses", "done", "cannot"]
    assert table.loc["cannot", "p"] == table.loc["cannot", "q"] == table.loc["refuses", "p"]
    two = stats.false_discovery_control(table.loc[["refuses", "done"], "p"].to_numpy(float))
    np.testing.assert_allclose(table.loc[["refuses", "done"], "q"].to_numpy(float), two)


def test_what_cannot_be_asked_is_said_in_a_sentence(study: Study) -> None:
    own_probes.add(study, own_probes.made("cannot", rule=own_probes.rule_of(phrase="I cannot")))
    with pytest.raises(UserError, match="'cannot' is counted and needs no judge"):
        ask(study, probes=["cannot"])
    with pytest.raises(UserError, match="no such question to ask"):
        asking.run(study, asking.Options(model="openrouter:x/y"), Watch())


@pytest.mark.parametrize(
    ("sentence", "text", "span"),
    [
        ("Yes, so.", "No. Yes,\n  so. No.", (4, 14)),
        ("yes, so.", "No. Yes, so.", None),
        ("", "Yes", None),
        ("...", "Yes...", None),
        ("a.c", "abc", None),
    ],
)
def test_a_quoted_sentence_stands_where_its_letters_do(
    sentence: str, text: str, span: tuple[int, int] | None
) -> None:
    assert asking.place(sentence, text) == span
