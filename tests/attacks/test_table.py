"""The table of faults: each that an audit found is held by a test, and the page on security lists all of them."""

import re
from pathlib import Path

import pytest

from diffing.common.files import PROJECT

FAULTS = [f"R{number}" for number in range(1, 38)]
MARK = re.compile(r"mark\.attack\(\s*\"(R\d+)\"")


def marked() -> dict[str, list[Path]]:
    """By fault the test files that hold it."""
    held: dict[str, list[Path]] = {}
    for path in sorted((PROJECT / "tests").rglob("test_*.py")):
        for fault in MARK.findall(path.read_text(encoding="utf-8")):
            held.setdefault(fault, []).append(path)
    return held


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_held_by_a_test(fault: str) -> None:
    assert marked().get(fault, []) != []


def test_no_test_names_a_fault_that_is_none() -> None:
    assert set(marked()) <= set(FAULTS)


def test_the_page_on_security_lists_each_fault() -> None:
    page = (PROJECT / "docs" / "security.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| (R\d+) \|", page, re.MULTILINE)) == set(FAULTS)
