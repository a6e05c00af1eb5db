"""The labelling step against a scripted server: asked once, stored at once, counted to the token."""

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from diffing import labels
from diffing.common.errors import Cancelled, UserError
from diffing.labels import labelling
from diffing.labels.history import edit, tell
from diffing.labels.passages import OPEN
from diffing.study import prompts
from diffing.study.study import Study
from tests.fakes import label_study
from tests.fakes.labellers import both, label_of, oracle, written
from tests.fakes.openai_server import Behaviour, Call, OpenAIServer
from tests.fakes.watch import Watch

COLOURS = [f"colour{n}" for n in range(50)]
PLAIN = ["tea", "milk", "cup", "and", "the"]


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    """Fifty features, each of one word that stands in a third of the answers."""
    random = np.random.default_rng(0)
    answers = {side: [one_answer(random) for _ in range(60)] for side in ("before", "after")}
    rules = [{colour: float(n + 1)} for n, colour in enumerate(COLOURS)]
    return label_study.make(monkeypatch, answers, rules)[0]


def one_answer(random: np.random.Generator) -> str:
    words = label_study.babble(random, PLAIN, [1] * 5, 150).split(" ")
    for colour in random.choice(COLOURS, 17, replace=False):
        words[int(random.integers(0, 150))] = str(colour)
    return " ".join(words)


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(both(oracle), models=["maker/author", "other/judge"]) as running:
        yield running


def options(server: OpenAIServer, **more: Any) -> dict[str, Any]:
    points = {"model": f"{server.url}#maker/author", "judge": f"{server.url}#other/judge"}
    return {**points, "features": list(range(50)), "attempts": 1, **more}


def run(study: Study, server: OpenAIServer, **more: Any) -> dict[str, Any]:
    return labelling.run(study, labelling.Options(**(options(server, **more))), Watch())


def test_every_feature_gets_its_label_and_a_second_run_asks_nothing(study: Study, server: OpenAIServer) -> None:
    result = run(study, server)
    counts = dict(features=list(range(50)), written=50, failed=0, calls=50, stopped_by="")
    assert {name: result[name] for name in counts} == counts
    assert len(server.calls) == 50
    found = labels.current(study)
    assert {feature: label.label for feature, label in found.items()} == {
        n: f"the word {colour}" for n, colour in enumerate(COLOURS)
    }
    one = found[7]
    assert (one.author, one.author_kind) == ("maker/author", "llm")
    assert (one.confidence, one.prompt_version) == ("high", "label-1")
    assert (one.description, one.not_about) == ("Fires on one word only.", "It is not about colours in general.")
    again = run(study, server)
    assert (again["written"], again["calls"], len(server.calls)) == (0, 0, 50)


def test_the_ledger_is_the_sum_of_the_usage_that_the_server_reported(study: Study, server: OpenAIServer) -> None:
    def priced(call: Call) -> Behaviour:
        text = label_of(call) if len(call.messages) == 2 and call.number % 7 else written("x")
        text = text if len(call.messages) == 2 else label_of(call)
        return Behaviour(
            text, usage={"prompt_tokens": call.number, "completion_tokens": 2, "cost": call.number / 64}
        )

    server.reply = priced
    result = run(study, server)
    numbers = range(1, len(server.calls) + 1)
    assert len(server.calls) > 50
    assert (result["tokens_in"], result["tokens_out"]) == (sum(numbers), 2 * len(server.calls))
    assert result["calls"] == len(server.calls)
    assert result["cost"] == sum(numbers) / 64
    assert sum(label.cost or 0.0 for label in labels.current(study).values()) == result["cost"]


@pytest.mark.parametrize(
    "bad",
    ['{"label": "the wo', '{"label": 3}', '{"label": "' + "x" * 64_000, written("Unknown"), written("two\nlines")],
    ids=["truncated", "misshapen", "runaway", "unknown", "two lines"],
)
def test_one_bad_reply_in_twelve_costs_only_itself(study: Study, server: OpenAIServer, bad: str) -> None:
    about_seven = re.compile(rf"{OPEN}colour7\b")
    server.reply = lambda call: bad if about_seven.search(call.messages[1]["content"]) else label_of(call)
    watch, twelve = Watch(), list(range(12))
    result = labelling.run(study, labelling.Options(**(options(server, features=twelve))), watch)
    assert (result["written"], result["failed"], list(result["errors"])) == (11, 1, ["7"])
    assert result["errors"]["7"].startswith("no usable reply in 3: ")
    assert watch.lines == [f"failed: feature 7: {result['errors']['7']}"]
    assert 7 not in labels.current(study)
    # Put right, the next run asks for the one that is missing, and for nothing else.
    before, server.reply = len(server.calls), label_of
    assert (run(study, server, features=twelve)["written"], len(server.calls) - before) == (1, 1)


