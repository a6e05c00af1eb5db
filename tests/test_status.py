"""What a study's status foresees before a diff, and takes from one; and that the command says the same."""

import json

import pytest
from typer.testing import CliRunner

from diffing import diff, status
from diffing.cli.app import app
from diffing.study import sample
from diffing.study.study import Study
from tests.fakes import finding_study


def test_before_a_diff_the_smallest_difference_is_that_of_all_the_readers_features() -> None:
    assert status.of(sample.create())["detectable"] == status.detectable(60, 4096)


def test_the_command_says_what_the_engine_says() -> None:
    said = CliRunner().invoke(app, ["status", sample.create().name, "--json"])
    assert json.loads(said.stdout) == status.of(Study.open(sample.NAME))


def test_after_a_diff_it_is_the_diffs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    study = finding_study.make(monkeypatch)
    told = diff.load(study, "a", "b").summary
    own = status.detectable(told["prompts"], told["tested"], told["background_discordance"])
    assert status.of(study)["detectable"] == own != status.detectable(told["prompts"], status.features(study))
