"""The door to other machines: a step's parts go in, what became of each comes out as it ends.

A part is a key and plain values: paths and names on a disk that all machines see, never a tensor. What is to be
done with it is named as `module:function`; the function is called once by each worker, with what the step tells
and the device, and gives back what then takes part after part. A part may be done twice where a worker was lost,
so its work must be such that the second time changes nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

from diffing.common.errors import UserError
from diffing.jobs.machines.seen import Post


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


def asked(runner: Runner, what: Mapping[str, Any], look: Look) -> dict[str, Any]:
    """What one worker, whichever is there first, says to one question; an error where it fails."""
    (outcome,) = runner.run([Part("asked", what)], look)
    if outcome.fault:
        raise UserError(outcome.fault)
    return outcome.result


class Told:
    """What the workers of a runner did, each told in a file of its own as shares tell it of themselves."""

    def __init__(self, folder: Path, unit: str, total: int) -> None:
        """`folder` is for their beats; `total` is what all have to do together, in units."""
        self.folder, self.unit, self.total = folder, unit, total
        self.posts: dict[str, Post] = {}
        self.failures: dict[str, dict[str, int]] = {}

    def tell(self, outcome: Outcome, much: int, failures: Mapping[str, int]) -> None:
        """A part of so many units ended; `failures` counts what failed of it, by reason."""
        name = outcome.worker
        if name not in self.posts:
            self.posts[name] = Post(self.folder, f"ray-{name}", name, outcome.device, outcome.machine)
        post, counts = self.posts[name], self.failures.setdefault(name, {})
        for reason, count in ({outcome.fault: 1} if outcome.fault else failures).items():
            counts[reason] = counts.get(reason, 0) + count
        post.failed(counts)
        if outcome.again:
            post.lost(outcome.again, outcome.again_seconds)
        post.update(post.beat.done + much, self.total, self.unit)

    def end(self, log: Callable[[str], None]) -> dict[str, Any]:
        """Every worker's last word to a log; how many there were, what was done again, and what that cost."""
        for post in self.posts.values():
            post.end("done")
            log(post.beat.in_words())
        beats = [post.beat for post in self.posts.values()]
        lost = sum(beat.again_seconds for beat in beats)
        return {
            "workers": len(beats),
            "done_again": sum(beat.again for beat in beats),
            "lost_seconds": round(lost, 1),
        }
