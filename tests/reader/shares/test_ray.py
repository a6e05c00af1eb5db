"""A real Ray cluster of three nodes reads a study: nodes die and come, its head dies, strangers are refused.

One cluster for all, in a process of its own, as its library cannot be used twice in one.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest

from diffing.common.errors import UserError
from diffing.reader import encode, places, wanted
from diffing.reader.shares import sealed
from diffing.reader.shares.away import dealt
from diffing.study.study import Study
from tests.fakes import away
from tests.fakes.processes import until
from tests.fakes.watch import Watch
from tests.reader.shares.test_shares import TEXTS, alone, same
from tests.reader.test_encode import study_of

__all__ = ["alone"]

TOKEN, OTHER = "a" * 64, "b" * 64
NODES = """
import sys
from ray.cluster_utils import Cluster
small = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
cluster = Cluster(initialize_head=True, head_node_args=small | {"include_dashboard": False})
nodes = [cluster.add_node(**small) for _ in range(2)]
print(cluster.address, flush=True)
for line in sys.stdin:
    if line.strip() == "kill":
        cluster.remove_node(nodes.pop(), allow_graceful=False)
    elif line.strip() == "add":
        nodes.append(cluster.add_node(**small))
    else:
        cluster.head_node.kill_gcs_server(check_alive=False)
    print("done", flush=True)
"""


class Cluster:
    """Three nodes; `do` has one killed or added, or the head killed."""

    def __init__(self) -> None:
        env = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_USAGE_STATS_ENABLED": "0"}
        # Nodes wait for a head that is gone for a minute, and their workers for everything else on the machine.
        env |= {"RAY_worker_niceness": "0", "RAY_gcs_rpc_server_reconnect_timeout_s": "5"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", NODES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        )
        self.address = self.said(lambda line: ":" in line and line.strip()[-1].isdigit())

    def said(self, wanted: Callable[[str], bool]) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            # Ray talks here too.
            if wanted(line):
                return line.strip()
        raise AssertionError("the cluster ended")

    def do(self, what: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        self.said(lambda line: line.strip() == "done")

    def end(self) -> None:
        """All of its processes are gone when this returns."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.end()


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    # A cluster that this machine's settings name is none that the command named.
    monkeypatch.setenv("RAY_ADDRESS", "192.0.2.1:6379")
    monkeypatch.setattr(encode, "LOADS", away.LOADS)
    return study_of(TEXTS)


class Reading(threading.Thread):
    """A run beside the test."""

    def __init__(self, study: Study, on: str) -> None:
        super().__init__()
        self.study, self.on, self.watch = study, on, Watch()
        self.result: dict[str, Any] = {}
        self.said = ""

    def run(self) -> None:
        try:
            self.result = encode.run(self.study, encode.Options(on=self.on), self.watch)
        except UserError as error:
            self.said = str(error)

    def until(self, holds: Callable[[], object], what: str) -> None:
        def look() -> bool:
            assert self.is_alive(), self.said or self.result
            return bool(holds())

        until(look, what)

    def sealed(self) -> int:
        return len(list((places.shares_path(self.study) / "sealed").glob("ray-*")))


def refused(study: Study, on: str) -> str:
    with pytest.raises(UserError) as said:
        encode.run(study, encode.Options(on=on), Watch())
    return str(said.value)


def test_a_node_dies_with_work_and_one_comes_and_every_answer_is_there_once(
    cluster: Cluster, study: Study, alone: tuple[pd.DataFrame, list[bytes]]
) -> None:
    away.hold(0)
    reading = Reading(study, f"ray://{cluster.address}")
    reading.start()
    reading.until(lambda: len(away.workers()) == 3, "three workers at work")
    cluster.do("kill")
    cluster.do("add")
    reading.until(lambda: len(away.workers()) == 4, "the new node at work")
    away.go()
    reading.join()
    result = reading.result
    assert result, reading.said
    assert same(study, alone)
    assert result["workers"] == 3 and result["done_again"] >= 1 and result["lost_seconds"] > 0
    # What was lost with the node is all that went through a reader twice.
    tasks = wanted.tasks_of(study, wanted.of(study, None))
    unique = {task.key: task for task in tasks}.values()
    most = max(len(part.what["keys"]) for part in dealt(list(unique)))
    # One has no text for a reader, and one it takes but cannot run.
    assert result["encoded"] == len(unique) - 2
    assert len(unique) - 1 <= away.passes() <= len(unique) + 2 * most
    assert any("done again" in line for line in reading.watch.lines)
    assert not places.shares_path(study).exists()


def test_who_has_no_token_the_wrong_one_or_no_address_is_refused(
    cluster: Cluster, study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", OTHER)
    assert f"at {cluster.address} does not take our token; it is another's" in refused(study, cluster.address)
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "There is no token for the Ray cluster at" in refused(study, f"ray://{cluster.address}")
    for named in ("auto", "ray://auto", "local", "http://host:1", "host"):
        assert f"'{named}' names no place to work" in refused(study, named)
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    assert "Nothing answers at 127.0.0.1:1 " in refused(study, "ray://127.0.0.1:1")
    assert not (study.folder / "encodings.parquet").exists()


def test_the_head_dies_and_another_run_goes_on_from_there(
    cluster: Cluster, study: Study, alone: tuple[pd.DataFrame, list[bytes]]
) -> None:
    away.hold(8)
    reading = Reading(study, cluster.address)
    reading.start()
    reading.until(lambda: reading.sealed() >= 2, "two parts read")
    cluster.do("head")
    reading.join()
    sentence = reading.said
    assert sentence.startswith(f"The Ray cluster at {cluster.address} is gone")
    assert sentence.endswith("what was done is stored, and the same command goes on from there.")
    before = {key for one in sealed.opened(places.shares_path(study))[0] for key in one.places}
    # Its workers, which wait, must not go on beside the next run's.
    cluster.end()
    assert before
    away.go()
    # On a cluster of its own, which is started for it and ends with it.
    result = encode.run(study, encode.Options(on="ray"), Watch())
    assert same(study, alone)
    unique = {task.key for task in wanted.tasks_of(study, wanted.of(study, None))}
    assert result["dealt"] == len(unique) - len(before)
    assert result["workers"] == 1
