"""Reading one part of a study's answers and sealing what was read: the work of one machine among several.

Opens no index, takes no lock and changes no file that another may write to, so that any number of these run at
once on a network disk, the same part twice too: what is sealed or in the cache already is not read again, and what
two have read at once is the same record twice. Promises that a stop or a kill costs no more than a minute of what
was read. Does not write the study's table: `joined` does.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from diffing.common.damage import Damaged
from diffing.jobs.machines import sealing
from diffing.reader import decoders, lens
from diffing.reader.batches import Task
from diffing.reader.cache import Cache
from diffing.reader.encoder import Encoder, Told
from diffing.reader.passes import ReaderLike
from diffing.reader.records import Place
from diffing.reader.shares import sealed
from diffing.reader.shares.sealed import About, Sealing

READER = "reader"
"""Name of the sealed folder with what other steps want of the reader."""
DECODER, LENS, CHECKED = "decoder.npy", "lens.parquet", "checked.json"


class Shelf:
    """Where one worker finds what is read already and puts what it reads; stands in for a cache."""

    def __init__(self, root: Path, about: About, known: dict[str, Place]) -> None:
        self.known = known
        self.sealing = Sealing(root, about, sealing.unlike(about.part.replace("/", "-of-")))

    def find(self, keys: Iterable[str]) -> dict[str, Place]:
        mine, known = self.sealing.places, self.known
        return {key: mine.get(key) or known[key] for key in keys if key in mine or key in known}

    @contextmanager
    def writer(self) -> Iterator[Sealing]:
        # The last folder is sealed by who knows what failed.
        yield self.sealing


def known(root: Path, key: str, n_features: int, keys: Sequence[str]) -> dict[str, Place]:
    """Which answers need not be read, by a look that changes nothing: sealed by anybody, or in the cache."""
    cache = Cache(key, n_features)
    found = cache.summaries.known(keys) | cache.known(keys)
    wanted = set(keys)
    for one in sealed.opened(root)[0]:
        if one.manifest.reader == key and one.whole:
            found |= {each: place for each, place in one.places.items() if each in wanted}
    return found


class Worker:
    """A loaded reader that reads parts of one study's answers."""

    def __init__(self, reader: ReaderLike, root: Path, study: str, device: str, budget: int | None = None) -> None:
        self.reader, self.root, self.study, self.device, self.budget = reader, root, study, device, budget

    def about(self, part: str) -> About:
        return About(self.reader.key, self.reader.n_features, self.study, part, self.device)

    def missing(self, part: str, tasks: Sequence[Task], tell: Told, check: Callable[[], None]) -> dict[str, Any]:
        """Read what is missing of these; what comes back is counted."""
        there = known(self.root, self.reader.key, self.reader.n_features, [task.key for task in tasks])
        return self.read(part, tasks, there, tell, check)

    def read(
        self,
        part: str,
        tasks: Sequence[Task],
        there: dict[str, Place],
        tell: Told = lambda *_: None,
        check: Callable[[], None] = lambda: None,
    ) -> dict[str, Any]:
        """Read those that are not there; what comes back is counted."""
        shelf = Shelf(self.root, self.about(part), there)
        found = len(shelf.known)
        tokens = 0

        def told(done: int, total: int, stored: int) -> None:
            nonlocal tokens
            tokens = stored
            tell(done, total, stored)

        # The encoder asks for no more than what a shelf is.
        encoder = Encoder(self.reader, shelf, self.budget)
        failures: dict[str, str] = {}
        try:
            failures = encoder.run(tasks, told, check)
        finally:
            # Known by now even where the run was stopped: whoever joins tells why they are missing.
            shelf.sealing.seal(encoder.errors)
        return {
            "answers": len({task.key for task in tasks}),
            "read": len(shelf.sealing.places),
            "found": found,
            "tokens": tokens,
            "failures": _counted(failures),
        }

    def fits(self, texts: Sequence[Task], look: Callable[[], None]) -> dict[str, Any] | None:
        """Hold the reader against a study's answers: an error where it does not fit, None without facts."""
        if not hasattr(self.reader, "facts"):
            return None
        found: Any = self.reader.check([t.text for t in texts], [t.messages for t in texts], look)  # type: ignore[attr-defined]
        found.require()
        checked: dict[str, Any] = found._asdict()
        return checked

    def hand_on(self, checked: dict[str, Any] | None) -> None:
        """Seal what other steps want of the reader, unless that was done."""
        place = self.root / sealing.SEALED / READER
        try:
            if sealed.Sealed(place).manifest.reader == self.reader.key:
                return
            sealing.set_aside(self.root, place)
        except Damaged:
            if place.exists():
                sealing.set_aside(self.root, place)
        decoder = BytesIO()
        np.save(decoder, decoders.halved(self.reader))
        written = {DECODER: decoder.getbuffer()}
        if checked is not None:
            table = lens.table(self.reader)  # type: ignore[arg-type]
            if table is not None:
                frame = BytesIO()
                table.to_parquet(frame)
                written[LENS] = frame.getbuffer()
            written[CHECKED] = memoryview(json.dumps(checked).encode())
        manifest = self.about(READER).manifest(count=0, tokens=0, failures={}, fields=[], sums={})
        sealed.put(self.root, READER, manifest, written)


def _counted(failures: dict[str, str]) -> dict[str, int]:
    """How many failed, by reason."""
    counts: dict[str, int] = {}
    for reason in failures.values():
        counts[reason] = counts.get(reason, 0) + 1
    return counts
