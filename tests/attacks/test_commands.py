"""Command lines as people slip and as attackers try: one sentence each, and no file of the program's source."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import fuzz
from bench.fuzz import run
from diffing.common import files
from diffing.study.study import Study

pytestmark = pytest.mark.attack("R32")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A ground for all command lines that change nothing."""
    with fuzz.ground(tmp_path_factory.mktemp("ground")):
        yield files.home()


@pytest.fixture
def ground(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFING_HOME", str(whole))


NEW = ["new", "s", "openai:m", "import"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([*NEW, "--extra-body", '{"a": null}'], "'a' is null, which a study's file cannot hold"),
        ([*NEW, "--extra-body", '{"a": NaN}'], "'a' is no finite number"),
        ([*NEW, "--extra-body", '{"model": "x"}'], "'model' cannot be set here"),
        ([*NEW, "--extra-body", "[" * 100_000], "is not JSON"),
        ([*NEW, "--draws", "99999999999"], "draws: must be at most 1,000, and is 99,999,999,999"),
        ([*NEW, "--temperature", "nan"], "temperature is no finite number"),
        ([*NEW, "--max-tokens", "99999999999"], "max_tokens:"),
        ([*NEW, "--held-out", "nan"], "held_out:"),
        ([*NEW, "--seed", "-1"], "seed:"),
        (["new", "s", "http://[::1:8715#m", "import"], "is no checkpoint: base_url:"),
        (["new", "s", "http://h:abc/v1#m", "import"], "is no checkpoint: base_url:"),
        (["new", "s", f"hf:{'x' * 5000}", "\udcff"], "is no checkpoint"),
        (["collect", "asked", "--max-dollars", "inf"], "is no finite number"),
        (["collect", "asked", "--timeout", "inf"], "timeout is no finite number"),
        (["collect", "asked", "--retry", "nope", "--dry-run"], "retry.0:"),
        (["export", "brought", "--out", "tiny.csv"], "is a file and no folder"),
        (["report", "brought", "--out", "tiny.csv"], "exists and holds no report"),
        (["status", "half \ud83d"], "is no study name"),
        (["encode", "brought", "--device", "mps"], "There is no device 'mps' here"),
        (["encode", "brought", "--device", "meta"], "There is no device 'meta' here"),
        (["read", "some text", "--device", "nonsense"], "There is no device 'nonsense' here"),
        (["label", "brought", "--features", "²"], "is no feature's number"),
    ],
    ids=lambda value: " ".join(value)[:50].encode("ascii", "replace").decode() if isinstance(value, list) else "",
)
@pytest.mark.usefixtures("ground")
def test_an_argument_that_cannot_be_is_told_in_one_sentence(words: list[str], sentence: str) -> None:
    done = run(words)
    assert (done.code, done.fault) == (2, ""), done.err
    assert sentence in done.err
    assert done.err.replace("encode of 'brought' …\n", "").replace("report of 'brought' …\n", "").count("\n") == 1
    assert sorted(study.name for study in Study.list()) == ["asked", "brought"]


@pytest.mark.parametrize("command", ["collect", "label", "draft", "verify", "baseline"])
@pytest.mark.usefixtures("ground")
def test_a_limit_that_is_no_number_is_refused_as_every_wrong_option_is(command: str) -> None:
    done = run([command, "asked", "--max-dollars", "nan"])
    assert (done.code, done.out, done.fault) == (2, "", "")
    assert "Invalid value for '--max-dollars'" in done.err


def test_a_study_may_have_thirty_checkpoints(tmp_path: Path) -> None:
    with fuzz.ground(tmp_path):
        done = run(["new", "many", *["openai:m"] * 30])
        assert (done.code, done.fault) == (0, "")
        keys = [checkpoint.key for checkpoint in Study.open("many").checkpoints]
    assert (keys[:3], keys[25:28], len(set(keys))) == (["a", "b", "c"], ["z", "a2", "b2"], 30)


def test_half_a_character_in_an_argument_is_stored_as_one_that_files_hold(tmp_path: Path) -> None:
    with fuzz.ground(tmp_path):
        assert run([*NEW, "--system", "Be \udcff brief"]).code == 0
        assert Study.open("s").settings.sampling.system == "Be \ufffd brief"


def test_command_lines_by_chance_end_without_a_traceback(tmp_path: Path) -> None:
    # A few: `bench/fuzz.py` has two thousand.
    with fuzz.ground(tmp_path):
        ended = [(words, run(words)) for words in fuzz.lines(30, 12, tmp_path)]
    assert [(words, done.fault, done.err) for words, done in ended if done.fault] == []
    assert {done.code for words, done in ended if words[:1] != ["check"]} == {0, 2}


def test_the_fuzz_sees_a_traceback_and_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_name: str) -> None:
        raise ZeroDivisionError

    with fuzz.ground(tmp_path):
        monkeypatch.setattr(Study, "open", broken)
        assert run(["status", "asked"]).fault
    assert fuzz.Done(2, "", 'look at "/srv/diffing/cli/app.py"').fault
