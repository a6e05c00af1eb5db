"""Who acts: the one place that says whose name stands beside a change, and who may make one.

At home, on the command line and from Python it is whoever owns the folder, who may do everything under any name.
A team's dashboard registers how to find out who is logged in (`found_by`); from then on this process takes nobody
for the owner. Promises that where nobody can be told, in a thread of no page for one, nothing is changed. Knows no
login, no page and no study: it is asked wherever a change begins, and answers or refuses.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, NamedTuple

from diffing.common.errors import UserError

Role = Literal["owner", "editor", "viewer", "nobody"]
LONGEST = 80
"""Characters of a name, as every record that bears one takes them."""


class Person(NamedTuple):
    """Somebody, and what they may do here."""

    name: str
    """As it stands beside what they write; empty for the owner, who says it each time, and for nobody."""
    role: Role


OWNER = Person("", "owner")
NOBODY = Person("", "nobody")


class Refused(UserError):
    """A change that this person may not make."""


_told: ContextVar[Person | None] = ContextVar("told", default=None)
_finder: Callable[[], Person] | None = None


def acting() -> Person:
    """Who acts now, in this thread."""
    return _told.get() or (OWNER if _finder is None else _finder())


@contextmanager
def acts(person: Person) -> Iterator[None]:
    """Have somebody act for the block: for work that was begun in their name."""
    before = _told.set(person)
    try:
        yield
    finally:
        _told.reset(before)


@contextmanager
def found_by(finder: Callable[[], Person]) -> Iterator[None]:
    """For the block, in all threads, `finder` says who acts: not a page's script alone, which may begin after a
    change that its reader asked for."""
    global _finder
    before, _finder = _finder, finder
    try:
        yield
    finally:
        _finder = before


def needs_editor() -> Person:
    """Whoever acts, who may change what there is; everybody else is refused."""
    person = acting()
    if person.role == "nobody":
        raise Refused("This change was not made: nobody is logged in here any more; log in and make it again.")
    if person.role == "viewer":
        raise Refused(
            f"This change was not made: {person.name} may look at everything here and change nothing; ask whoever "
            "runs this dashboard to name you among its editors."
        )
    return person


def needs_owner(what: str, how: str) -> None:
    """Refuses everybody but who owns the folder; `how` is the command by which they do it."""
    if acting().role != "owner":
        raise Refused(f"{what} is for whoever runs this dashboard: ask them to do it with '{how}'.")


def author(said: str) -> str:
    """The name beside a change: of whoever is logged in, or what the owner says."""
    person = needs_editor()
    if person.role == "owner":
        return said
    if said not in ("", person.name):
        raise Refused(
            f"'{said}' is not you: what is written here stands under the name of who is logged in, {person.name}."
        )
    return person.name
