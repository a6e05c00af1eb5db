"""The setting reaches torch in whatever way the package is loaded, and a person's own stays."""

import os
import subprocess
import sys

import pytest

# What libgomp has read is printed by libgomp itself as it is loaded.
LOADED = "import diffing, torch; torch.zeros(8).add(1)"


@pytest.mark.parametrize(("told", "shown"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "active"}, "ACTIVE")])
def test_threads_wait_asleep_unless_a_person_says_otherwise(told: dict[str, str], shown: str) -> None:
    kept = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    ran = subprocess.run(
        [sys.executable, "-c", LOADED],
        env={**kept, **told, "OMP_DISPLAY_ENV": "true"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert f"OMP_WAIT_POLICY = '{shown}'" in ran.stderr
