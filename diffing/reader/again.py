"""Answers of which a summary is kept, read once more: their positions, for whoever wants to see single tokens.

What is read again is stored like anything that is encoded, so that nobody reads it a third time; the study's
table goes on naming the summary, from which its figures are. Promises that nothing is read where the reader is
another one than the study's table names. Does not promise the last bits of an activation: an answer that is read
alone has other company than it had (`docs/method.md`, "What rounding changes").
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from diffing.common import who
from diffing.common.errors import UserError
from diffing.reader import presets, wanted
from diffing.reader.batches import Task
from diffing.reader.cache import Cache
from diffing.reader.encodings import Encodings, encodable
from diffing.reader.places import remedy
from diffing.study import responses
from diffing.study.settings import ReaderChoice


def lacking(encodings: Encodings, documents: Sequence[int]) -> list[int]:
    """Those of the documents whose positions are not there; what was read again before is taken from the cache."""
    without = [document for document in documents if not encodings.positions(document)]
    if not without:
        return []
    places = encodings.cache.find(keys := _keys(encodings, without))
    for document, key in zip(without, keys, strict=True):
        if key in places:
            encodings.take(document, encodings.cache.read(places[key]))
    return [document for document in without if not encodings.positions(document)]


def read(encodings: Encodings, documents: Sequence[int], look: Callable[[], None] = lambda: None) -> None:
    """Read those whose positions are not there; a `UserError` says why that cannot be."""
    without = lacking(encodings, documents)
    if not without:
        return
    # It takes the machine's time and room, as a run of `encode` does.
    who.needs_editor()
    study = encodings.study
    reader = _loaded(presets.within(study.settings.reader, study.name))
    if reader.key != encodings.reader_key:
        raise UserError(f"The reader is not the one that study '{study.name}' was read by; {remedy(study)}.")
    # What encodes is slow to import, and most who ask read what is stored.
    from diffing.reader.encoder import Encoder

    cache = Cache(reader.key, reader.n_features)
    errors = Encoder(reader, cache).run(_tasks(encodings, without), lambda _done, _total, _tokens: None, look)
    if errors:
        raise UserError(f"The answer could not be read again: {next(iter(errors.values()))}")
    lacking(encodings, without)


@lru_cache(maxsize=1)
def _loaded(choice: ReaderChoice) -> Any:
    # Kept: who looks at one answer looks at the next, and a reader takes seconds to minutes to load.
    from diffing.reader import encode

    return encode.load_reader(choice, encode.devices_for("auto", 1)[0])


def _tasks(encodings: Encodings, documents: Sequence[int]) -> list[Task]:
    rows = encodings.documents.iloc[list(documents)][responses.KEY]
    texts = encodable(encodings.study)[[*responses.KEY, "text"]]
    found = rows.merge(texts, how="left", on=responses.KEY)
    if found["text"].isna().any():
        raise UserError(f"An answer of study '{encodings.study.name}' is not there any more.")
    return wanted.tasks_of(encodings.study, found)


def _keys(encodings: Encodings, documents: Sequence[int]) -> list[str]:
    return [task.key for task in _tasks(encodings, documents)]
