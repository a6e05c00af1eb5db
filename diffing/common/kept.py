"""Small facts that cost a look at all of a study, kept as long as the files that they come from are the same.

Pages and commands ask for them at every visit. A fact is kept in this process, and under `cache/facts` for the
next one: a plain value that JSON can hold. Promises that a fact is made anew once a file that it rests on was
replaced, lengthened, removed or put there; that of many who ask at once one makes it and the others wait; and that
nothing but time is lost where a kept one is damaged or cannot be written. Does not notice a byte that was changed
behind the file system's back: whoever reads the file itself does. What comes back is shared, not to be changed.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, ParamSpec, TypeVar

from diffing.common import damage, files
from diffing.common.damage import Damaged

logger = logging.getLogger(__name__)

MOST = 512
"""Facts in memory: a few for each of a hundred studies, a kilobyte each."""

Asked = ParamSpec("Asked")
Fact = TypeVar("Fact")


class Rests(NamedTuple):
    """What a fact rests on."""

    of: Path
    """The study's folder, or whatever else the fact is about."""
    told: Any
    """What hangs on no file, as JSON has it: settings, options."""
    paths: Sequence[Path]
    """Every file that it was read from, those that are absent too."""

    def state(self) -> list[Any]:
        """All of it, so that two states are equal where the fact is."""
        return [self.told, [[str(path), list(files.identity(path) or [])] for path in self.paths]]


class _Memory:
    """The facts of this process."""

    def __init__(self) -> None:
        self._facts: OrderedDict[str, tuple[list[Any], Any]] = OrderedDict()
        self._turns: dict[str, Lock] = {}
        self._lock = Lock()

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """One at a time for each fact."""
        with self._lock:
            turn = self._turns.setdefault(name, Lock())
        with turn:
            yield

    def get(self, name: str) -> tuple[list[Any], Any] | None:
        with self._lock:
            return self._facts.get(name)

    def put(self, name: str, state: list[Any], fact: Any) -> None:
        with self._lock:
            self._facts[name] = (state, fact)
            self._facts.move_to_end(name)
            while len(self._facts) > MOST:
                self._turns.pop(self._facts.popitem(last=False)[0], None)


MEMORY = _Memory()


def kept(version: int, rests: Callable[Asked, Rests]) -> Callable[[Callable[Asked, Fact]], Callable[Asked, Fact]]:
    """Keep a function's facts; `rests` says of the same arguments what they rest on.

    `version` is raised when the same files would give another fact than before.
    """

    def decorated(make: Callable[Asked, Fact]) -> Callable[Asked, Fact]:
        @wraps(make)
        def asked(*args: Asked.args, **kwargs: Asked.kwargs) -> Fact:
            on = rests(*args, **kwargs)
            name = f"{make.__module__}.{make.__qualname__}-{files.content_hash([version, str(on.of)])}"
            with MEMORY.turn(name):
                # Before the fact is made: what changes meanwhile has it made again, and never passes for it.
                state = on.state()
                known = MEMORY.get(name) or _read(name)
                if known is not None and known[0] == state:
                    fact: Fact = known[1]
                else:
                    fact = make(*args, **kwargs)
                    _write(name, state, fact)
                MEMORY.put(name, state, fact)
                return fact

        return asked

    return decorated


def _path(name: str) -> Path:
    return files.home() / "cache" / "facts" / f"{name}.json"


def _read(name: str) -> tuple[list[Any], Any] | None:
    path = _path(name)
    if not path.exists():
        return None
    try:
        record = files.read_json(path)
        return record["state"], record["fact"]
    except (Damaged, LookupError, TypeError) as error:
        logger.warning("Worked out anew: %s", error)
        return None


def _write(name: str, state: list[Any], fact: Any) -> None:
    try:
        files.cache_dir("facts")
        files.write_json(_path(name), {"state": state, "fact": fact}, seal=True)
    except OSError as error:
        # Looking works on a full or read-only disk too.
        logger.info("A fact was not kept: %s", damage.in_words(error))
