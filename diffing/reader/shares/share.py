"""One share of `encode`: the answers whose keys fall to it, read by a process that knows of no other."""

from collections.abc import Callable

from diffing.common import words
from diffing.common.step import Progress, Result
from diffing.jobs.machines.sealing import unlike
from diffing.jobs.machines.seen import BEATS, Post, posted
from diffing.jobs.machines.share import Share
from diffing.reader import places, wanted
from diffing.reader.batches import Task
from diffing.reader.passes import ReaderLike
from diffing.reader.shares.part import Worker
from diffing.study.study import Study


def run(
    study: Study,
    share: Share,
    load: Callable[[str], ReaderLike],
    device: str,
    budget: int | None,
    part: int | None,
    progress: Progress,
) -> Result:
    """Read the share; `study` is the view that is read, `load` makes its reader for a device."""
    everything = wanted.tasks_of(study, wanted.of(study, part))
    mine = [task for task in everything if share.holds(task.key)]
    root = places.shares_path(study)
    with posted(root / BEATS, unlike(f"share-{share.number}-of-{share.of}"), f"share {share}", device) as post:
        result = _read(study, share, load, device, budget, everything, mine, progress, post)
        post.failed(result["failures"])
    return result


def _read(
    study: Study,
    share: Share,
    load: Callable[[str], ReaderLike],
    device: str,
    budget: int | None,
    everything: list[Task],
    mine: list[Task],
    progress: Progress,
    post: Post,
) -> Result:
    if not mine and share.number != 1:
        # Share 1 tells of the reader whatever falls to it.
        return {"share": str(share), "answers": 0, "read": 0, "found": 0, "tokens": 0, "failures": {}}
    progress.update(0, len(mine), "answers", note="loading the reader")
    reader = load(device)
    progress.check()
    worker = Worker(reader, places.shares_path(study), study.name, device, budget)
    # Against the whole study's answers: every share comes to the same verdict.
    checked = worker.fits(everything, progress.check)
    if share.number == 1:
        worker.hand_on(checked)

    def tell(done: int, total: int, tokens: int) -> None:
        post.update(done, total, "characters")
        progress.update(done, total, "characters", note=words.count(tokens, "token"))

    result = worker.missing(str(share), mine, tell, progress.check)
    return {"share": str(share), "reader": reader.key, **result}
