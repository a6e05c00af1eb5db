"""The program: every command has its example, a slip costs one sentence, and files read back the same."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, get_args

import pytest
import typer
from typer.testing import CliRunner

from diffing.cli import bring, options
from diffing.cli import read as cli_read
from diffing.cli.app import app, main
from diffing.common import files
from diffing.diff import measure, ranking
from diffing.findings import arms, people
from diffing.study import channels
from diffing.study.logs import formats
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study
from tests.fakes.logs import INSPECT

WIDE = "prompt,response_a,response_b\nHi,Hello.,Hey!\nBye,Goodbye.,\n"


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def diffing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The program as a user runs it, in this process."""

    def run(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["diffing", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return run


def test_the_program_runs_as_a_module_and_fails_with_code_2() -> None:
    command = [sys.executable, "-m", "diffing", "status", "absent"]
    done = subprocess.run(command, cwd=files.PROJECT, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("There is no study 'absent'")


def test_every_command_shows_an_example() -> None:
    commands = sorted(typer.main.get_group(app).commands)
    assert commands
    for name in commands:
        assert "Example: " in CliRunner().invoke(app, [name, "--help"]).output, name


def test_the_figures_in_the_help_are_the_engines() -> None:
    assert options.EQUIVALENT == measure.EQUIVALENT
    assert options.GPU_HOUR == arms.GPU_HOUR
    judged = (options.LEAST_JUDGED, options.USUALLY_JUDGED, options.MOST_JUDGED)
    assert judged == (people.LEAST, people.USUAL, people.MOST)
    assert options.ORDERED == ranking.WORDS


def test_a_dry_run_of_an_import_shows_what_would_come_in_and_changes_nothing(diffing: Run) -> None:
    logs = [str(INSPECT / f"tools-{name}.eval") for name in ("before", "after")]
    told = json.loads(diffing("import", "evals", *logs, "--dry-run", "--json").stdout)
    rest = {"prompts": 1, "answers": 1, "draws": 1, "failed": 0, "measures": ["includes"]}
    held = {"channels": ["text", "reasoning", "tools"]}
    names = ["mockllm/before", "mockllm/after"]
    assert told["checkpoints"] == [{"checkpoint": name, **rest, **held} for name in names]
    assert told["files"] == {"tools-before.eval": "inspect", "tools-after.eval": "inspect"}
    assert told["first"]["text"] == "Take an umbrella, says before."
    shown = diffing("import", "evals", *logs, "--from", "inspect", "--dry-run").stdout
    assert "mockllm/after" in shown and "Nothing was changed" in shown
    assert list(Study.list()) == []
    assert "2 scores came with them" in diffing("import", "evals", *logs, "--as", "x", "--as", "y").stdout
    assert [c.name for c in Study.open("evals").checkpoints] == ["x", "y"]


def test_a_dry_run_refuses_what_the_import_would_in_the_same_words(tmp_path: Path, diffing: Run) -> None:
    one, both, other = (tmp_path / f"{name}.csv" for name in ("one", "both", "other"))
    one.write_text("prompt,model,response\nHi,old,Hello.\n")
    both.write_text("prompt,old,new\nHi,Hello.,Hey\nBye,Bye.,Ciao\nWhy?,So.,\n")
    other.write_text("prompt,model,response\nHi,third,Hello.\n")

    def refused(*words: str) -> str:
        dry, real = (diffing("import", *words, *how) for how in (["--dry-run"], []))
        assert dry.returncode == real.returncode == 2 and dry.stderr == real.stderr
        return dry.stderr

    assert "there are answers of 'old' alone" in refused("greet", str(one))
    assert "is no study name" in refused("gr eet", str(both))
    said = diffing("import", "greet", str(both), "--dry-run").stdout
    assert "2 of 3 prompts would have answers of both 'old' and 'new'." in said and not list(Study.list())
    diffing("import", "greet", str(both))
    assert "has no checkpoint 'third'" in refused("greet", str(other))
    assert diffing("import", "greet", str(one), "--dry-run").returncode == 0


def test_the_formats_in_the_help_are_those_that_are_read() -> None:
    assert get_args(bring.Formats) == ("", *formats.NAMES)
    assert get_args(options.Channels) == channels.CHANNELS


def test_import_makes_the_study_and_status_says_what_is_missing(tmp_path: Path, diffing: Run) -> None:
    (tmp_path / "wide.csv").write_text(WIDE)
    assert diffing("import", "greet", str(tmp_path / "wide.csv")).returncode == 0
    status = json.loads(diffing("status", "greet", "--json").stdout)
    assert [c["key"] for c in status["checkpoints"]] == ["a", "b"]
    assert status["prompts"]["total"] == 2
    zero = {"failed": 0, "blocked": 0, "truncated": 0, "refusal": 0, "missing": 0}
    assert status["responses"] == {"a": {"stored": 2, "empty": 0, **zero}, "b": {"stored": 2, "empty": 1, **zero}}
    assert "next" in status


def test_new_says_what_the_known_case_costs_and_that_the_older_model_is_gone() -> None:
    done = CliRunner().invoke(app, ["new", "gemini-flash", "--preset", "gemini-flash"])
    assert done.exit_code == 0
    assert "about $0.4" in done.output
    assert "withdrew" in done.output
    study = Study.open("gemini-flash")
    assert [c.source for c in study.checkpoints] == [
        "openrouter:google/gemini-2.0-flash-001",
        "openrouter:google/gemini-2.5-flash",
    ]
    assert study.settings.reader.preset == "llama-3.1-8b"
    assert len(study.prompts()) >= 240


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["status", "absent"], "There is no study 'absent'"),
        (["new", "../out", "openai:a", "openai:b"], "'../out' is no study name"),
        (["new", "one", "openai:a"], "at least two checkpoints"),
        (["new", "odd", "nowhere:a", "openai:b"], "'nowhere:a' is no checkpoint"),
        (["new", "odd", "--preset", "none"], "There is no preset 'none'"),
        (["new", "odd", "openai:a", "openai:b", "--reader", "none"], "There is no reader 'none'"),
        (["new", "odd", "openai:a", "openai:b", "--extra-body", "{"], "is not JSON"),
        (["import", "x", "absent.csv"], "There is no file 'absent.csv'"),
    ],
)
def test_a_slip_gets_one_sentence_exit_code_2_and_changes_nothing(
    words: list[str], sentence: str, diffing: Run
) -> None:
    done = diffing(*words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert list(Study.list()) == []


@pytest.mark.parametrize(
    ("reader", "sentence"),
    [("none", "There is no reader 'none'"), ("/no/model::/no/sae", "SAE folder '/no/sae' has no cfg.json")],
)
def test_a_slip_in_the_readers_name_leaves_the_study_its_reader(reader: str, sentence: str, diffing: Run) -> None:
    diffing("new", "one", "openai:a", "openai:b")
    done = diffing("encode", "one", "--reader", reader)
    assert (done.returncode, sentence in done.stderr) == (2, True)
    assert Study.open("one").settings.reader == ReaderChoice()


def test_a_named_reader_replaces_folders_whole() -> None:
    before = ReaderChoice(preset="", model="/m", sae="/s", context="prompt+answer")
    assert cli_read.choice("gpt2-small", "", before) == ReaderChoice(preset="gpt2-small", context="prompt+answer")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"topic,answer\nHi,Hello\n", "no column 'prompt' (it has: topic, answer)"),
        (b"prompt,response_a,response_b\n\xff\xfe,x,y\n", "is not UTF-8 throughout (first at line 2)"),
        (b"", "holds no rows"),
        (b"prompt,response_a,response_b\nHi,x,y\nHi,x,y\n", "rows 1 and 3"),
        (b'prompt,response_a,response_b\n"Hi,x,y\n', "is not CSV at line"),
    ],
)
def test_a_bad_file_is_named_with_its_fault(tmp_path: Path, content: bytes, sentence: str, diffing: Run) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    done = diffing("import", "s", str(path))
    assert (done.returncode, sentence in done.stderr) == (2, True), done.stderr
    assert list(Study.list()) == []


