"""Cells that shares have done go into the study, where a run of `inside` finds them as if it had done them itself.

Promises that nothing is lost by a fault: a folder that is damaged, or was made of other weights, texts or settings
than those asked for, is told in a sentence and stays on the disk; folders go only once the run that took them has
ended. To be run on one machine at a time, as a job is, with the device that the shares had: where numbers are
others, so are results.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from diffing.common import damage, files
from diffing.common.errors import UserError
from diffing.common.step import Progress
from diffing.jobs.machines import sealing, seen
from diffing.jobs.machines.share import cards
from diffing.study.study import Study
from diffing.whitebox import results
from diffing.whitebox import run as runs
from diffing.whitebox.plan import Plan
from diffing.whitebox.shares import cell
from diffing.whitebox.shares.cell import PAIR, Sealed


class Taken(NamedTuple):
    """What was taken over."""

    folders: list[Path]
    """To be put away once all is done."""
    refused: dict[str, str]
    """Methods and nulls that could not be had there, and why."""


def take(study: Study, plan: Plan, root: Path, progress: Progress) -> Taken:
    """Copy what the study lacks; an error where cells are missing that nobody has done."""
    found, faults = cell.opened(root)
    for fault in faults:
        progress.log(f"A sealed folder is left out: {fault}")
    names = {place.name for place in plan.places.values()}
    fit = []
    for one in found:
        if names & set(one.manifest.asked.values()) and one.manifest.cell in cell.all_of(plan):
            fit.append(one)
            continue
        told = one.manifest
        progress.log(
            f"Folder {one.folder.name} ({told.part} on {told.machine}, {told.device}) was made of other weights, "
            "texts, settings or numbers than are asked for here; it takes no part and stays."
        )
    if not fit and plan.missing:
        raise UserError(
            f"Study '{study.name}' has no share of 'inside' to join that fits what is asked; do some with --share "
            "K/N and the same options, on machines with the same kind of device."
        )
    # The pair first: nulls lie in its folders.
    fit.sort(key=lambda one: (one.manifest.cell != PAIR, one.folder.name))
    merged = []
    for one in fit:
        progress.check()
        if _copied(one, plan.places, root, progress):
            merged.append(one)
    refused = {name: why for one in merged for name, why in one.manifest.refused}
    if left := list(cell.lacking(plan.without(refused), root)):
        raise UserError(_lacking(study, plan, left, found, root))
    return Taken([one.folder for one in merged], refused)


def _copied(one: Sealed, places: Mapping[str, Path], root: Path, progress: Progress) -> bool:
    """Its results into their places; a folder that is not what was sealed is set aside."""
    manifest = one.manifest
    wrong = [name for name, wanted in manifest.sums.items() if not _sound(one.folder / name, wanted)]
    if wrong:
        aside = sealing.set_aside(root, one.folder)
        progress.log(
            f"Of folder {one.folder.name} ({manifest.part} on {manifest.machine}) '{wrong[0]}' is not what was "
            f"written; it is left out and stays as '{damage.shown(aside)}'."
        )
        return False
    there = places if manifest.cell == PAIR else runs.inside(places, manifest.cell)
    for name, place in there.items():
        source = one.folder / places[name].name
        # A null of what the pair itself has no result of is nobody's.
        lies = manifest.cell == PAIR or results.exists(places[name])
        if results.exists(source) and lies and not results.exists(place):
            with files.fresh_folder(place.parent, f".new-{place.name}-") as fresh:
                shutil.copytree(source, fresh, dirs_exist_ok=True)
                files.put_folder(fresh, place)
    return True


def _sound(path: Path, wanted: sealing.Sum) -> bool:
    try:
        return sealing.sum_of(path) == wanted
    except OSError:
        return False


def _lacking(study: Study, plan: Plan, left: Sequence[str], found: Sequence[Sealed], root: Path) -> str:
    """Which shares have to be run (again), in one sentence."""
    dealers = [int(one.manifest.part.split("/")[1]) for one in found if "/" in one.manifest.part]
    if not dealers:
        return (
            f"Not done yet in study '{study.name}': {', '.join(left)}; go on with the command that did the others."
        )
    of = max(set(dealers), key=dealers.count)
    whose = cards(cell.all_of(plan), of)
    alive = {beat.part for beat in seen.all_in(root / seen.BEATS) if beat.state == "running" and not beat.silent}
    parts = []
    for number in range(1, of + 1):
        if lacks := [name for name in left if whose[name] == number]:
            running = ", running a moment ago" if f"inside {number}/{of}" in alive else ""
            parts.append(f"{number}/{of} lacks {', '.join(lacks)}{running}")
    return (
        f"Shares of 'inside' of study '{study.name}' are not whole ({'; '.join(parts)}); run each of them with "
        f"--share K/{of} and the same options, and join again."
    )
