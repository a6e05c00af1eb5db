"""Many documents packed into arrays, and what part each of their tokens plays.

Promises that a token of a template and the first token are told apart from the text itself: their activations are
the same everywhere and several times as long, and a mean that holds them describes nothing else. Holds ids and no
activations.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from diffing.common import damage
from diffing.common.arrays import Array, Bools, Ints
from diffing.common.errors import Cancelled, UserError
from diffing.whitebox.texts import Document

Role = Literal["first", "template", "prompt", "text"]
ROLES: tuple[Role, ...] = ("first", "template", "prompt", "text")
"""What a token is: the first of its document, one of those that were declared, what stands around the text that
counts, and that text."""


class Documents(NamedTuple):
    """Documents laid end to end; the arrays are theirs in turn."""

    ids: Array
    """Of all tokens, one document after another."""
    offsets: Ints
    """Where each document begins, and where the last one ends."""
    roles: Array
    """Of all tokens, as places in `ROLES`."""
    held_out: Bools
    names: tuple[str, ...]


class Corpus:
    """Documents that activations are read for."""

    def __init__(self, documents: Iterable[Document], template: Collection[int] = ()) -> None:
        """`template`: ids that belong to a template wherever they stand."""
        self.data = packed(documents, template)

    def __len__(self) -> int:
        return len(self.data.names)

    @property
    def tokens(self) -> int:
        return len(self.data.ids)

    @property
    def lengths(self) -> Ints:
        return np.diff(self.data.offsets)

    def rows(self, documents: Sequence[int]) -> list[list[int]]:
        """Ids of some documents, as a model reads them."""
        return [self.data.ids[self._span(n)].tolist() for n in documents]

    def roles(self, document: Array, position: Array) -> Array:
        """What part tokens play, by their document and their place in it."""
        found: Array = self.data.roles[self.data.offsets[document] + position]
        return found

    def wanted(self, roles: Collection[Role]) -> Bools:
        """Which tokens play one of these parts."""
        unknown = sorted(set(roles) - set(ROLES))
        if unknown or not roles:
            raise UserError(f"Tokens have no role '{''.join(unknown[:1])}'; choose from {', '.join(ROLES)}.")
        found: Bools = np.isin(self.data.roles, [ROLES.index(role) for role in roles])
        return found

    @cached_property
    def key(self) -> str:
        """A hash of all ids, where documents begin, and what part each token plays."""
        digest = hashlib.sha256()
        for array in (self.data.ids, self.data.offsets, self.data.roles):
            digest.update(array.tobytes())
        return digest.hexdigest()[:16]

    def _span(self, document: int) -> slice:
        return slice(int(self.data.offsets[document]), int(self.data.offsets[document + 1]))


def packed(documents: Iterable[Document], template: Collection[int]) -> Documents:
    """Documents as arrays, taken one by one: a list of Python's integers takes nine times the memory."""
    ids: list[Array] = []
    roles: list[Array] = []
    held: list[bool] = []
    names: list[str] = []
    try:
        for document in documents:
            row = np.array(document.ids, np.int32)
            ids.append(row)
            roles.append(_roles(row, document, template))
            held.append(document.held_out)
            names.append(document.name)
    except (UserError, Cancelled):
        raise
    except damage.READING as error:
        raise UserError(
            f"The texts broke off after {len(names):,} documents ({damage.reason(error)}); fetch them again, or "
            "choose others."
        ) from error
    if not names:
        raise UserError("There are no texts to read activations for; choose others.")
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in ids])])
    return Documents(np.concatenate(ids), offsets, np.concatenate(roles), np.array(held), tuple(names))


def _roles(row: Array, document: Document, template: Collection[int]) -> Array:
    roles = np.full(len(row), ROLES.index("prompt"), np.uint8)
    roles[document.start : document.stop] = ROLES.index("text")
    if template:
        roles[np.isin(row, list(template))] = ROLES.index("template")
    roles[0] = ROLES.index("first")
    return roles


def held_out(documents: Iterable[Document], most: int) -> list[Document]:
    """Held-out documents for validation, in their order, up to so many tokens together."""
    chosen: list[Document] = []
    tokens = 0
    for document in documents:
        if document.held_out and tokens + len(document.ids) <= most:
            chosen.append(document)
            tokens += len(document.ids)
    return chosen
