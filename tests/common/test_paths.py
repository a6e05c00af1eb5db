"""Paths that begin with a home: their own sentence where it is nobody's, whoever reads them."""

import subprocess
import sys
from pathlib import Path

import pytest

from diffing.common import files
from diffing.common.errors import UserError
from diffing.common.paths import expanded
from diffing.models import local


def test_a_home_is_put_in_its_place_and_nothing_else_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert expanded("~/a/../b") == Path("/somewhere/a/../b")
    assert expanded(Path("a/~b")) == Path("a/~b")


def test_a_home_of_nobody_is_a_sentence_in_sources_too() -> None:
    said = "'~nobody-here/file.json' begins with the home of nobody here; write the whole path."
    with pytest.raises(UserError) as error:
        expanded("~nobody-here/file.json")
    assert str(error.value) == said
    with pytest.raises(UserError, match="the home of nobody here"):
        local.parse("hf:~nobody-here/model")


def test_no_other_place_reads_a_home() -> None:
    """But for the variable DIFFING_HOME, whose own sentence says that it is to be set."""
    room = files.PROJECT / "diffing"
    reading = [path for path in room.rglob("*.py") if ".expanduser()" in path.read_text(encoding="utf-8")]
    assert sorted(path.relative_to(room).as_posix() for path in reading) == ["common/files.py", "common/paths.py"]


def test_it_loads_no_tables() -> None:
    told = "import sys; import diffing.common.paths; print({'pandas', 'numpy'} & {*sys.modules})"
    ran = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
