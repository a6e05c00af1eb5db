"""A cell of a run of `inside`, the pair itself or one of its nulls, done on one machine and sealed for the others.

A cell is as much as one machine does without another: all methods on one pair, so that their shared pass stays
one, and the figures are those of a run that nobody shared. Promises that what is sealed was done whole, under the
names that the results will have in the study; that a cell which two did is kept once; and that a kill costs the
cell in hand. Writes nothing into the study's results: `joined` does.
"""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from diffing.common import damage, files
from diffing.common.damage import Damaged
from diffing.common.errors import UserError
from diffing.jobs.machines import sealing, seen
from diffing.jobs.machines.sealing import Sum
from diffing.study.study import Study
from diffing.whitebox import run as runs
from diffing.whitebox.method import Check
from diffing.whitebox.plan import Plan

PAIR = "pair"
"""The cell that is no null; no null is called so."""
TOUCH = 60.0
"""Seconds after which an unsealed folder is touched: what nobody touched for an hour is taken for forsaken."""


class Manifest(BaseModel):
    """Who did a cell, and what should be in its folder."""

    cell: str
    part: str
    """The share as `3/16`, or how else the work was dealt."""
    machine: str
    device: str
    created: str
    asked: dict[str, str]
    """Of each method that was to be done, the name of its result's folder, which hangs on all that changes it."""
    refused: list[tuple[str, str]]
    """Methods, or the null, that cannot be had here, and why."""
    sums: dict[str, Sum]
    """Of each file, by its path in the folder."""


class Sealed(NamedTuple):
    """A sealed cell."""

    folder: Path
    manifest: Manifest

    def has(self, name: str) -> bool:
        """Whether it has a result for this folder, or says why there is none."""
        return name in self.manifest.asked.values()


def root_of(study: Study, base: str, variant: str) -> Path:
    """Where those who share the work put what they have done, until it is joined."""
    return study.folder / seen.FOLDER / f"inside-{base}-{variant}"


def all_of(plan: Plan) -> list[str]:
    return [PAIR, *(null.name for null in plan.nulls)]


def lacking(plan: Plan, root: Path) -> dict[str, list[str]]:
    """Cells with the methods that neither the study has of them nor anybody has sealed."""
    found = opened(root)[0]
    left = {}
    for name, methods in plan.missing:
        cell = name or PAIR
        sealed = [one for one in found if one.manifest.cell == cell]
        open_ = [each for each in methods if not any(one.has(plan.places[each].name) for one in sealed)]
        if open_:
            left[cell] = open_
    return left


def opened(root: Path) -> tuple[list[Sealed], list[Damaged]]:
    """All sealed cells, and what is wrong with those that cannot be opened."""
    found, faults = [], []
    for folder in sealing.folders(root):
        try:
            told = sealing.manifest_of(folder)
            with damage.reading(folder / sealing.MANIFEST, "move the folder away"):
                found.append(Sealed(folder, Manifest.model_validate(told)))
        except Damaged as error:
            faults.append(error)
    return found, faults


def do(
    plan: Plan,
    cell: str,
    methods: Sequence[str],
    root: Path,
    part: str,
    check: Check = lambda: None,
    read: Callable[[int], None] = lambda _: None,
) -> dict[str, str]:
    """Do these methods of a cell and seal it; what was refused, and why."""
    making = sealing.begun(root, sealing.unlike(cell))
    refused: list[tuple[str, str]] = []
    places = {name: making / plan.places[name].name for name in methods}
    touched = time.monotonic()

    def look() -> None:
        nonlocal touched
        check()
        if time.monotonic() - touched > TOUCH:
            touched = time.monotonic()
            os.utime(making)

    def refuse(name: str, error: UserError) -> None:
        refused.append((name, str(error)))

    wanted = {name: plan.methods[name] for name in methods}
    try:
        if cell == PAIR:
            runs.of_pair(places, plan.pair, plan.documents, wanted, look, read, refuse)
        else:
            null = next(each for each in plan.nulls if each.name == cell)
            runs.of_null(null, places, plan.pair, plan.documents, wanted, look, read, refuse)
        _seal(plan, cell, methods, root, making, part, refused)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    return dict(refused)


def _seal(
    plan: Plan,
    cell: str,
    methods: Sequence[str],
    root: Path,
    making: Path,
    part: str,
    refused: list[tuple[str, str]],
) -> None:
    found = sorted(path for path in making.rglob("*") if path.is_file() and not path.name.startswith("."))
    manifest = Manifest(
        cell=cell,
        part=part,
        machine=seen.machine(),
        device=str(plan.pair.device),
        created=files.now(),
        asked={name: plan.places[name].name for name in methods},
        refused=refused,
        sums={str(path.relative_to(making)): sealing.sum_of(path) for path in found},
    )
    # By what was asked: whoever does the same once more finds it there.
    name = f"{cell}-{files.content_hash(sorted(manifest.asked.values()), 12)}"
    sealing.seal(root, making, name, manifest.model_dump(mode="json"))
