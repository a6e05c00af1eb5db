"""Every probe has its saying, and no other thing has one."""

from diffing.probes.probes import PROBES
from diffing.probes.sayings import SAYINGS


def test_each_probe_can_be_said() -> None:
    assert set(SAYINGS) == set(PROBES)


def test_no_two_are_said_alike() -> None:
    assert len(set(SAYINGS.values())) == len(SAYINGS)
