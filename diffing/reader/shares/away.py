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
from diffing.common.errors import UserError
from diffing.common.step import Progress, Result
from diffing.jobs.machines.door import Outcome, Part, Runner, Work
from diffing.jobs.machines.seen import BEATS, Post
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
    root, seen = places.shares_path(study), Seen(study)
    with runner:
        first = next(iter(runner.run([Part("reader", {})], progress.check)))
        if first.fault:
            raise UserError(first.fault)
        there = part.known(root, first.result["key"], first.result["n_features"], list(unique))
        missing = [task for key, task in unique.items() if key not in there]
        size = {key: len(task.text) for key, task in unique.items()}
        parts = list(dealt(missing))
        total = sum(size[task.key] for task in missing)
        done = tokens = 0
        for outcome in runner.run(parts, progress.check):
            chars = sum(size[key] for key in outcome.what["keys"])
            done, tokens = done + chars, tokens + outcome.result.get("tokens", 0)
            seen.tell(outcome, chars, total)
            progress.update(done, total, "characters", note=words.count(tokens, "token"))
    seconds = time.monotonic() - began
    again, lost = seen.end(progress)
    result = joined.run(study, frame, tasks, progress)
    return result | {
        "tokens": tokens,
        "workers": len(seen.posts),
        "parts": len(parts),
        "dealt": len(missing),
        "done_again": again,
        "lost_seconds": round(lost, 1),
        # Of each worker from its first part on, so without the loading.
        "characters_per_second": round(sum(post.beat.rate or 0.0 for post in seen.posts.values())),
        "seconds": round(seconds + result["seconds"], 1),
    }


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


class Seen:
    """What the workers did, told beside their sealed folders as shares tell it of themselves."""

    def __init__(self, study: Study) -> None:
        self.folder = places.shares_path(study) / BEATS
        self.posts: dict[str, Post] = {}
        self.done: dict[str, int] = {}
        self.failures: dict[str, dict[str, int]] = {}

    def tell(self, outcome: Outcome, chars: int, total: int) -> None:
        name = outcome.worker
        if name not in self.posts:
            self.posts[name] = Post(self.folder, f"ray-{name}", name, outcome.device, outcome.machine)
        self.done[name] = self.done.get(name, 0) + chars
        failures = self.failures.setdefault(name, {})
        reasons = {outcome.fault: 1} if outcome.fault else outcome.result["failures"]
        for reason, count in reasons.items():
            failures[reason] = failures.get(reason, 0) + count
        post = self.posts[name]
        post.failed(failures)
        if outcome.again:
            post.lost(outcome.again, outcome.again_seconds)
        post.update(self.done[name], total, "characters")

    def end(self, progress: Progress) -> tuple[int, float]:
        """Every worker's last word into the job's log; how often a part was begun again, and what that cost."""
        for post in self.posts.values():
            post.end("done")
            progress.log(post.beat.in_words())
        beats = [post.beat for post in self.posts.values()]
        return sum(beat.again for beat in beats), sum(beat.again_seconds for beat in beats)
