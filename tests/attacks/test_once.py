"""One question is asked and paid once, whichever process or run asks, and after any interruption."""

import asyncio
import os
import signal
import threading
from collections import Counter
from typing import Any

import numpy as np
import pytest

from diffing import jobs, labels
from diffing.common import files, jsonl
from diffing.common.errors import Cancelled, UserError
from diffing.labels import history, labelling, rewriting
from diffing.labels.plan import Plan
from diffing.models import chat, claims
from diffing.models.chat import ChatClient
from diffing.models.providers import Endpoint
from diffing.models.replies import Request
from diffing.study.study import Study
from tests.fakes import label_study
from tests.fakes.asked_study import make
from tests.fakes.labellers import both, label_of, oracle
from tests.fakes.openai_server import Behaviour, Call, OpenAIServer
from tests.fakes.processes import PATIENCE, until, worker_of
from tests.fakes.watch import Watch


@pytest.mark.attack("R28")
def test_processes_that_ask_the_same_pay_once(server: OpenAIServer) -> None:
    server.reply = lambda call: Behaviour(f"answer {call.number}", usage={"cost": 0.25}, delay=0.05)
    studies = [make(server, 40, name) for name in ("one", "two", "three", "four")]
    started = [jobs.start(study, "collect", {"concurrency": 8}) for study in studies]
    ended = [job.wait(PATIENCE) for job in started]
    assert [told.state for told in ended] == ["done"] * 4
    assert (len(server.calls), set(server.asked().values())) == (80, {1})
    assert sum((told.result or {})["asked"] for told in ended) == 80
    assert sum((told.result or {})["cost"] or 0.0 for told in ended) == 20.0
    texts = [study.responses()["text"].tolist() for study in studies]
    assert len(texts[0]) == 80 and texts.count(texts[0]) == 4
    assert not list(files.cache_dir("claims").iterdir())


@pytest.mark.attack("R28")
def test_a_dead_owners_claim_is_free(server: OpenAIServer) -> None:
    over = threading.Event()

    def held(call: Call) -> str:
        if call.number <= 4:
            over.wait(PATIENCE)
        return f"answer {call.number}"

    server.reply = held
    first, second = make(server, 2, "first"), make(server, 2, "second")
    job = jobs.start(first, "collect", {"concurrency": 4})
    worker = worker_of(job)
    until(lambda: len(server.calls) == 4, "all under way")
    waiting = jobs.start(second, "collect", {"concurrency": 4})
    worker_of(waiting)
    os.kill(worker, signal.SIGKILL)
    told = waiting.wait(PATIENCE)
    over.set()
    assert (told.state, (told.result or {})["answered"], len(server.calls)) == ("done", 4, 8)


@pytest.mark.attack("R21")
def test_a_claim_whose_owner_died_after_its_reply_came_goes_with_the_next_run(server: OpenAIServer) -> None:
    (files.cache_dir("claims") / "dead").touch()
    held = claims.take("held")
    assert held is not None
    jobs.run_here(make(server, 1), "collect")
    assert [path.name for path in files.cache_dir("claims").iterdir()] == ["held"]
    held.release()


@pytest.mark.attack("R28")
def test_who_waits_takes_over_where_the_first_fails_and_heeds_a_cancel(server: OpenAIServer) -> None:
    request = Request(server.url, "before", [{"role": "user", "content": "Hi"}], {})
    point = Endpoint("custom", server.url, "", "before")

    async def run() -> list[str]:
        async with ChatClient() as client:
            claim = claims.take(request.key)
            assert claim is not None and claims.take(request.key) is None
            asked = asyncio.create_task(client.ask(point, request))
            await asyncio.sleep(2 * claims.LOOK_SECONDS)
            assert server.calls == []
            claim.release()
            replies = [(await asked).text]
            again = request._replace(draw=1)
            claim = claims.take(again.key)
            assert claim is not None
            asked = asyncio.create_task(client.ask(point, again))
            client.wind_down()
            with pytest.raises(Cancelled):
                await asked
            claim.release()
            return replies

    server.reply = lambda _: "mine"
    assert (asyncio.run(run()), len(server.calls)) == (["mine"], 1)


@pytest.mark.attack("R28")
def test_two_questions_alike_in_one_run_are_one(server: OpenAIServer) -> None:
    request = Request(server.url, "before", [{"role": "user", "content": "Hi"}], {})

    async def run() -> set[str]:
        async with ChatClient() as client:
            point = Endpoint("custom", server.url, "", "before")
            return {reply.text for reply in await asyncio.gather(*(client.ask(point, request) for _ in range(8)))}

    server.reply = lambda call: f"answer {call.number}"
    assert (asyncio.run(run()), len(server.calls)) == ({"answer 1"}, 1)