def test_a_runaway_reply_is_cut_and_the_correction_stays_short(study: Study, server: OpenAIServer) -> None:
    run(study, server, features=[3])
    assert server.calls[0].body["max_tokens"] == labelling.WRITE_TOKENS
    assert server.calls[0].body["response_format"]["type"] == "json_schema"


def test_the_dry_run_asks_nothing_and_foresees_calls_and_tokens(study: Study, server: OpenAIServer) -> None:
    few = list(range(4))
    expected = labelling.estimate(study, labelling.Options(**(options(server, score=True, features=few))))
    assert (expected.labels, expected.scores, expected.cost, server.calls) == (4, 4, 0.0, [])
    result = run(study, server, score=True, features=few)
    assert (expected.calls, result["scored"]) == (result["calls"], 4)
    assert labelling.estimate(study, labelling.Options(**(options(server, score=True, features=few)))).calls == 0


def test_label_and_score_are_made_from_different_prompts_none_held_out(study: Study, server: OpenAIServer) -> None:
    run(study, server, score=True, features=[0, 1, 2])
    split = study.prompts().set_index("id")["split"]
    shown: dict[str, set[str]] = {"write": set(), "score": set()}
    for feature in range(3):
        evidence: Any = labels.current(study)[feature].evidence
        shown["write"] |= {i.split("/")[0] for i in evidence["firing"] + evidence["silent"]}
    for line in (study.folder / "judgements.jsonl").read_text().splitlines():
        shown["score"] |= {passage[0].split("/")[0] for passage in json.loads(line)["passages"]}
    assert shown["write"] and shown["score"]
    for half, identifiers in shown.items():
        assert {prompts.half_of(i) for i in identifiers} == {half}
        assert set(split[list(identifiers)]) == {"discovery"}


def score_of(study: Study, feature: int = 0) -> dict[str, Any]:
    score = labels.current(study)[feature].score
    assert score is not None
    return score


def test_an_oracle_scores_one_on_both_sides(study: Study, server: OpenAIServer) -> None:
    run(study, server, score=True, features=[0])
    score = score_of(study)
    for method in ("detection", "fuzzing"):
        assert {side: told["balanced"] for side, told in score[method].items()} == {"before": 1.0, "after": 1.0}
    assert (score["judge"], score["same_family"]) == ("other/judge", False)
    calls = len(server.calls)
    assert run(study, server, score=True, features=[0])["calls"] == 0
    assert len(server.calls) == calls


def test_a_verdict_that_cannot_be_read_counts_as_a_wrong_one(study: Study, server: OpenAIServer) -> None:
    server.reply = both(lambda _: "no comment")
    run(study, server, score=True, features=[0])
    one = score_of(study)["detection"]["before"]
    assert (one["balanced"], one["unread"]) == (0.0, one["positives"] + one["negatives"])


def test_a_verdict_too_few_is_asked_again(study: Study, server: OpenAIServer) -> None:
    def forgetful(call: Call) -> str:
        told = json.loads(oracle_of_first(call))
        return json.dumps({"verdicts": told["verdicts"][: None if len(call.messages) > 2 else -1]})

    server.reply = both(forgetful)
    run(study, server, score=True, features=[0])
    assert score_of(study)["detection"]["before"]["balanced"] == 1.0


def oracle_of_first(call: Call) -> str:
    first = Call(call.number, call.again, call.body | {"messages": call.messages[:2]}, call.key, call.received)
    return oracle(first)


def test_a_judge_that_is_away_leaves_the_score_to_the_next_run(study: Study, server: OpenAIServer) -> None:
    server.reply = both(lambda call: Behaviour(status=500) if call.number % 2 else oracle(call))
    result = run(study, server, score=True, features=[0])
    assert (result["scored"], result["failed"], labels.current(study)[0].score) == (0, 1, None)
    before, server.reply = len(server.calls), both(oracle)
    assert run(study, server, score=True, features=[0])["scored"] == 1
    assert len(server.calls) - before < before


def test_labels_and_scores_are_stored_before_they_are_counted(study: Study, server: OpenAIServer) -> None:
    class Counting(Watch):
        """Looks into the files at every count."""

        def __init__(self) -> None:
            super().__init__()
            self.seen: list[tuple[int, int]] = []

        def update(self, done: int, total: int, unit: str = "", cost: float | None = None, note: str = "") -> None:
            super().update(done, total, unit, cost, note)
            if unit == "labels":
                self.seen.append((done, len(labels.current(study))))
            if unit == "scoring calls" and done == total:
                self.seen.append((3, sum(label.score is not None for label in labels.current(study).values())))

    watch = Counting()
    labelling.run(study, labelling.Options(**(options(server, score=True, features=[0, 1, 2]))), watch)
    assert len(watch.seen) == 1 + 3 + 1
    assert all(stored >= counted for counted, stored in watch.seen)


