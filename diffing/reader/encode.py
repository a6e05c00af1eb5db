"""The encoding step: a study's answers through its reader into the cache, each once.

Holds the job, and what the command `read` shows. The work itself is in `encoder`, several GPUs in `fleet`. Failed,
blocked and empty answers are not encoded; an answer that the reader cannot take stands in the study's table with
the reason. Promises that a reader which does not fit the answers is refused before anything is encoded.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from diffing.common import files, words
from diffing.common.arrays import Array, Bools
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.common.step import Progress, Result
from diffing.jobs.machines.on_ray import Ray
from diffing.jobs.machines.share import Share
from diffing.reader import decoders, keeping, lens, pieces, presets, wanted
from diffing.reader.batches import Task
from diffing.reader.cache import Cache
from diffing.reader.encoder import Encoder, Told
from diffing.reader.encodings import save_table
from diffing.reader.fleet import Fleet
from diffing.reader.passes import ReaderLike
from diffing.reader.pieces import TokenTable
from diffing.reader.places import checked_path
from diffing.reader.shares import away, joined
from diffing.reader.shares import share as one_share
from diffing.reader.unread import unread
from diffing.study.channels import Channel
from diffing.study.settings import ReaderChoice
from diffing.study.study import Study

logger = logging.getLogger(__name__)

DEVICES = ("cpu", "cuda", "mps", "xpu")
"""Kinds that hold numbers: others, such as `meta`, hold shapes only."""

ABOVE = "diffing.whitebox.dictionaries.reading"
"""The module whose `load(choice, device)` gives a trained dictionary as a reader. Named and not imported, as the
steps of `jobs` are: two models that run beside each other are known in a room above, and `encode`, which stands
below that room, is to have one way to read with whatever there is."""

LOADS = "diffing.reader.encode:load_reader"
"""The name by which workers of other machines find what loads a reader."""

SHARE = 256
"""Answers that make another GPU worth its start: each loads a whole reader. Chosen by eye, not measured."""


class Options(BaseModel):
    """What one run of `encode` is told; it changes an encoding only by the device's precision and rounding."""

    model_config = ConfigDict(extra="forbid")

    device: str = "auto"
    """`auto` takes every GPU there is, else the CPU; `cuda`, `cuda:1`, `cpu` and the like take that one."""
    budget: int | None = Field(default=None, ge=1)
    """Tokens in a batch; None takes what suits the device."""
    reader: ReaderChoice | None = None
    """Who reads; None is the study's own reader. What another one saw is kept beside and changes nothing of it."""
    channel: Channel | None = None
    """What of an answer is read; None is its text. What stands in another channel is kept beside as well."""
    prompts: int | None = Field(default=None, ge=1)
    """Read the answers to so many prompts and leave the others for later; None reads all."""
    positions: int = Field(default=keeping.ALL, ge=1)
    """Of so many answers it is kept on which tokens features fire, of the others a summary (`keeping`)."""
    join: bool = False
    """Read nothing: take over what shares have read on other machines (`share`)."""
    on: str = ""
    """Who reads: `ray` for a Ray cluster of this machine, `ray://HOST:PORT` for another; else this process."""
    gpus_each: float = Field(default=1.0, gt=0, le=1)
    """What each worker of a cluster takes of a GPU."""


