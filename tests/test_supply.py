"""The lock, the ranges and the lists of direct requirements say the same; none of them says where to fetch."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools import lock

ROOT = Path(__file__).parents[1]
LOCKS = (lock.RUN, lock.EXTRAS, lock.DEV, lock.BUILD)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WANTED = PROJECT["optional-dependencies"]
RANGES = {
    "requirements.txt": PROJECT["dependencies"],
    "requirements-extras.txt": [text for wing in lock.WINGS for text in WANTED[wing]],
    "requirements-dev.txt": [*WANTED["test"], *WANTED["dev"]],
}
COMES_WITH_TORCH = {"triton"}
"""Imported where there is a GPU; torch brings it there."""


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def locked(path: str) -> dict[str, str]:
    return lock.pins(read(path))


@pytest.mark.parametrize("path", LOCKS)
def test_every_line_of_a_lock_is_a_package_a_hash_or_who_wants_it(path: str) -> None:
    forms = (
        r"[a-z0-9][a-z0-9-]*==[\w.]+( ; [\w .'<>=!()]+)? \\",
        r"    --hash=sha256:[0-9a-f]{64}( \\)?",
        r"    # via [\w., ()-]+",
        re.escape(lock.HEADER.rstrip("\n")),
    )
    whole = re.compile("|".join(f"(?:{form})" for form in forms))
    assert [line for line in read(path).splitlines() if not whole.fullmatch(line)] == []


@pytest.mark.attack("R37")
@pytest.mark.parametrize("path", LOCKS)
def test_every_package_of_a_lock_has_a_hash(path: str) -> None:
    packages = lock.blocks(read(path))
    assert [line for line, block in packages.items() if "--hash=sha256:" not in block] == []
    assert packages


@pytest.mark.parametrize("path", [*LOCKS, *RANGES])
def test_nothing_says_where_packages_are_fetched(path: str) -> None:
    assert re.findall(r"\w+://|index-url|find-links|\bwww\.|\.(?:org|com|net|io)\b|@ ", read(path)) == []


def test_the_locks_hold_one_version_of_a_package() -> None:
    run, extras, dev, build = (locked(path) for path in LOCKS)
    whole = run | extras | dev
    assert [lines for lines in (run, extras, dev) if not lines.items() <= whole.items()] == []
    assert {name: run[name] for name in build} == build
    assert set(build) == lock.BUILDERS


def test_torch_and_its_cuda_packages_are_not_locked() -> None:
    names = {name for path in LOCKS for name in locked(path)}
    assert {name for name in names if name in ("torch", "triton") or name.startswith(("nvidia", "cuda"))} == set()
    assert {"filelock", "fsspec", "jinja2", "networkx", "setuptools", "sympy", "typing-extensions"} <= names


@pytest.mark.parametrize("file", RANGES)
def test_every_direct_requirement_is_listed_with_a_version_in_range_and_a_reason(file: str) -> None:
    lines = [line for line in read(file).splitlines() if line[:1].isalnum()]
    reasons = {canonicalize_name(line.split("==")[0]): line.partition("# ")[2] for line in lines}
    wanted = {canonicalize_name(Requirement(text).name): Requirement(text) for text in RANGES[file]}
    assert set(reasons) == set(wanted)
    assert [name for name, reason in reasons.items() if not reason] == []
    versions = lock.pins(read(file))
    assert [name for name, want in wanted.items() if not want.specifier.contains(Version(versions[name]))] == []
    assert all(want.specifier for want in wanted.values())


@pytest.mark.parametrize("file", RANGES)
def test_the_exact_versions_that_a_person_reads_are_the_locks(file: str) -> None:
    versions = {name: version for name, version in lock.pins(read(file)).items() if name != "torch"}
    everything = {name: version for path in LOCKS for name, version in locked(path).items()}
    assert versions == {name: everything.get(name) for name in versions}
    if file == "requirements.txt":
        assert versions.keys() <= locked(lock.RUN).keys()


def test_all_that_a_locked_package_needs_is_locked() -> None:
    """By what the installed packages say of themselves, where they are the locked ones."""
    versions = {
        **locked(lock.RUN),
        **locked(lock.EXTRAS),
        **locked(lock.DEV),
        "torch": lock.pins(read("requirements.txt"))["torch"],
    }
    installed = {
        str(canonicalize_name(dist.name)): dist.version.split("+")[0] for dist in metadata.distributions()
    }
    same = [name for name, version in versions.items() if installed.get(name) == version]
    assert len(same) > 100
    unmet = []
    for name in same:
        for text in metadata.requires(name) or []:
            want = Requirement(text)
            needed = want.marker is None or want.marker.evaluate({"extra": ""})
            key = canonicalize_name(want.name)
            cuda = name == "torch" and key not in versions
            if needed and not cuda and not want.specifier.contains(versions.get(key, "0"), prereleases=True):
                unmet.append((name, text, versions.get(key)))
    assert unmet == []


def test_torchs_version_stands_in_one_place() -> None:
    version = lock.pins(read("requirements.txt"))["torch"]
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    kinds = (".toml", ".txt", ".lock", ".yml", ".yaml", ".py", "Makefile", "run")
    pinned = re.compile(rf"torch\s*==\s*\d|torch.*\b{re.escape(version)}\b")
    said = [
        path for path in files if path.endswith(kinds) for line in read(path).splitlines() if pinned.search(line)
    ]
    assert said == ["requirements.txt"]


def test_all_that_the_engine_imports_is_a_direct_requirement() -> None:
    sources = [*(ROOT / "diffing").rglob("*.py"), *(ROOT / "pages").glob("*.py"), ROOT / "dashboard.py"]
    imports = re.compile(r"^\s*(?:import|from) (\w+)", re.MULTILINE)
    named = {name for path in sources for name in imports.findall(path.read_text(encoding="utf-8"))}
    owners = metadata.packages_distributions()
    foreign = {name for name in named if name not in sys.stdlib_module_names and name in owners}
    wanted = [*PROJECT["dependencies"], *RANGES["requirements-extras.txt"]]
    direct = {canonicalize_name(Requirement(text).name) for text in wanted}
    missing = {
        name
        for name in foreign - COMES_WITH_TORCH
        if not {canonicalize_name(owner) for owner in owners[name]} & direct
    }
    assert missing == set()
    assert {"numpy", "torch", "sklearn"} <= foreign


def test_the_versions_that_a_person_reads_follow_the_lock_and_the_reasons_stay() -> None:
    listed = "-r other.txt\nnumpy==1.0      # arrays\nPy_Arrow==2.0   # Parquet == fast\ntidy==3.0\n"
    assert lock.follow(listed, {"numpy": "1.10.2", "py-arrow": "3.1", "absent": "1"}) == (
        "-r other.txt\nnumpy==1.10.2   # arrays\nPy_Arrow==3.1   # Parquet == fast\ntidy==3.0\n"
    )


def test_a_lock_is_read_requirement_by_requirement() -> None:
    first = "a==1 ; sys_platform == 'linux' \\\n    --hash=sha256:0\n    # via b\n"
    second = "b-c==2 \\\n    --hash=sha256:1\n"
    text = "# made\n" + first + second
    assert lock.blocks(text) == {"a==1 ; sys_platform == 'linux'": first, "b-c==2": second}
    assert lock.pins(text) == {"a": "1", "b-c": "2"}
