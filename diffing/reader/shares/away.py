"""Answers read by workers of other machines: how they are dealt out, what a worker does, and the join at the end.

Each part is read and sealed (`part`) on a disk that all see, and what is sealed is not dealt again: a run that
ends early, whoever ended it, goes on from there. Keys travel to the workers, and counts come back.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import pandas as pd

from diffing.common import words
from diffing.common.step import Progress, Result
from diffing.jobs.machines.door import Part, Runner, Told, Work, asked
from diffing.jobs.machines.seen import BEATS
from diffing.reader import places, presets, wanted
from diffing.reader.batches import Task
from diffing.reader.shares import joined, part
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study

WORK = "diffing.reader.shares.away:worker"
"""The name by which workers find `worker`."""
LARGEST, PARTS = 4_000_000, 64
"""Characters of a part, about a million tokens, which a large GPU reads in 20 seconds: beside that it is little
what its first and last batch wait. And of less work so many parts that no worker is left with much at the end."""


def told(study: Study, loads: str, prompts: int | None, budget: int | None) -> dict[str, Any]:
    """What each worker is told: the view to read, and the `module:function` that loads its reader."""
    choice = study.settings.reader.model_dump(mode="json")
    given = {"study": study.name, "reader": choice, "channel": study.channel, "loads": loads}
    return given | {"prompts": prompts, "budget": budget}


def worker(given: Mapping[str, Any], device: str) -> Work:
    """A worker's life begins: its reader is loaded, and it knows the answers by their keys."""
    choice = ReaderChoice.model_validate(given["reader"])
    study = Study.open(given["study"]).read_by(choice).through(given["channel"])
    tasks = {task.key: task for task in wanted.tasks_of(study, wanted.of(study, given["prompts"]))}
    module, name = given["loads"].split(":")
    reader = getattr(import_module(module), name)(presets.within(choice, study.name), device)
    one = part.Worker(reader, places.shares_path(study), study.name, device, given["budget"])

    def do(what: Mapping[str, Any]) -> dict[str, Any]:
        if "keys" not in what:
            # Once, by whoever comes first: the reader is held against the answers, and told of.
            one.hand_on(one.fits(list(tasks.values()), lambda: None))
            return {"key": reader.key, "n_features": reader.n_features}
        return one.read("ray", [tasks[key] for key in what["keys"] if key in tasks], there={})

    return do


def run(study: Study, runner: Runner, frame: pd.DataFrame, tasks: Sequence[Task], progress: Progress) -> Result:
    """Have the answers read by a runner whose work is `worker`, and join what came of it."""
    began = time.monotonic()
    unique = {task.key: task for task in tasks}
    progress.update(0, len(unique), "answers", note="waiting for workers")
    root = places.shares_path(study)
    with runner:
        reader = asked(runner, {}, progress.check)
        there = part.known(root, reader["key"], reader["n_features"], list(unique))
        missing = [task for key, task in unique.items() if key not in there]
        size = {key: len(task.text) for key, task in unique.items()}
        parts = list(dealt(missing))
        total = sum(size[task.key] for task in missing)
        seen = Told(root / BEATS, "characters", total)
        done = tokens = 0
        for outcome in runner.run(parts, progress.check):
            chars = sum(size[key] for key in outcome.what["keys"])
            done, tokens = done + chars, tokens + outcome.result.get("tokens", 0)
            seen.tell(outcome, chars, outcome.result.get("failures", {}))
            progress.update(done, total, "characters", note=words.count(tokens, "token"))
    seconds = time.monotonic() - began
    workers = seen.end(progress.log)
    result = joined.run(study, frame, tasks, progress)
    return (
        result
        | workers
        | {
            "tokens": tokens,
            "parts": len(parts),
            "dealt": len(missing),
            # Of each worker from its first part on, so without the loading.
            "characters_per_second": round(sum(post.beat.rate or 0.0 for post in seen.posts.values())),
            "seconds": round(seconds + result["seconds"], 1),
        }
    )


def dealt(tasks: Sequence[Task]) -> Iterator[Part]:
    """Parts of answers that are alike in length, the longest first: the last ones to end are short."""
    ordered = sorted(tasks, key=lambda task: (-len(task.text), task.key))
    most = min(LARGEST, sum(len(task.text) for task in ordered) // PARTS)
    keys: list[str] = []
    size = 0
    for task in ordered:
        if keys and size + len(task.text) > most:
            yield Part(keys[0], {"keys": keys})
            keys, size = [], 0
        keys.append(task.key)
        size += len(task.text)
    if keys:
        yield Part(keys[0], {"keys": keys})