def run(study: Study, options: Options, progress: Progress) -> Result:
    """Encode what the study lacks, and bring its table up to date."""
    study = seen_as(study, options)
    answers = wanted.of(study, options.prompts)
    tasks = wanted.tasks_of(study, answers)
    if options.join:
        return joined.run(study, answers, tasks, progress)
    if options.on:
        told = away.told(study, LOADS, options.prompts, options.budget)
        return away.run(study, Ray(options.on, away.WORK, told, options.gpus_each), answers, tasks, progress)
    began = time.monotonic()
    progress.update(0, len(answers), "answers", note="loading the reader")
    devices = devices_for(options.device, len(answers))
    choice = presets.within(study.settings.reader, study.name)
    load = partial(prepare, choice, checked_path(study), tasks, devices[0])
    tokens = 0

    def tell(done: int, total: int, stored: int) -> None:
        nonlocal tokens
        tokens = stored
        progress.update(done, total, "characters", note=words.count(tokens, "token"))

    kept = keeping.sampled(study, answers, options.positions)
    with _reading(load, devices, options.budget, progress) as (key, n_features, through):
        cache = Cache(key, n_features)
        before = _stored(cache, tasks, kept, progress)
        loaded = time.monotonic()
        errors = keeping.read(cache, answers, tasks, kept, through, tell, progress.check)
        # Without the loading, which says nothing of how fast the reader reads.
        seconds = time.monotonic() - loaded
    places, summed = keeping.places(cache, tasks)
    answers["error"] = [errors.get(task.key, "") for task in tasks]
    save_table(study, answers, places, key, n_features, summed)
    # Kept, so that whoever looks next need not read all answers to know that they are read.
    unread(study)
    failed = int((answers["error"] != "").sum())
    for reason, rows in answers[answers["error"] != ""].groupby("error", sort=False):
        first = f"prompt {rows['prompt_id'].iloc[0]}, {rows['checkpoint'].iloc[0]}, draw {rows['draw'].iloc[0]}"
        progress.log(f"{words.count(len(rows), 'answer')} not encoded, the first of them {first}: {reason}")
    if failed == len(answers):
        raise UserError(f"No answer could be encoded: {answers['error'].iloc[0]}")
    return {
        "documents": len(answers),
        "encoded": len(keeping.found(cache, (task.key for task in tasks))) - before,
        "cached": before,
        "failed": failed,
        "tokens": tokens,
        "tokens_per_second": round(tokens / max(seconds, 1e-9)) if tokens else None,
        "seconds": round(time.monotonic() - began, 1),
        "devices": devices,
        "reader": key,
    } | ({"summaries": sum(summed)} if any(summed) else {})


@contextmanager
def _reading(
    load: Callable[..., ReaderLike], devices: Sequence[str], budget: int | None, progress: Progress
) -> Iterator[tuple[str, int, keeping.Through]]:
    """The reader's key and number of features, and what reads with it on the devices, while they are held."""
    if len(devices) > 1:
        with Fleet(load, devices, budget) as fleet:
            yield *fleet.ready(progress.check), fleet.run
        return
    reader = load(devices[0], look=progress.check)
    cache = Cache(reader.key, reader.n_features)

    def through(
        tasks: Sequence[Task], tell: Told, check: Callable[[], None], floor: Array | None
    ) -> dict[str, str]:
        return Encoder(reader, keeping.store(cache, floor), budget).run(tasks, tell, check)

    yield reader.key, reader.n_features, through


def seen_as(study: Study, options: Options) -> Study:
    """The study as a run sees it: by its reader, through its channel."""
    return study.read_by(options.reader or study.settings.reader).through(options.channel or study.channel)


def share(study: Study, options: Options, which: Share, progress: Progress) -> Result:
    """Read one share of the answers beside other machines; `run` with `join` brings all of them together."""
    study = seen_as(study, options)
    # A device for each share: who has several starts as many, each with one of its own in sight.
    device = devices_for(options.device, 1)[0]
    choice = presets.within(study.settings.reader, study.name)
    return one_share.run(
        study, which, partial(load_reader, choice), device, options.budget, options.prompts, progress
    )


def _stored(cache: Cache, tasks: Sequence[Task], kept: Bools, progress: Progress) -> int:
    """How many answers need not be read: each stored record is verified, and a damaged one is read again."""
    count, dropped = keeping.stored(cache, tasks, kept)
    if dropped:
        progress.log(f"{dropped} stored encodings were damaged or gone; they are read again")
    return count