def test_a_missing_key_is_named_and_nothing_is_asked(diffing: Run) -> None:
    CliRunner().invoke(app, ["new", "keyless", "openai:a", "openai:b"])
    done = diffing("collect", "keyless")
    assert done.returncode == 2
    assert "put OPENAI_API_KEY into the environment or a .env file" in done.stderr
    assert len(Study.open("keyless").responses()) == 0


def test_export_writes_tables_that_read_back_the_same(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text(WIDE)
    CliRunner().invoke(app, ["import", "greet", str(tmp_path / "wide.csv")])
    assert CliRunner().invoke(app, ["export", "greet", "--out", str(tmp_path / "out")]).exit_code == 0
    from diffing.common import tables

    back = tables.read(tmp_path / "out" / "greet-responses.csv")
    assert back["text"].tolist() == Study.open("greet").responses()["text"].tolist()
    assert tables.read(tmp_path / "out" / "greet-prompts.csv")["text"].tolist() == ["Hi", "Bye"]


def test_list_shows_a_broken_study_beside_the_others(own_home: Path) -> None:
    CliRunner().invoke(app, ["new", "whole", "openai:a", "openai:b"])
    (own_home / "studies" / "broken").mkdir()
    (own_home / "studies" / "broken" / "study.toml").write_text("name = [")
    rows = json.loads(CliRunner().invoke(app, ["list", "--json"]).output)
    assert [row["study"] for row in rows] == ["whole", "broken"]
    assert rows[0]["says"] == "Next: ask the checkpoints, 608 answers in all. (python -m diffing collect whole)"
    assert "is not TOML" in rows[1]["checkpoints"]
