"""`python -m diffing check`: its exit codes, what it prints and writes, and that no fault looks like a verdict."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest

from diffing.cli import check as cli_check
from diffing.cli.app import main
from diffing.gate import check, forms
from tests.diff.test_timeline import answer
from tests.fakes import gated_study
from tests.fakes.diff_study import made

RULE = "q_gate < 0.05 and abs(delta) > 0.5"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A study that changed and one that did not."""
    home = tmp_path_factory.mktemp("gate")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFING_HOME", str(home))
        gated_study.study(patch, "moved")
        gated_study.study(patch, "still", bold=0.0)
        along = made(answer, prompts=60, keys="abcd", encoded=False)
        along.folder.rename(along.folder.with_name("along"))
        yield home


@pytest.fixture
def gate(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command as a pipeline runs it, in this process."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setenv("DIFFING_HOME", str(home))
        monkeypatch.setattr(sys, "argv", ["diffing", "check", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["along", "--series", "--fail-on", RULE], 1, "Changed along 4 checkpoints, from a to d: "),
        (["along", "--checkpoints", "a,b,a"], 3, "three or more different checkpoints"),
        (["still", "--fail-on", RULE], 0, "Passed from a (A) to b (B): nothing changed, on 60 prompts."),
        (["moved", "--fail-on", RULE], 1, "Changed from a (A) to b (B): "),
        (["still", "--size", "0.02", "--fail-on", "q < 0.05"], 2, "Cannot tell from a (A) to b (B): "),
        (["moved", "--size", "0.02", "--fail-on", "q < 0.05"], 1, "Changed from a (A) to b (B): "),
        (["moved", "--fail-on", "os.system('true')"], 3, "is a call; only abs(), min() and max()"),
        (["moved", "--fail-on", "detla > 1"], 3, "did you mean 'delta'?"),
        (["moved", "--fail-on", "abs(delta) > 0.9", "--size", "0.1"], 3, "Nothing could fail on"),
        (["moved", "--size", "nan"], 3, "is no size of a change"),
        (["moved", "--a", "z"], 3, "has no checkpoint 'z'"),
        (["moved", "--allow", "absent.toml"], 3, "'absent.toml' cannot be read"),
        (["moved", "--baseline", "absent"], 3, "There is no study 'absent'"),
        (["moved", "--output", "gate.pdf"], 3, "'gate.pdf' has no ending that is known"),
        (["moved", "--no-such-option"], 3, "No such option"),
        (["moved", "--format", "pdf"], 3, "Invalid value for '--format'"),
        (["absent"], 3, "There is no study 'absent'"),
        ([], 3, "Missing argument"),
        (["--help"], 0, "Example:"),
    ],
)
def test_every_outcome_has_an_exit_code_of_its_own(words: list[str], code: int, said: str, gate: Run) -> None:
    ended, printed, complained = gate(*words)
    assert (ended, said in printed + complained) == (code, True), printed + complained
    assert (code == 3) == (not printed)


def test_a_defect_of_the_program_is_no_verdict(gate: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("odd")

    monkeypatch.setattr(check, "of", fails)
    code, printed, complained = gate("moved")
    assert (code, printed) == (3, "")
    assert "This program failed (ZeroDivisionError: odd)" in complained


def test_one_run_prints_one_form_and_writes_several(gate: Run, tmp_path: Path) -> None:
    paths = [str(tmp_path / f"gate{ending}") for ending in forms.ENDINGS]
    outputs = [word for path in paths for word in ("--output", path)]
    code, printed, _ = gate("moved", "--fail-on", RULE, "--format", "json", *outputs)
    told = json.loads(printed)
    assert (code, told["exit_code"], told["fail_on"]) == (1, 1, RULE)
    assert json.loads(Path(paths[1]).read_text(encoding="utf-8")) == told
    assert all(Path(path).stat().st_size for path in paths)
    assert gate("moved", "--fail-on", RULE, "--json")[1] == printed


def test_what_is_written_as_expected_passes_the_next_time(gate: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "allow.toml")
    code, _, said = gate("moved", "--fail-on", RULE, "--write-allow", path)
    assert (code, "expected change" in said) == (0, True)
    code, printed, _ = gate("moved", "--fail-on", RULE, "--allow", path, "--strict")
    assert (code, "Expected, and came:" in printed) == (0, True)
    before = Path(path).read_text(encoding="utf-8").replace('note = ""', 'note = "asked for"')
    Path(path).write_text(before, encoding="utf-8")
    gate("moved", "--fail-on", RULE, "--allow", path, "--write-allow", path)
    assert Path(path).read_text(encoding="utf-8") == before
    code, printed, _ = gate("still", "--fail-on", RULE, "--allow", path)
    assert (code, "Expected, and did not come:" in printed) == (0, True)
    assert gate("still", "--fail-on", RULE, "--allow", path, "--strict")[0] == 1


def test_the_command_knows_the_forms_and_codes_that_there_are() -> None:
    assert cli_check.NOT_CHECKED not in check.CODES.values()
    assert set(get_args(forms.Form)) == set(forms.FORMS)