def test_limits_stop_in_peace_and_the_next_run_goes_on(study: Study, server: OpenAIServer) -> None:
    few = list(range(12))
    result = run(study, server, features=few, max_requests=5)
    assert (result["written"], result["stopped_by"], len(server.calls)) == (5, "the limit of 5 requests", 5)
    assert run(study, server, features=few)["written"] == 7
    assert len(server.calls) == 12


def test_a_limit_in_dollars_holds(study: Study, server: OpenAIServer) -> None:
    server.prices = {"maker/author": (1e-6, 1e-6)}
    result = run(study, server, features=list(range(30)), max_dollars=0.02)
    assert 0 < result["written"] < 30
    assert (0.01 < result["cost"] <= 0.02, result["stopped_by"]) == (True, "the limit of $0.02")


def test_a_cancelled_run_keeps_what_it_has(study: Study, server: OpenAIServer) -> None:
    server.delay, few = 0.3, list(range(20))
    with pytest.raises(Cancelled):
        labelling.run(study, labelling.Options(**(options(server, features=few, concurrency=4))), Watch(checks=4))
    assert 0 < len(labels.current(study)) < 20
    server.delay = 0.0
    run(study, server, features=few)
    assert (len(labels.current(study)), len(server.calls)) == (20, 20)


def test_a_persons_label_is_left_alone_and_a_rejected_one_is_written_anew(
    study: Study, server: OpenAIServer
) -> None:
    sae = labels.sae_of(study.settings.reader)
    edit(study, sae, 0, "mine", "Ada")
    run(study, server, features=[0, 1])
    assert labels.current(study)[0].label == "mine"
    tell(study, sae, 1, "reject", "Ada", about=labels.current(study)[1].key, text="too narrow")
    server.reply = lambda _: written("something broader")
    run(study, server, features=[0, 1])
    assert labels.current(study)[1].label == "something broader"
    assert "- the word colour1 (too narrow)" in server.calls[-1].prompt
    assert len(server.calls) == 2


def test_rewriting_asks_afresh_but_never_over_a_person(study: Study, server: OpenAIServer) -> None:
    edit(study, labels.sae_of(study.settings.reader), 0, "mine", "Ada")
    run(study, server, features=[0, 1])
    server.reply = lambda _: written("another go")
    assert run(study, server, features=[0, 1], rewrite=True)["written"] == 1
    assert [label.label for label in labels.ever(study)[1]] == ["the word colour1", "another go"]


def test_the_judge_is_of_another_family_unless_one_is_named(study: Study, server: OpenAIServer) -> None:
    from diffing.labels.plan import Options, judge_for
    from diffing.models.providers import endpoint, parse

    for author, judge in {
        "openrouter:openai/gpt-4o-mini": "google/gemini-2.5-flash",
        "gemini:gemini-2.5-pro": "openai/gpt-4o-mini",
        "vllm:Qwen/Qwen3-8B": "google/gemini-2.5-flash",
    }.items():
        assert judge_for(endpoint(parse(author, "a")), Options()).model == judge
    run(study, server, score=True, features=[0], judge=f"{server.url}#maker/author")
    assert score_of(study)["same_family"] is True


def test_a_feature_that_no_answer_shows_is_reported_and_not_asked(
    monkeypatch: pytest.MonkeyPatch, server: OpenAIServer
) -> None:
    texts = ["tea with milk"] * 20
    study, _ = label_study.make(monkeypatch, {"a": texts, "b": texts}, [{"tea": 1.0}, {"rum": 1.0}])
    result = run(study, server, features=[0, 1])
    assert (result["written"], len(server.calls)) == (1, 1)
    assert result["errors"] == {"1": "no discovery answer of the half to write from shows it"}
    with pytest.raises(UserError, match="There is no feature 2; the reader has 0 to 1"):
        run(study, server, features=[2])


def test_a_model_that_is_not_served_stops_before_anything_is_spent(study: Study, server: OpenAIServer) -> None:
    with pytest.raises(UserError, match="does not serve 'maker/autor'"):
        run(study, server, model=f"{server.url}#maker/autor")
    assert server.calls == []


def test_a_hint_is_given_of_what_lies_near(monkeypatch: pytest.MonkeyPatch, server: OpenAIServer) -> None:
    texts = [f"Tea {n} is  good. " + "Milk is better and cups are best. " * 4 for n in range(40)]
    study, _ = label_study.make(monkeypatch, {"a": texts, "b": texts}, [{"  ": 1.0}], name="spaces")
    server.reply = lambda _: written("double spaces")
    run(study, server, features=[0])
    assert "double spaces (100%)" in server.calls[0].prompt


def test_a_study_with_all_prompts_held_out_has_nothing_to_write_from(
    monkeypatch: pytest.MonkeyPatch, server: OpenAIServer
) -> None:
    texts = ["tea with milk"] * 4
    study, _ = label_study.make(monkeypatch, {"a": texts, "b": texts}, [{"tea": 1.0}], held_out=0.999)
    result = run(study, server, features=[0], score=True)
    assert (result["failed"], result["scored"], server.calls) == (1, 0, [])