def load_reader(choice: ReaderChoice, device: str) -> Any:
    """A reader, loaded; of trained dictionaries by the name that they have outside their study (`within`)."""
    if presets.trained(choice):
        return import_module(ABOVE).load(choice, device)
    # SAELens is slow to import, and reading encodings needs none of it.
    from diffing.reader.reader import Reader

    return Reader.load(choice, device)


def prepare(
    choice: ReaderChoice,
    checked: Path,
    tasks: Sequence[Task],
    lead: str,
    device: str,
    look: Callable[[], None] = lambda: None,
) -> ReaderLike:
    """The reader on a device, ready for a study's answers.

    On the device that leads, what other steps want of the reader is stored, and before its first run on the study
    it is held against the answers: a reader that does not fit is an error. What the check found is kept in
    `checked`: L0, unexplained variance, texts over the window, notes. `look` raises where the run is to end: all
    this takes seconds, and minutes on a busy machine.
    """
    reader = load_reader(choice, device)
    look()
    if device != lead:
        return reader  # type: ignore[no-any-return]
    decoders.save(reader)
    # A reader without an SAE's facts, as a rule-based one has none, promises nothing that could be checked.
    if hasattr(reader, "facts"):
        if _checked_reader(checked) != reader.key:
            found = reader.check([task.text for task in tasks], [task.messages for task in tasks], look)
            found.require()
            files.write_json(checked, {"reader": reader.key, **found._asdict()}, seal=True)
        lens.store(reader)
    return reader  # type: ignore[no-any-return]


def devices_for(device: str, answers: int) -> list[str]:
    """The devices to encode on: several GPUs only where there is enough to do."""
    if device != "auto":
        return [present(device)]
    if not torch.cuda.is_available():
        return ["cpu"]
    count = min(torch.cuda.device_count(), max(1, answers // SHARE))
    return [f"cuda:{number}" for number in range(count)]


def _checked_reader(path: Path) -> str:
    """Which reader was checked on the study; none where the file that says so is absent or damaged."""
    try:
        return str(files.read_json(path)["reader"]) if path.exists() else ""
    except (Damaged, LookupError, TypeError) as error:
        logger.warning("The reader is checked anew: %s", error)
        return ""


def present(device: str) -> str:
    """A device by its name, or a `UserError` where this machine has none such."""
    try:
        if torch.device(device).type not in DEVICES:
            raise ValueError("it cannot read answers")
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, ValueError, NotImplementedError) as error:
        reason = " ".join(str(error).split("\n")[0].split())[:200].rstrip(".")
        raise UserError(
            f"There is no device '{device}' here ({reason}); use auto, cpu, cuda or cuda:N."
        ) from error
    return device


class TextFeatures(BaseModel):
    """What a reader sees in one text."""

    pieces: list[str]
    """The text, cut at token borders."""
    features: list[dict[str, Any]]
    """Strongest first: `feature`, `peak`, `count`, `total`, and its `values` on the pieces."""


def read_text(reader: ReaderLike, text: str, top: int = 20) -> TextFeatures:
    """The features of a text that belongs to no study; nothing is stored."""
    reading = reader.read([], text)
    if not len(reading.spans):
        raise UserError("The reader sees no token in this text; give a longer one.")
    record = Encoder(reader, Cache(reader.key, reader.n_features)).one(reading)
    if isinstance(record, str):
        raise UserError(record)
    table = TokenTable(record.ids, record.spans, text)
    starts, values = record.starts(), record.values()
    order, cut = np.lexsort([record.feature, -np.abs(record.peak)])[:top], table.cut()
    features = []
    for run in order.tolist():
        entries = slice(starts[run], starts[run + 1])
        dense = np.zeros(len(record.ids), np.float32)
        dense[record.position[entries]] = values[entries]
        features.append(
            {
                "feature": int(record.feature[run]),
                "peak": float(record.peak[run]),
                "count": int(record.count[run]),
                "total": float(values[entries].sum()),
                "values": pieces.largest(cut, dense).tolist(),
            }
        )
    return TextFeatures(pieces=[piece.text for piece in cut], features=features)
