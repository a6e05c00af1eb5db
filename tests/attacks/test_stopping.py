"""A run that is told to end: heeded wherever it is, and nothing that is paid for is dropped."""

import os
import signal
import socket
import subprocess
import sys
import threading
from typing import Any

import pandas as pd
import pytest
from pydantic import BaseModel

from diffing import jobs, status
from diffing.common import files
from diffing.common.errors import Cancelled
from diffing.models import providers, questions
from diffing.study.study import Study
from tests.fakes.asked_study import make
from tests.fakes.openai_server import Behaviour, Call, OpenAIServer
from tests.fakes.processes import PATIENCE, until, worker_of
from tests.fakes.watch import Watch


def cli(*words: str) -> "subprocess.Popen[str]":
    """The command line in the foreground of a process of its own, as from a terminal."""
    # A test run in the background of a shell ignores Ctrl-C, and its children would.
    usual = "import signal; [signal.signal(n, signal.SIG_DFL) for n in (1, 2, 15)]; "
    usual += "signal.signal(2, signal.default_int_handler); from diffing.cli.app import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", usual, *words], cwd=files.PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


AT_ONCE = """
import os, signal, sys
from contextlib import contextmanager
from diffing.jobs import run
from diffing.study.study import Study
real, number = run._claimed, int(sys.argv[1])
signal.signal(signal.SIGINT, signal.default_int_handler)

@contextmanager
def claimed(*told):
    with real(*told) as got:
        os.kill(os.getpid(), number)
        yield got

run._claimed = claimed
print(run.run_here(Study.open("s"), "collect").state)
"""


@pytest.mark.attack("R7")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_first_step_of_a_run_is_heeded_by_it(server: OpenAIServer, number: int) -> None:
    study = make(server, 2)
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE, str(int(number))], cwd=files.PROJECT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.strip(), done.stderr, len(server.calls)) == (0, "cancelled", "", 0)
    assert [job.status().state for job in jobs.recent(study)] == ["cancelled"]


# All signals to end have one handler; that SIGTERM is among them is told above and at the end.
@pytest.mark.attack("R7")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_in_the_foreground_waits_for_what_is_paid_for(server: OpenAIServer, number: int) -> None:
    go = threading.Event()

    def held(_: Call) -> Behaviour:
        go.wait(PATIENCE)
        return Behaviour("fine", usage={"cost": 0.25})

    server.reply = held
    study = make(server, 40)
    process = cli("collect", "s", "--concurrency", "8")
    until(lambda: len(server.calls) == 8, "eight calls under way")
    process.send_signal(number)
    [job] = jobs.recent(study)
    until(lambda: any("Stopping: what is on its way" in line for line in job.log_tail()), "heard")
    go.set()
    said, told = process.communicate(timeout=PATIENCE)
    rows = study.responses()
    assert (len(server.calls), len(rows), rows["cost"].sum()) == (8, 8, 2.0)
    assert process.returncode == 130
    assert "Stopping: what is on its way, and may be paid for, is waited for up to 20 s and stored." in told
    assert "Cancelled at 8/80 answers" in told and "$2.00" in told and "Traceback" not in told
    assert (job.status().state, (job.status().result or {})["cost"], said) == ("cancelled", 2.0, "")
    assert status.of(study)["cost"] == 2.0


@pytest.mark.attack("R7")
def test_a_second_signal_ends_it_at_once_and_keeps_what_came(server: OpenAIServer) -> None:
    over = threading.Event()

    def held(call: Call) -> str:
        if call.number > 5:
            over.wait(PATIENCE)
        return "fine"

    server.reply = held
    study = make(server, 40)
    process = cli("collect", "s", "--concurrency", "1")
    until(lambda: len(server.calls) == 6, "a call that does not end")
    process.send_signal(signal.SIGINT)
    [job] = jobs.recent(study)
    until(lambda: (job.folder / "cancel").exists(), "the first was heard")
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=PATIENCE)
    over.set()
    assert (process.returncode, len(study.responses()), "Traceback" in told) == (130, 5, False)
    assert (job.status().result or {})["answered"] == 5


@pytest.mark.attack("R7")
def test_what_is_ignored_on_purpose_stays_ignored(server: OpenAIServer) -> None:
    study, heard = make(server, 1), list[object]()

    def look(_: object) -> None:
        heard.append(signal.getsignal(signal.SIGHUP))

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        jobs.run_here(study, "collect", {}, look)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert set(heard) == {signal.SIG_IGN}


@pytest.fixture
def dripping() -> Any:
    """Address of a server whose answers never end."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(16)
        yield f"http://127.0.0.1:{door.getsockname()[1]}/v1"


@pytest.mark.attack("R6")
@pytest.mark.parametrize("how", ["cancel", "signal"])
def test_a_run_that_hangs_in_the_model_list_heeds_a_cancel(dripping: str, how: str) -> None:
    sides = [providers.parse(f"{dripping}#{model}", model) for model in ("before", "after")]
    study = Study.create("s", sides, pd.DataFrame({"text": ["Hi"]}))
    job = jobs.start(study, "collect")
    worker = worker_of(job)
    until(lambda: (job.folder / "progress.json").exists(), "at work")
    job.cancel() if how == "cancel" else os.kill(worker, signal.SIGTERM)
    assert job.wait(PATIENCE).state == "cancelled"


@pytest.mark.attack("R6")
def test_questions_heed_a_cancel_before_their_first_look_at_the_network(dripping: str) -> None:
    asking = questions.Asking(model=f"{dripping}#m")
    asked = questions.Question("q", [{"role": "user", "content": "?"}], Verdict)
    with pytest.raises(Cancelled) as caught:
        questions.put([asked], asking, Watch(checks=1), lambda *_: None)
    assert (caught.value.result or {})["left"] == 1


class Verdict(BaseModel):
    fits: bool
