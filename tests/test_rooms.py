"""The house: each room of the engine has one sentence, stands on the rooms below it alone, and opens quickly.

Imports are read from the source, inside functions too: an import there is for weight, never for order.
"""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from diffing.common.files import PROJECT

ENGINE = PROJECT / "diffing"
ORDER = [
    "common",
    "models",
    "study",
    "jobs",
    "reader",
    "probes",
    "diff",
    "whitebox",
    "labels",
    "concepts",
    "findings",
    "report",
    "gate",
    "status",
    "overview",
    "api",
    "agents",
    "cli",
]
"""From the ground up: a room may import itself and what stands before it."""
BESIDE = {"__init__.py", "__main__.py", "starter", "__pycache__"}
"""What lies in `diffing/` and is no room."""
HEAVY = ("torch", "openai", "sklearn", "matplotlib")
SLOW = (*HEAVY, "pandas", "numpy", "pyarrow", "scipy", "plotly")
"""What a command loads that does something, and no command that only says what it would do."""


def modules() -> list[Path]:
    return sorted(path for path in ENGINE.rglob("*.py") if path.parent != ENGINE or path.name not in BESIDE)


def room_of(path: Path) -> str:
    return path.relative_to(ENGINE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Every import of a file, wherever it stands, as line and dotted name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports by dots"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def rises(path: Path) -> list[str]:
    """Imports of a file that point at a room above its own."""
    mine = ORDER.index(room_of(path))
    found = []
    for line, name in imported(path):
        parts = name.split(".")
        if parts[0] == "diffing" and len(parts) > 1:
            # `from diffing import Study` is what stands in the top-level door: the API.
            target = parts[1] if parts[1] in ORDER else "api"
            if ORDER.index(target) > mine:
                found.append(f"{path.relative_to(PROJECT)}:{line} imports {name}")
    return found


def test_the_engine_holds_its_rooms_and_nothing_else() -> None:
    assert {path.name.removesuffix(".py") for path in ENGINE.iterdir() if path.name not in BESIDE} == set(ORDER)


def test_every_import_points_down() -> None:
    assert [line for path in modules() for line in rises(path)] == []


def test_an_import_that_points_up_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "diffing" / "common").mkdir(parents=True)
    low = tmp_path / "diffing" / "common" / "words.py"
    low.write_text("def f() -> None:\n    from diffing.report import text\n")
    monkeypatch.setattr("tests.test_rooms.ENGINE", tmp_path / "diffing")
    monkeypatch.setattr("tests.test_rooms.PROJECT", tmp_path)
    assert rises(low) == ["diffing/common/words.py:2 imports diffing.report.text"]


@pytest.mark.parametrize("room", [room for room in ORDER if (ENGINE / room).is_dir()])
def test_every_door_says_in_a_sentence_what_its_room_holds(room: str) -> None:
    said = ast.get_docstring(ast.parse((ENGINE / room / "__init__.py").read_text(encoding="utf-8")))
    assert said
    first = said.splitlines()[0]
    assert first.endswith(".") and len(first) > 30


def test_the_house_is_described_by_its_doors() -> None:
    page = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    said = dict(
        re.findall(r"^- \*\*(\w+)\*\*: (.+)$", page.split("## The house")[1].split("\n## ")[0], re.MULTILINE)
    )
    doors = {room: importlib.import_module(f"diffing.{room}").__doc__ or "" for room in ORDER}
    assert said == {room: door.splitlines()[0] for room, door in doors.items()}
    assert list(said) == ORDER


def test_a_door_hands_on_no_name_that_is_a_module_of_its_room() -> None:
    for room in ORDER:
        if (ENGINE / room).is_dir():
            tree = ast.parse((ENGINE / room / "__init__.py").read_text(encoding="utf-8"))
            handed = {a.asname or a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names}
            assert not handed & {path.stem for path in (ENGINE / room).glob("*.py")}, room


def test_the_engine_knows_no_streamlit() -> None:
    names = [name for path in ENGINE.rglob("*.py") for _, name in imported(path)]
    assert [name for name in names if name.split(".")[0] in ("streamlit", "pages")] == []


def test_nothing_heavy_is_loaded_before_it_is_used() -> None:
    """One process opens the rooms from the ground up, so the first that is told is the one that loads too much."""
    names = [f"diffing.{room}" for room in ORDER] + ["diffing.cli.app"]
    code = (
        f"import sys\nfrom importlib import import_module\nfor name in {names}:\n    import_module(name)\n"
        f"    print(name, *(heavy for heavy in {HEAVY} if heavy in sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == names


def test_a_command_is_asked_for_help_without_any_of_the_libraries_that_take_long() -> None:
    code = (
        "import sys\nimport diffing.cli.app as app\nfrom typer.testing import CliRunner\nimport typer\n"
        "group = typer.main.get_command(app.app)\n"
        "words = [[]] + [[name] for name in group.commands]\n"
        "groups = {name: each.commands for name, each in group.commands.items() if hasattr(each, 'commands')}\n"
        "words += [[name, below] for name, each in groups.items() for below in each]\n"
        "done = [CliRunner().invoke(app.app, [*each, '--help']) for each in words]\n"
        "assert len(done) > 30 and not any(each.exit_code for each in done)\n"
        f"print(*(name for name in {SLOW} if name in sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == ""


def test_what_the_package_hands_on_is_what_it_says() -> None:
    import diffing

    beside = {"import_module", "TYPE_CHECKING", "Any"}
    handed = {name for name in dir(diffing) if not name.startswith("_")} - set(ORDER) - beside
    assert handed == set(diffing.__all__)
    assert [getattr(diffing, name).__name__ for name in diffing.__all__] == diffing.__all__


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ENGINE).as_posix())
def test_every_module_says_what_it_holds_and_names_what_there_is(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert len(said.split()) >= 6 and said.rstrip().endswith(".")
    for name in re.findall(r"`(diffing(?:\.\w+)+)`", said):
        room, last = name.rsplit(".", 1)
        assert find_spec(name) or hasattr(importlib.import_module(room), last), name
    here = {one.name for folder in (path.parent, ENGINE) for one in folder.iterdir()}
    assert {name for name in re.findall(r"`(\w+\.py)`", said) if name not in here} == set()
