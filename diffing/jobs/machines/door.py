"""The door to other machines: a step's parts go in, what became of each comes out as it ends.

A part is a key and plain values: paths and names on a disk that all machines see, never a tensor. What is to be
done with it is named as `module:function`; the function is called once by each worker, with what the step tells
and the device, and gives back what then takes part after part. A part may be done twice where a worker was lost,
so its work must be such that the second time changes nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self


class Part(NamedTuple):
    """What one worker does at a time."""

    key: str
    what: Mapping[str, Any]


class Outcome(NamedTuple):
    """What became of a part."""

    key: str
    what: Mapping[str, Any]
    result: dict[str, Any]
    """Empty where it failed."""
    fault: str
    """Why it failed; empty where it did not."""
    worker: str
    """The name of who did it, one of perhaps several on its machine."""
    machine: str
    device: str
    seconds: float
    """That its worker took."""
    again: int
    """How often it had to be begun again, as the worker that had it was lost."""
    again_seconds: float
    """What these had taken by then."""


Work = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Takes a part's `what`, gives its result."""
Look = Callable[[], None]
"""Raises where the run is to end."""


class Runner(Protocol):
    """Workers that are ready for parts; ended with the block."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

    def run(self, parts: Sequence[Part], look: Look) -> Iterator[Outcome]:
        """Have the parts done, in any order."""
