"""The sample study with its answers read by the bundled reader, once for all tests: no test reads it as itself."""

from diffing.reader import encode
from diffing.study import sample
from tests.fakes import kept
from tests.fakes.watch import Watch


def put(part: str = "") -> None:
    """Into the home of now; `part` "cache": what was read, and no study."""
    kept.copied(lambda: encode.run(sample.create(), encode.Options(), Watch()), "sample", part=part)
