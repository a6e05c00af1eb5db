"""How many of a study's answers its reader has not read: by the study's table, and by what the cache still holds.

Kept for each state of the study's files, as pages ask at every visit. Promises the answer that opening the
encodings would give, without opening them.
"""

import os
from pathlib import Path
from typing import Any

from diffing.common import files
from diffing.common.errors import UserError
from diffing.common.kept import Rests, kept
from diffing.reader import far
from diffing.reader.cache import Cache
from diffing.reader.encodings import Encodings, encodable, own_table
from diffing.reader.places import table_path
from diffing.reader.records import NO_SUM
from diffing.study import responses
from diffing.study.study import Study


def unread(study: Study) -> int:
    """How many answers that could be encoded are not, by the study's present reader."""
    state = _reading(study)
    return int(state["lacking"] if _present(study, state["shards"]) else state["wanted"])


def summed(study: Study) -> int:
    """Of how many answers a summary alone is kept, by the study's table."""
    return int(_reading(study).get("summed", 0))


def _present(study: Study, ends: dict[str, int] | None) -> bool:
    """Whether the cache holds what the study's table names, as opening the encodings would find."""
    if ends is None:
        return _opens(study)
    # Asked each time: the cache belongs to no study, and each record of another one makes a shard another file.
    found = {path: files.identity(Path(path)) for path in ends}
    if any(state is None for state in found.values()) and os.environ.get(far.PLACE):
        return _opens(study)
    return all(state is not None and state[0] >= ends[path] for path, state in found.items())


def _opens(study: Study) -> bool:
    try:
        Encodings.open(study)
    except UserError:
        return False
    return True


def rests(study: Study) -> Rests:
    """What hangs on a study's prompts, answers and encodings rests on this."""
    table = table_path(study)
    paths = [*(study.folder / name for name in ("prompts.csv", *responses.FILES)), table]
    # Of another reader by its own name, or the two would take turns.
    of = table if study.beside else study.folder
    return Rests(of, study.settings.reader.model_dump(), paths)


@kept(2, rests)
def _reading(study: Study) -> dict[str, Any]:
    """How many answers are to be read and lacking by the study's table, and where each shard that it names ends.

    No ends where the table is of an older version: its places hold only beside the cache's index.
    """
    wanted = encodable(study)
    try:
        table = own_table(study)
    except UserError:
        # None yet, damaged, or another reader's: all of them are to be read.
        return {"wanted": len(wanted), "lacking": len(wanted), "shards": {}}
    done = table[table["error"] == ""]
    lacking = len(wanted) - len(wanted.merge(done, on=[*responses.KEY, "answer"]))
    if "sum" not in done or bool((done["sum"] == NO_SUM).any()):
        return {"wanted": len(wanted), "lacking": lacking, "shards": None}
    cache = Cache(table.attrs["reader_key"], table.attrs["n_features"])
    # A table of an older version knows no summaries.
    summed = done["summary"] if "summary" in done else done["error"] != ""
    shards: dict[str, int] = {}
    for folder, rows in ((cache, done[~summed]), (cache.summaries, done[summed])):
        ends = (rows["offset"] + rows["size"]).groupby(rows["shard"]).max()
        shards |= {str(folder.path(int(shard))): int(end) for shard, end in ends.items()}
    return {"wanted": len(wanted), "lacking": lacking, "shards": shards, "summed": int(summed.sum())}
