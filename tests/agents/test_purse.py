"""The agents' purse: nothing is begun that could pass the limit, and no restart forgets what was spent."""

import os
import signal

import pytest

from diffing import jobs
from diffing.agents.purse import LEAST, Entry, Ledger, Purse
from diffing.agents.terms import Terms
from diffing.common import files
from diffing.common.errors import UserError
from diffing.jobs.job import Job
from diffing.study.study import Study
from tests.fakes.agent import Agent, text
from tests.fakes.asked_study import make
from tests.fakes.openai_server import Behaviour, OpenAIServer
from tests.fakes.processes import until, worker_of


def begun(study: Study, purse: Purse, wish: float | None = None, **options: object) -> Job:
    def begin(cap: float | None) -> Job:
        return jobs.start(study, "collect", {"max_dollars": cap, "concurrency": 1, **options})

    return purse.start(study, "agent x", True, wish, begin)


@pytest.fixture
def study(server: OpenAIServer) -> Study:
    server.reply = lambda _: Behaviour("fine", usage={"cost": 0.004})
    return make(server, 40)


def test_a_budget_of_ten_cents_stops_at_ten_cents_over_jobs_and_restarts(
    server: OpenAIServer, study: Study
) -> None:
    terms = Terms(frozenset({"collect"}), 0.10)
    refused = ""
    while not refused:
        # A server of its own each time, as a client starts it anew; all that is left, unless it asks for less.
        agent = Agent(terms)
        told = agent.call("start", study="s", step="collect", **({} if server.calls else {"max_dollars": 0.05}))
        if told.is_error:
            refused = text(told)
        else:
            assert (
                Job(study.folder / "jobs" / str((told.structured_content or {})["job"])).wait(60).state == "done"
            )
    assert refused.startswith("The agents' budget of $0.10 is used up ($0.10 spent); a person gives more with")
    spent = Purse(0.10).standing().spent
    assert spent == pytest.approx(0.004 * len(server.calls))
    assert 0.09 < spent <= 0.10 + 1e-9 and len(study.responses()) == len(server.calls)


def test_what_a_running_job_may_cost_is_set_aside(study: Study, server: OpenAIServer) -> None:
    server.delay = 5
    purse = Purse(1.0)
    job = begun(study, purse, wish=0.7)
    standing = purse.standing()
    assert [standing.set_aside, standing.left] == pytest.approx([0.7, 0.3])
    with pytest.raises(UserError, match=r"there is \$0.30 left, and \$0.50 was asked for; ask for less"):
        begun(study, purse, wish=0.5)
    with pytest.raises(UserError, match="'collect' is already running"):
        begun(study, purse, wish=0.2)
    # What was refused is set aside no more.
    assert purse.standing().set_aside == 0.7
    job.cancel()
    assert job.wait(60).state == "cancelled"
    assert purse.standing().set_aside == 0.0


def test_a_job_that_was_killed_counts_with_all_that_was_set_aside(study: Study, server: OpenAIServer) -> None:
    server.delay = 60
    purse = Purse(1.0)
    job = begun(study, purse, wish=0.6)
    until(lambda: server.calls, "it asks")
    os.kill(worker_of(job), signal.SIGKILL)
    assert job.wait(60).state == "dead"
    assert (purse.standing().spent, purse.standing().set_aside) == (0.6, 0.0)


def test_a_start_that_was_cut_short_and_a_study_that_is_gone_count_whole() -> None:
    purse = Purse(1.0)
    entries = [Entry(study="gone", job="j", agent="x", cap=0.2), Entry(study="gone", agent="x", cap=0.3)]
    purse._write(Ledger(since=files.now(), entries=entries))
    assert (purse.standing().spent, purse.standing().left) == (0.5, 0.5)


def test_only_a_refill_counts_anew_and_what_runs_stays_set_aside(study: Study, server: OpenAIServer) -> None:
    server.delay = 5
    purse = Purse(0.5)
    job = begun(study, purse, wish=0.3)
    ledger = purse._read()
    purse._write(Ledger(since="then", entries=[*ledger.entries, Entry(study="g", agent="x", cap=1, spent=0.19)]))
    with pytest.raises(UserError, match=r"budget of \$0.50 is used up|there is"):
        begun(study, purse, wish=0.02)
    Purse(0.5).refill()
    standing = Purse(0.5).standing()
    assert (standing.spent, standing.set_aside) == (0.0, 0.3)
    job.cancel()
    job.wait(60)


def test_under_a_cent_nothing_is_begun(study: Study) -> None:
    with pytest.raises(UserError, match=r"The agents' budget of \$0.0050 is used up \(\$0.00 spent\)"):
        begun(study, Purse(LEAST / 2))
    assert jobs.recent(study) == []


def test_a_purse_that_cannot_be_read_is_no_full_one() -> None:
    purse = Purse(1.0)
    purse._lock()
    purse.path.write_text("{}")
    with pytest.raises(UserError, match="which says what agents have spent, cannot be read"):
        purse.standing()
