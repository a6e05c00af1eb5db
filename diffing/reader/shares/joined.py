"""Shares joined: what every machine sealed goes into the cache, and the study gets its table.

Promises that nothing is lost by a fault: a folder that is damaged, of another reader or not ended is told in a
sentence, its whole records are used, and it stays on the disk; folders are taken away only once all answers stand
in the study's table. To be run on one machine at a time, as a job is.
"""

import json
import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from diffing.common import damage, files, words
from diffing.common.errors import UserError
from diffing.common.step import Progress, Result
from diffing.jobs.machines import sealing, seen
from diffing.jobs.machines.share import dealt
from diffing.reader import decoders, keeping, lens, places
from diffing.reader.batches import Task
from diffing.reader.cache import Cache
from diffing.reader.encodings import save_table
from diffing.reader.shares import sealed
from diffing.reader.shares.part import CHECKED, DECODER, LENS, READER
from diffing.reader.shares.sealed import Sealed
from diffing.study.study import Study

AT_ONCE = 2**25
"""Bytes of records that are copied at once."""


def run(study: Study, frame: pd.DataFrame, tasks: Sequence[Task], progress: Progress) -> Result:
    """Merge, write the table of these answers, whose tasks are in their order, and put the shares away."""
    keys = [task.key for task in tasks]
    began = time.monotonic()
    root = places.shares_path(study)
    found, faults = sealed.opened(root)
    for fault in faults:
        progress.log(f"A sealed folder is left out: {fault}")
    if not found:
        raise UserError(
            f"Study '{study.name}' has no share to join; read some with "
            f"`python -m diffing encode {study.name}{places.as_options(study)} --share K/N`."
        )
    whose, told = _reader(study, found)
    manifest = whose.manifest
    fit: list[Sealed] = []
    for one in found:
        if (one.manifest.reader, one.manifest.n_features) == (manifest.reader, manifest.n_features):
            fit.append(one)
            continue
        progress.log(
            f"Folder {one.folder.name} ({one.manifest.part} on {one.manifest.machine}) was read by another reader "
            f"({one.manifest.reader}); it takes no part and stays."
        )
    cache = Cache(manifest.reader, manifest.n_features)
    every = np.ones(len(tasks), bool)
    keeping.stored(cache, tasks, every)
    before = len(keeping.found(cache, keys))
    merged = _merge(root, cache, fit, progress)
    stored = keeping.found(cache, keys)
    failures = {key: reason for one in fit for key, reason in one.manifest.failures.items() if key not in stored}
    lacking = [key for key in dict.fromkeys(keys) if key not in stored and key not in failures]
    if lacking:
        raise UserError(_lacking(study, lacking, found, root))
    if told:
        _hand_on(study, whose)
    frame["error"] = ["" if key in stored else failures[key] for key in keys]
    where, summed = keeping.places(cache, tasks)
    save_table(study, frame, where, manifest.reader, manifest.n_features, summed)
    progress.over()
    sealing.put_away(root, [one.folder for one in fit])
    failed = int((frame["error"] != "").sum())
    for reason, rows in frame[frame["error"] != ""].groupby("error", sort=False):
        progress.log(f"{words.count(len(rows), 'answer')} not encoded: {reason}")
    return {
        "documents": len(frame),
        "encoded": len(stored) - before,
        "cached": before,
        "failed": failed,
        "folders": len(fit),
        "copied": merged,
        "seconds": round(time.monotonic() - began, 1),
        "reader": manifest.reader,
    }


def _reader(study: Study, found: Sequence[Sealed]) -> tuple[Sealed, bool]:
    """A folder of the reader by which the study is read, and whether it is what share 1 told of that reader."""
    for one in found:
        if one.folder.name == READER:
            return one, True
    # Told and joined before: of the answers that came since, share 1 may have got none.
    first = found[0]
    if len({one.manifest.reader for one in found}) == 1 and decoders.path_of(first.manifest.reader).exists():
        return first, False
    of = next((one.manifest.part.split("/")[1] for one in found if "/" in one.manifest.part), "N")
    raise UserError(
        f"Share 1/{of} has not told what the reader is; run `python -m diffing encode {study.name}"
        f"{places.as_options(study)} --share 1/{of}`, then join again."
    )


def _merge(root: Path, cache: Cache, folders: Sequence[Sealed], progress: Progress) -> int:
    """Copy what the cache lacks; how many records that were. A folder with a damaged one is set aside."""
    total, done, copied = sum(one.manifest.count for one in folders), 0, 0
    with cache.writer() as writer:
        for one in folders:
            progress.check()
            there = cache.find(one.places)
            missing = {key for key in one.places if key not in there}
            got = 0
            for records in one.records(missing, AT_ONCE):
                writer.copy(records)
                got += len(records)
                progress.update(done + got, total, "answers")
            copied, done = copied + got, done + one.manifest.count
            progress.update(done, total, "answers")
            if got < len(missing):
                aside = sealing.set_aside(root, one.folder)
                progress.log(
                    f"Of folder {one.folder.name} ({one.manifest.part} on {one.manifest.machine}) "
                    f"{len(missing) - got} of {len(one.places)} records are not what was written; the others are "
                    f"used, and it stays as '{damage.shown(aside)}'."
                )
    return copied


def _lacking(study: Study, lacking: Sequence[str], found: Sequence[Sealed], root: Path) -> str:
    """Which shares have to be run (again), in one sentence."""
    dealers = [int(one.manifest.part.split("/")[1]) for one in found if "/" in one.manifest.part]
    command = f"python -m diffing encode {study.name}{places.as_options(study)}"
    much = words.count(len(lacking), "answer")
    if not dealers:
        return f"{much} of study '{study.name}' not read yet; go on with the command that read the others."
    of = max(set(dealers), key=dealers.count)
    alive = {beat.part for beat in seen.all_in(root / seen.BEATS) if beat.state == "running" and not beat.silent}
    parts = []
    for number in range(1, of + 1):
        count = sum(dealt(key, of) == number for key in lacking)
        if count:
            running = ", running a moment ago" if f"share {number}/{of}" in alive else ""
            parts.append(f"{number}/{of} lacks {count:,}{running}")
    return (
        f"Shares of study '{study.name}' are not whole ({'; '.join(parts)}); what there is was taken over: run "
        f"each of them with `{command} --share K/{of}` and join again, or read the rest here with `{command}`."
    )


def _hand_on(study: Study, whose: Sealed) -> None:
    """What share 1 sent of the reader goes where other steps look for it."""
    if data := whose.read(DECODER):
        decoders.keep(whose.manifest.reader, np.load(BytesIO(data), allow_pickle=False))
    if data := whose.read(LENS):
        lens.keep(whose.manifest.reader, pd.read_parquet(BytesIO(data)))
    if data := whose.read(CHECKED):
        told = json.loads(data)
        files.write_json(places.checked_path(study), {"reader": whose.manifest.reader, **told}, seal=True)
