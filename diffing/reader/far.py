"""Files of encodings that lie elsewhere: on a network disk, at a web server or in an object store, read by ranges.

`DIFFING_ENCODINGS` names the place as `fsspec` does (`/mnt/nfs/encodings`, `https://…`,
`s3://bucket/encodings`); in it stands a folder for each reader, as in `cache/encodings`. What this machine's
cache has is read here. Promises that no more of a file is fetched than what is asked for, and that nothing is
ever written there.
"""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from diffing.common.damage import READING
from diffing.common.errors import UserError

PLACE = "DIFFING_ENCODINGS"


class Range(NamedTuple):
    """A part of a file."""

    name: str
    start: int
    end: int


class Far:
    """One reader's files in another place."""

    def __init__(self, address: str, reader: str) -> None:
        import fsspec

        try:
            self._system, root = fsspec.core.url_to_fs(address)
        except (ImportError, ValueError) as error:
            raise UserError(
                f"{PLACE} is '{address}', which cannot be opened here ({error}); its package "
                "is to be installed, s3fs for S3."
            ) from error
        self.address, self._root = address, f"{root.rstrip('/')}/{reader}"

    def size(self, name: str) -> int | None:
        """How long a file is; None where there is none."""
        try:
            return int(self._asked(lambda: self._system.info(f"{self._root}/{name}"))["size"])
        except FileNotFoundError:
            return None

    def ranges(self, wanted: Sequence[Range]) -> list[bytes]:
        """The parts' bytes, asked for at once where the place can do that."""
        names = [f"{self._root}/{each.name}" for each in wanted]
        starts, ends = [each.start for each in wanted], [each.end for each in wanted]
        found: list[bytes] = self._asked(lambda: self._system.cat_ranges(names, starts, ends, on_error="raise"))
        return found

    def _asked(self, call: Any) -> Any:
        try:
            return call()
        except FileNotFoundError:
            raise
        # Each kind of place has errors of its own, without a common parent.
        except Exception as error:
            if not isinstance(error, READING) and type(error).__module__.startswith("diffing"):
                raise
            said = " ".join(str(error).split())[:160] or type(error).__name__
            raise UserError(
                f"Encodings cannot be read from '{self.address}' ({said}); check {PLACE}, the network and your "
                "rights there."
            ) from error


def place(reader: str) -> Far | None:
    """Where else a reader's files may lie; None where nobody said."""
    address = os.environ.get(PLACE, "").strip()
    return Far(address, reader) if address else None
