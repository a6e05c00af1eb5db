"""The client against a server that nobody here wrote: `transformers serve` with a tiny random model."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from diffing import jobs
from diffing.common import files
from diffing.models import providers
from diffing.study.settings import Sampling
from diffing.study.study import Study
from tests.fakes import tiny

REVISION = "0" * 40


class Served(NamedTuple):
    """A running server and the folder of the model that it serves as `tiny/llama`."""

    url: str
    folder: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A tiny model in a Hugging Face cache of its own, served on a free port."""
    root = tmp_path_factory.mktemp("served")
    repository = root / "hub" / "models--tiny--llama"
    tiny.model(repository / "snapshots" / REVISION, tiny.configs()["llama"])
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(REVISION)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = str(Path(sys.executable).with_name("transformers"))
    command = [program, "serve", "--port", str(port), "--device", "cpu"]
    offline = {"HF_HOME": str(root), "HF_HUB_CACHE": str(root / "hub"), "HF_HUB_OFFLINE": "1"}
    settings = os.environ | offline | {"OMP_NUM_THREADS": "1"}
    with (root / "log.txt").open("wb") as log:
        server = subprocess.Popen(command, env=settings, stdout=log, stderr=log, cwd=files.PROJECT)
    try:
        end = time.monotonic() + 600
        while not answers(f"http://localhost:{port}/health"):
            assert server.poll() is None and time.monotonic() < end, (root / "log.txt").read_text()
            time.sleep(0.2)
        yield Served(f"http://localhost:{port}/v1", repository / "snapshots" / REVISION)
    finally:
        server.kill()
        server.wait()


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=60):
            return True
    except OSError:
        return False


def test_its_answers_are_those_of_the_model_itself(served: Served) -> None:
    sampled = {"temperature": 1.0, "generation_config": json.dumps({"do_sample": True, "eos_token_id": 1})}
    endpoint = providers.parse(f"{served.url}#tiny/llama", "served")
    sides = [
        endpoint,
        endpoint.model_copy(update={"key": "sampled", "extra_body": sampled}),
        providers.parse(f"hf:{served.folder}", "local"),
    ]
    texts = pd.DataFrame({"text": ["Hi", "What is a cat?", "Sorry?"]})
    study = Study.create("s", sides, texts, sampling=Sampling(max_tokens=8, temperature=0.0, draws=2))
    status = jobs.run_here(study, "collect", {"concurrency": 2})
    assert (status.state, status.error) == ("done", "")
    rows = study.responses()
    assert rows.groupby("checkpoint").size().to_dict() == {"local": 6, "sampled": 6, "served": 6}
    same = ["text", "finish_reason", "tokens_in", "tokens_out"]
    by_key = {key: rows[rows["checkpoint"] == key] for key in ("served", "sampled", "local")}
    assert by_key["served"][same].to_numpy().tolist() == by_key["local"][same].to_numpy().tolist()
    assert set(by_key["served"]["model_served"]) == {"tiny/llama@main"}
    assert (by_key["served"]["text"].nunique(), by_key["sampled"]["text"].nunique()) == (3, 6)
    assert (by_key["served"]["latency"] > 0).all()


def test_a_model_that_it_does_not_list_is_named(served: Served) -> None:
    sides = [providers.parse(f"{served.url}#tiny/{name}", name) for name in ("llama", "gone")]
    study = Study.create("s", sides, pd.DataFrame({"text": ["Hi"]}))
    assert jobs.run_here(study, "collect").error == (
        f"{served.url} does not serve 'tiny/gone' (any more); use another id (tiny/llama), "
        "or 'import' answers saved earlier."
    )