@pytest.fixture
def labelled(monkeypatch: pytest.MonkeyPatch) -> Study:
    """Twelve features, each of one word that stands in a third of the answers."""
    random, colours = np.random.default_rng(0), [f"colour{n}" for n in range(12)]

    def answer() -> str:
        plain = label_study.babble(random, ["tea", "milk", "cup", "and", "the"], [1] * 5, 20)
        return " ".join(f"{colour} {plain}" for colour in random.choice(colours, 4, replace=False))

    answers = {side: [answer() for _ in range(60)] for side in ("before", "after")}
    return label_study.make(monkeypatch, answers, [{colour: n + 1.0} for n, colour in enumerate(colours)])[0]


@pytest.mark.attack("R8")
def test_a_rewrite_that_was_killed_asks_only_what_is_missing(labelled: Study) -> None:
    def author(call: Call) -> Behaviour:
        # Longer than between two looks of a run, so that one that is told to end has some left.
        return Behaviour(label_of(call), delay=1.5 * chat.LOOK_SECONDS)

    with OpenAIServer(author, models=["maker/author"]) as server:
        told: dict[str, Any] = {
            "model": f"{server.url}#maker/author",
            "features": list(range(12)),
            "concurrency": 1,
        }

        def run(watch: Watch | None = None, **more: Any) -> dict[str, Any]:
            return labelling.run(labelled, labelling.Options(**(told | more)), watch or Watch())

        assert run()["written"] == 12
        for stop_after in (2, 3):
            with pytest.raises(Cancelled):
                run(Watch(stop_after=stop_after), rewrite=True)
        so_far = len(server.calls) - 12
        assert 5 <= so_far < 12
        rest = labelling.estimate(labelled, labelling.Options(**told, rewrite=True))
        assert (rest.labels, run(rewrite=True)["written"]) == (12 - so_far, 12 - so_far)
        assert (len(server.calls), {len(own) for own in labels.ever(labelled).values()}) == (24, {2})
        # The next one is a rewrite of its own.
        assert (rewriting.path_of(labelled).exists(), run(rewrite=True)["written"]) == (False, 12)
        assert len(server.calls) == 36


@pytest.mark.attack("R8")
def test_a_rewrite_that_was_killed_while_scoring_writes_nothing_again(labelled: Study) -> None:
    with OpenAIServer(both(oracle), models=["maker/author", "other/judge"]) as server:
        points: dict[str, Any] = {"model": f"{server.url}#maker/author", "judge": f"{server.url}#other/judge"}
        told = labelling.Options(**points, features=[0, 1, 2], rewrite=True, score=True, concurrency=1)
        server.models = ["maker/author"]
        with pytest.raises(UserError, match="does not serve 'other/judge'"):
            labelling.run(labelled, told, Watch())
        server.models = ["maker/author", "other/judge"]
        assert labelling.run(labelled, told, Watch())["written"] == 0
    assert Counter(call.model for call in server.calls)["maker/author"] == 3


class Killed(BaseException):
    """Stands for a kill: nobody catches it."""


def killed(*_: Any, **__: Any) -> None:
    raise Killed


@pytest.mark.attack("R8")
def test_a_rewrite_that_was_killed_after_its_last_label_is_over(
    labelled: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OpenAIServer(label_of, models=["maker/author"]) as server:
        told = labelling.Options(model=f"{server.url}#maker/author", features=[0, 1, 2], rewrite=True)
        with monkeypatch.context() as patch:
            patch.setattr(Plan, "flags", killed)
            with pytest.raises(Killed):
                labelling.run(labelled, told, Watch())
        assert labelling.run(labelled, told, Watch())["written"] == 0
        assert len(server.calls) == 3


@pytest.mark.attack("R8")
def test_a_score_that_was_killed_half_stored_has_each_judgement_once(
    labelled: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OpenAIServer(both(oracle), models=["maker/author", "other/judge"]) as server:
        points: dict[str, Any] = {"model": f"{server.url}#maker/author", "judge": f"{server.url}#other/judge"}
        told = labelling.Options(**points, features=[0], score=True)
        with monkeypatch.context() as patch:
            patch.setattr(history, "tell", killed)
            with pytest.raises(Killed):
                labelling.run(labelled, told, Watch())
        asked, lines = len(server.calls), jsonl.read(labelled.folder / "judgements.jsonl")
        assert labelling.run(labelled, told, Watch())["scored"] == 1
        assert (len(server.calls), jsonl.read(labelled.folder / "judgements.jsonl")) == (asked, lines)
        assert lines
