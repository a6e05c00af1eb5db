"""Jobs: how far one is and how it ended, whatever ends it, and one at a time of each kind."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pandas as pd
import pytest
from pydantic import BaseModel

from diffing import jobs
from diffing.common import files, who
from diffing.common.errors import Busy, UserError
from diffing.common.step import Progress, Result
from diffing.common.who import Person
from diffing.jobs.job import Job, JobStatus, jobs_dir
from diffing.jobs.run import Reporter
from diffing.models import providers
from diffing.study.study import Study
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.processes import PATIENCE, worker_of


class Options(BaseModel):
    """What the step for these tests is told to do."""

    items: int = 0
    user_error: str = ""
    defect: str = ""
    value: float = 1


def run(study: Study, options: Options, progress: Progress) -> Result:
    """A step for these tests: does what its options say."""
    for done in range(options.items):
        progress.check()
        progress.update(done + 1, options.items, "items", cost=0.5 * (done + 1))
    if options.user_error:
        raise UserError(options.user_error)
    if options.defect:
        raise ZeroDivisionError(options.defect)
    return {"study": study.name, "value": options.value}


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> str:
    """The step above, under the name of a kind."""
    monkeypatch.setitem(jobs.STEPS, "verify", __name__)
    return "verify"


@pytest.fixture
def study(server: OpenAIServer) -> Study:
    """A study whose collection takes a second or so."""
    server.delay = 0.1
    sides = [providers.parse(f"{server.url}#{model}", model) for model in ("before", "after")]
    return Study.create("s", sides, pd.DataFrame({"text": [f"Prompt {i}" for i in range(20)]}))


def start(study: Study) -> Job:
    return jobs.start(study, "collect", {"concurrency": 4})


def first_call(server: OpenAIServer) -> None:
    """Block until a worker is in the midst of its work."""
    end = time.monotonic() + PATIENCE
    while not server.calls:
        assert time.monotonic() < end, f"no call within {PATIENCE} s"
        time.sleep(0.01)


def test_a_detached_job_tells_its_progress_and_outcome(study: Study) -> None:
    job = start(study)
    status = job.wait(PATIENCE)
    assert (status.state, status.done, status.total, status.unit) == ("done", 40, 40, "answers")
    assert status.result == dict(asked=40, answered=40, failed=0, left=0, cost=0.0, stopped_by="")
    assert jobs.find(study, job.id).status() == status
    assert jobs.running(study, "collect") is None


def test_a_job_survives_its_parent(study: Study, server: OpenAIServer) -> None:
    script = (
        "import os, signal\n"
        "from diffing import jobs as jobs\n"
        "from diffing.study.study import Study\n"
        "jobs.start(Study.open('s'), 'collect', {'concurrency': 4})\n"
        "os.killpg(0, signal.SIGKILL)\n"
    )
    # A closed terminal takes its whole group of processes with it.
    command = [sys.executable, "-c", script]
    parent = subprocess.run(command, cwd=files.PROJECT, start_new_session=True, check=False)
    assert parent.returncode == -signal.SIGKILL
    [job] = jobs.recent(study)
    assert job.status().state == "running"
    assert job.wait(PATIENCE).state == "done"
    assert len(server.calls) == len(study.responses()) == 40


def test_a_running_step_is_not_started_twice(study: Study, server: OpenAIServer) -> None:
    job = start(study)
    for again in (jobs.start, jobs.run_here):
        with pytest.raises(Busy, match="'collect' is already running on study 's'; wait for it or cancel it"):
            again(study, "collect")
    assert [j.id for j in jobs.recent(study)] == [job.id]
    assert jobs.running(study, "collect") is not None
    assert job.wait(PATIENCE).state == "done"
    assert jobs.run_here(study, "collect").state == "done"
    assert len(server.calls) == 40


def test_of_many_that_start_at_once_one_runs(study: Study, server: OpenAIServer) -> None:
    started: list[Job] = []

    def try_to() -> None:
        with suppress(Busy):
            started.append(start(study))

    threads = [threading.Thread(target=try_to) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 1
    assert started[0].wait(PATIENCE).state == "done"
    assert len(server.calls) == 40


def test_a_killed_job_is_dead_at_once_and_resumes(study: Study, server: OpenAIServer) -> None:
    job = start(study)
    first_call(server)
    os.kill(worker_of(job), signal.SIGKILL)
    while jobs.running(study, "collect"):
        time.sleep(0.01)
    assert job.status().state == "dead"
    assert jobs.run_here(study, "collect").state == "done"
    assert [j.status().state for j in jobs.recent(study)] == ["done", "dead"]
    assert len(study.responses()) == 40


@pytest.mark.parametrize("polite", [True, False])
def test_a_cancelled_job_is_not_a_failed_one_and_resumes(study: Study, server: OpenAIServer, polite: bool) -> None:
    job = start(study)
    first_call(server)
    if polite:
        job.cancel()
    else:
        os.kill(worker_of(job), signal.SIGTERM)
    status = job.wait(PATIENCE)
    assert (status.state, status.error) == ("cancelled", "")
    assert len(study.responses()) == len(server.calls) < 40
    assert start(study).wait(PATIENCE).state == "done"
    assert len(study.responses()) == len(server.calls) == 40


def test_a_step_in_this_process_has_the_same_outcome(study: Study, step: str) -> None:
    seen: list[JobStatus] = []
    status = jobs.run_here(study, step, {"items": 3, "value": 7}, seen.append)
    assert (status.state, status.done, status.cost, status.result) == ("done", 3, 1.5, {"study": "s", "value": 7})
    assert seen[-1] == status == jobs.recent(study)[0].status()


def test_a_user_error_is_told_and_a_defect_leaves_its_traceback(study: Study, step: str) -> None:
    told = jobs.run_here(study, step, {"user_error": "The moon is full; wait."})
    assert (told.state, told.error) == ("failed", "The moon is full; wait.")
    defect = jobs.run_here(study, step, {"defect": "by nought"})
    assert (defect.state, defect.error) == ("failed", "ZeroDivisionError: by nought")
    log = jobs.recent(study)[0].log_tail()
    assert any(line.endswith("Traceback (most recent call last):") for line in log)
    assert log[-2:] == ["ZeroDivisionError: by nought", ""]


def test_a_result_that_json_cannot_hold_is_a_failure_and_not_a_silence(study: Study, step: str) -> None:
    status = jobs.run_here(study, step, {"value": "nan"})
    assert (status.state, status.result) == ("failed", None)
    assert status.error.startswith("ValueError: Out of range float values")


def test_cancel_reaches_a_step_at_its_next_look(study: Study, step: str) -> None:
    def cancel(status: JobStatus) -> None:
        jobs.find(study, status.id).cancel()

    assert jobs.run_here(study, step, {"items": 5}, cancel).state == "cancelled"


def test_rate_and_time_left_count_the_work_of_this_run_only(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    folder = jobs_dir(study) / "j"
    files.write_json(folder / "spec.json", {"kind": "verify", "study": "s", "options": {}, "created": "now"})
    reporter = Reporter(Job(folder), None)
    reporter.update(90, 100)
    clock[0] += 10
    reporter.update(95, 100)
    assert (reporter.status.seconds, reporter.status.rate, reporter.status.eta) == (10.0, 0.5, 10.0)


def test_an_unknown_step_or_job_is_named(study: Study) -> None:
    with pytest.raises(UserError, match="'guess' is no step; the steps are .*collect, encode"):
        jobs.start(study, "guess")
    with pytest.raises(UserError, match="Study 's' has no job 'x'; 'jobs s' lists them."):
        jobs.find(study, "x")


def test_a_step_that_is_done_starts_the_one_that_follows(study: Study) -> None:
    with who.acts(Person("ada@example.org", "editor")):
        first = jobs.start(study, "collect", {"concurrency": 40}, then=["diff"])
    # Ada has logged out.
    assert first.wait(PATIENCE).state == "done"
    second, _ = jobs.recent(study)
    assert (second.spec["kind"], second.spec["then"]) == ("diff", [])
    assert [job.status().by for job in (first, second)] == ["ada@example.org"] * 2
    # Nothing was encoded, and the second step says so for itself.
    assert (second.wait(PATIENCE).state, first.status().state) == ("failed", "done")


def test_a_step_that_failed_starts_nothing(study: Study) -> None:
    assert jobs.start(study, "diff", then=["report"]).wait(PATIENCE).state == "failed"
    assert [job.spec["kind"] for job in jobs.recent(study)] == ["diff"]


def test_a_step_whose_worker_is_just_gone_is_free_a_moment_later(study: Study) -> None:
    (root := study.folder / "jobs").mkdir(exist_ok=True)
    # Of a job that is alive there is no trace: only its step's lock has not been closed yet.
    held = (root / "collect.lock").open("ab")
    fcntl.flock(held, fcntl.LOCK_EX)
    threading.Timer(0.2, held.close).start()
    assert jobs.run_here(study, "collect").state == "done"
