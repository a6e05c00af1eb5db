"""The step `inside`: two checkpoints of a study compared by their weights, method by method, beside nulls.

Options say which of the study's checkpoints, methods with their own settings, texts and nulls. Promises that
what it will take is told before it is done, that it can be stopped between two batches, that a killed run goes on
to the same results, and that these are the same whether one machine did all or several did some (`shares`). What
was found is looked at in `seen`.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from diffing.common.errors import UserError
from diffing.common.step import Progress, Result
from diffing.jobs.machines import sealing
from diffing.jobs.machines.alone import Alone
from diffing.jobs.machines.door import Work
from diffing.jobs.machines.on_ray import Ray
from diffing.study.study import Study
from diffing.whitebox import beside
from diffing.whitebox import run as runs
from diffing.whitebox.plan import Options, Plan, named, planned
from diffing.whitebox.run import Null
from diffing.whitebox.shares import away, cell, joined
from diffing.whitebox.sight import seen

__all__ = ["Options", "run"]

WORK = "diffing.whitebox.inside:worker"
"""The name by which workers of other machines find `worker`."""


def run(study: Study, options: Options, progress: Progress) -> Result:
    """Do what is missing of it."""
    if options.on:
        runner = Ray(options.on, WORK, away.told(study, options), options.gpus_each)
        return away.run(study, runner, options, progress)
    base, variant = study.sides(options.base, options.variant)
    progress.update(0, 0, note="opening the pair")
    # Before they are read: an answer that comes in meanwhile makes the result an older one.
    state = seen.state(study, base, variant, options.texts.source)
    plan = planned(study, options, progress.check, progress.log)
    return _done(study, options, plan, state, progress)


def worker(given: Mapping[str, Any], device: str) -> Work:
    """A worker's life begins: its pair is opened, and it does cells of a run, or joins what all have done."""
    study = Study.open(given["study"])
    options = Options.model_validate(given["options"] | {"device": device})
    base, variant = study.sides(options.base, options.variant)
    root = cell.root_of(study, base, variant)
    state = seen.state(study, base, variant, options.texts.source)
    plan = planned(study, options)

    def do(what: Mapping[str, Any]) -> dict[str, Any]:
        if what["do"] == away.PLAN:
            return {"cells": cell.lacking(plan, root), "told": plan.told}
        if what["do"] == away.CELL:
            return {"refused": cell.do(plan, what["cell"], what["methods"], root, "ray")}
        lines: list[str] = []
        progress = Alone(study.name, "inside", lambda _: None, lines.append)
        result = _done(study, options.model_copy(update={"join": True}), plan, state, progress)
        return {"result": result, "lines": lines}

    return do


def _done(study: Study, options: Options, plan: Plan, state: Mapping[str, Any], progress: Progress) -> Result:
    """Do what is missing of a plan; `state` is what its weights and texts were when it was made."""
    base, variant = study.sides(options.base, options.variant)
    refused = dict(plan.refused)
    alone = len(plan.methods) + len(refused) == 1
    read = total = 0
    note = ""

    def told(number: int) -> None:
        nonlocal read
        read += number
        progress.update(read, total, "texts", note=note)

    def tell(line: str) -> None:
        nonlocal note
        note = line.rstrip(".")
        progress.log(line)
        told(0)

    def refuse(name: str, error: UserError) -> None:
        # A null that fits was to be chosen here; one that somebody named cannot be left out for another.
        if alone if name in plan.methods else beside.AUTO not in options.nulls:
            raise error
        refused[name] = str(error)
        progress.log(seen.Refused(name, str(error)).said)

    def go(names: Iterable[str], beside_it: Sequence[Null]) -> dict[str, Path]:
        methods = {name: plan.methods[name] for name in names}
        return runs.run(
            *(plan.folder, plan.pair, plan.documents, methods, beside_it), progress.check, tell, told, refuse
        )

    def noted() -> None:
        names = [null.name for null in plan.nulls if null.name not in refused]
        asked = {"nulls": names, "texts": options.texts.model_dump(mode="json"), **state}
        seen.note(study, base, variant, places, asked, refused)

    taken = joined.Taken([], {})
    if options.join:
        taken = joined.take(study, plan, cell.root_of(study, base, variant), progress)
        for name, why in taken.refused.items():
            refuse(name, UserError(why))
        plan = plan.without(taken.refused)
    progress.log(plan.told)
    total = plan.readings * len(plan.documents)
    told(0)
    # The pair first: once it is there, what was asked is noted, and nulls join it one by one.
    places = go(plan.methods, ())
    if not places:
        raise UserError(" ".join(dict.fromkeys(refused.values())))
    noted()
    go(places, plan.nulls)
    # Again, as a null may have turned out not to fit.
    noted()
    if taken.folders:
        progress.over()
        sealing.put_away(cell.root_of(study, base, variant), taken.folders)
    found = seen.of(study, base, variant)
    return {
        "texts": len(plan.documents),
        "methods": len(places),
        "nulls": len(plan.nulls),
        "above": sum(clue.above for clue in found.clues),
        "sentence": found.sentence,
    } | ({"left_out": named(refused)} if refused else {})
