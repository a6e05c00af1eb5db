"""Shares as they are typed: each read by itself, joined at the end, and stopped by a scheduler's signal."""

import json
import os
import signal

import pytest
import torch
from typer.testing import CliRunner

from diffing.cli.app import app
from diffing.reader import encode, places
from diffing.reader.encodings import Encodings
from tests.fakes.reader import FakeReader
from tests.reader.test_encode import study_of


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == code, (result.output, result.exception)
    return result.stdout


class Signalled(FakeReader):
    """The scheduler wants its machine back while the first batch runs."""

    def hidden(self, ids: list[list[int]]) -> torch.Tensor:
        os.kill(os.getpid(), signal.SIGTERM)
        return super().hidden(ids)


def test_shares_are_read_and_joined_by_command(monkeypatch: pytest.MonkeyPatch) -> None:
    study = study_of([f"word {n} of many" for n in range(12)])
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: Signalled())
    run("encode", "study", "--share", "1/2", code=130)
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: FakeReader())
    first = json.loads(run("encode", "study", "--share", "1/2", "--json"))
    # A batch was under way when the signal came, and was sealed.
    assert first["found"] > 0 and first["found"] + first["read"] == first["answers"]
    said = run("encode", "study", "--share", "2/2")
    assert said.startswith("Share 2/2: ") and "When all shares are done: 'encode study --join'." in said
    run("encode", "study", "--share", "2/2", "--join", code=1)
    listed = run("jobs", "study").splitlines()
    assert [line.split(" on ")[0] for line in listed] == ["share 1/2", "share 1/2", "share 2/2"]
    states = [one["state"] for one in json.loads(run("jobs", "study", "--json"))]
    assert sorted(states) == ["cancelled", "done", "done"]
    assert run("encode", "study", "--join").startswith("done: 24 answers, 0 could not be read")
    assert len(Encodings.open(study)) == 24
    assert not places.shares_path(study).exists()


def test_a_share_by_another_reader_changes_no_setting_and_joins_beside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encode, "load_reader", lambda _choice, _device: FakeReader())
    study = study_of(["one", "two"])
    run("encode", "study", "--share", "1/1", "--reader", "gpt2-small")
    before = (study.folder / "study.toml").read_bytes()
    run("encode", "study")
    run("encode", "study", "--reader", "gpt2-small", "--join")
    assert (study.folder / "study.toml").read_bytes() == before
    assert [path.suffix for path in (study.folder / "readers").glob("*.parquet")] == [".parquet"]
