"""The one pair that this process holds open for whoever watches it write, and the threads that write with it.

A pair may take gigabytes, so there is one, and they take turns: promises that one writes at a time and the others
wait, that a pair makes room for another between two of them, and that one whose files have changed is opened anew.
Whoever has gone away keeps nothing open: a text is written to its end, or until somebody stops it, and kept.
"""

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Literal

from diffing.common import files, who
from diffing.common.errors import UserError
from diffing.models import local
from diffing.study.study import Study
from diffing.whitebox import organisms
from diffing.whitebox.sight import seen
from diffing.whitebox.writing import live
from diffing.whitebox.writing.live import Asked, Token, Written

if TYPE_CHECKING:
    from diffing.whitebox.pairs.pair import Pair

logger = logging.getLogger(__name__)

Check = Callable[[], None]
Tell = Callable[[str], None]
State = Literal["waiting", "writing", "done", "stopped", "failed"]
PAUSE = 0.2
"""Seconds between two looks of who waits at whether they were told to stop."""
WAITS = "Another text is being written with the pair that is open; this one waits its turn."


class Stopped(Exception):
    """Somebody asked to stop."""


class Holder:
    """Holds a pair, or none."""

    def __init__(self) -> None:
        self._turn = Lock()
        self._of: Any = None
        self._pair: Pair | None = None

    def has(self, study: Study, base: str, variant: str) -> bool:
        """Whether it is this pair that is open."""
        return self._pair is not None and self._of == _marks(study, base, variant)

    def open(self, study: Study, base: str, variant: str, tell: Tell = lambda _: None) -> None:
        """Load it, once nobody writes, with all that writing takes."""
        who.needs_editor()
        # Heavy to import, and wanted at once by whoever opens a pair.
        from diffing.models import generate  # noqa: F401

        with self.turn(study, base, variant, tell=tell):
            pass

    @contextmanager
    def turn(
        self, study: Study, base: str, variant: str, check: Check = lambda: None, tell: Tell = lambda _: None
    ) -> Iterator["Pair"]:
        """The pair of two checkpoints, for the block, when it is free."""
        if not self._turn.acquire(blocking=False):
            tell(WAITS)
            while not self._turn.acquire(timeout=PAUSE):
                check()
        try:
            check()
            yield self._opened(study, base, variant, tell)
        finally:
            self._turn.release()

    def close(self) -> None:
        """Let the pair go, once nobody writes with it."""
        with self._turn:
            self._drop()

    def _opened(self, study: Study, base: str, variant: str, tell: Tell) -> "Pair":
        wanted = _marks(study, base, variant)
        if self._pair is not None and self._of == wanted:
            return self._pair
        # Heavy to import, and only this needs it.
        from diffing.whitebox.pairs import opening
        from diffing.whitebox.plan import sources

        self._drop()
        self._pair = opening.open_pair(*sources(study, base, variant), tell=tell)
        self._of = wanted
        # A server collects garbage after every look at a page: through all that torch brings along that takes half
        # a second each time, in which nobody else's code runs.
        gc.collect()
        gc.freeze()
        return self._pair

    def _drop(self) -> None:
        if self._pair is None:
            return
        self._pair = self._of = None
        gc.unfreeze()
        gc.collect()
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def memory(study: Study, base: str, variant: str) -> str:
    """What opening the pair will take, in a sentence, before anything is loaded."""
    # Heavy to import, as above.
    from diffing.reader import reader
    from diffing.whitebox.pairs import opening
    from diffing.whitebox.plan import sources

    both = sources(study, base, variant)
    if away := [source for source in both if not organisms.here(local.parse(source))]:
        return f"{local.parse(away[0]).short} is not on this machine yet: opening the pair downloads it first."
    device = reader.pick_device("auto")
    return opening.rooms(opening.find(*both), device, reader.pick_dtype("auto", device)).told


def ships(study: Study, base: str, variant: str) -> bool:
    """Whether both come with the project: small enough to be opened without asking."""
    found = [local.parse(study.checkpoint(key).source) for key in (base, variant)]
    return all(part.ships for source in found for part in source if part is not None)


def _marks(study: Study, base: str, variant: str) -> Any:
    return seen.state(study, base, variant, "own")["weights"]


HOLDER = Holder()
_writing: dict[Path, "Writing"] = {}
_starting = Lock()


class Writing:
    """Both answers while they grow."""

    def __init__(self, study: Study, base: str, variant: str, asked: Asked, path: Path) -> None:
        self.asked = asked
        self.path = path
        self.state: State = "waiting"
        self.note = ""
        """What it waits for, or does before the first token."""
        self.error = ""
        self.sides: tuple[list[Token], list[Token]] = ([], [])
        self._of = (study, base, variant)
        self._by = who.acting().name
        self._stop = Event()
        self._thread = Thread(target=self._run, daemon=True, name="live")

    @property
    def alive(self) -> bool:
        return self.state in ("waiting", "writing")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the token that is being written; what is there is kept."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> None:
        self._thread.join(seconds)

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _tell(self, note: str) -> None:
        self.note = note

    def _run(self) -> None:
        ended: State = "failed"
        try:
            with HOLDER.turn(*self._of, self._check, self._tell) as pair:
                self.state = "writing"
                try:
                    self._write(pair)
                    ended = "done"
                except Stopped:
                    ended = "stopped"
                self._keep(pair, ended == "done")
        except Stopped:
            ended = "stopped"
        except UserError as error:
            self.error = str(error)
        except Exception as error:
            # Nobody else would be told: a thread has no caller.
            logger.exception("writing ended")
            self.error = f"Writing ended with a fault of the program ({type(error).__name__}); its log has more."
        finally:
            self.state = ended

    def _write(self, pair: "Pair") -> None:
        from diffing.whitebox.writing.writer import stream

        ids = live.framed(pair, self.asked)
        pieces = [live.Pieces(pair.tokenizer, ids) for _ in self.sides]
        recipes = (self.asked.base, self.asked.recipe)
        found = live.pushed(*self._of, self.asked)
        for steps in stream(pair, ids, recipes, self.asked.length, self._check, found):
            for side, step in steps.items():
                self.sides[side].append(pieces[side].token(step))

    def _keep(self, pair: "Pair", whole: bool) -> None:
        if not self.sides[0]:
            return
        a, b = (list(side) for side in self.sides)
        numbers = f"{str(pair.whole.dtype).removeprefix('torch.')} on {pair.device.type}"
        made = Written(asked=self.asked, a=a, b=b, whole=whole, numbers=numbers, date=files.now(), by=self._by)
        live.save(self.path, made)


def start(study: Study, base: str, variant: str, asked: Asked) -> Writing:
    """Have both written; the same that is being written already is not written twice."""
    who.needs_editor()
    path = live.path_of(study, base, variant, asked)
    with _starting:
        # Of those that ended, what was written is kept.
        for other in [other for other, each in _writing.items() if not each.alive]:
            del _writing[other]
        if path not in _writing:
            _writing[path] = Writing(study, base, variant, asked, path)
            _writing[path].start()
        return _writing[path]


def of(path: Path) -> Writing | None:
    """What is being written, or ended last, for a place."""
    return _writing.get(path)
