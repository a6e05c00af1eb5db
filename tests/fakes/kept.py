"""Homes that many tests begin from: made once a process, and copied for each test.

A copy is a test's own, at a place where no other one was: what the program remembers of a file it remembers by its
place. What is made must not hang on the test that happens to come first, so it is made in a home of its own.
"""

import shutil
import tempfile
from collections.abc import Callable, Hashable
from pathlib import Path

import pytest

from diffing.common import files

_made: dict[Hashable, Path] = {}
_root: list[tempfile.TemporaryDirectory[str]] = []


def copied(key: Hashable, make: Callable[[], object]) -> None:
    """Put what `make` leaves in an empty home into the home of now; `key` says what that is."""
    if key not in _made:
        if not _root:
            _root.append(tempfile.TemporaryDirectory(prefix="kept-"))
        home = Path(_root[0].name) / str(len(_made))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DIFFING_HOME", str(home))
            make()
        _made[key] = home
    shutil.copytree(_made[key], files.home(), dirs_exist_ok=True)
