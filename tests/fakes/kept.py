"""Homes that many tests begin from: made once, and copied for each test.

A copy is a test's own, at a place where no other one was: what the program remembers of a file it remembers by its
place. What is made must not hang on the test that happens to come first, so it is made in a home of its own. Tests
that run side by side share what is made, where `ROOT` in the environment names a folder for it.
"""

import functools
import os
import shutil
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from diffing.common import files

ROOT = "TESTS_KEPT"


def copied(make: Callable[[], object], *key: object, part: str = "") -> None:
    """Put what `make` leaves in an empty home, or one folder of it, into the home of now; `key` is its name."""
    place = _root() / sha256(repr(key).encode()).hexdigest()[:16]
    with files.locked(place.with_suffix(".lock")):
        if not place.exists():
            making = place.with_suffix(".making")
            # Of a test that ended in the middle of it.
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir()
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("DIFFING_HOME", str(making))
                make()
            making.rename(place)
    shutil.copytree(place / part, files.home() / part, dirs_exist_ok=True)


def _root() -> Path:
    return Path(os.environ.get(ROOT) or _own().name)


@functools.cache
def _own() -> "tempfile.TemporaryDirectory[str]":
    """Of this process alone, and gone with it."""
    return tempfile.TemporaryDirectory(prefix="kept-")
