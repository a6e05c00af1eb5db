"""Looking inside by workers of other machines: a cell is a part, and what they sealed is joined by one of them.

Each worker opens the pair once. Names of cells travel to them, and counts come back; a worker joins, as it has the
pair and the device that the results were made with, and whoever asked may have neither.
"""

import time
from typing import Any

from diffing.common.errors import UserError
from diffing.common.step import Progress, Result
from diffing.jobs.machines.door import Part, Runner, Told, asked
from diffing.jobs.machines.seen import BEATS
from diffing.study.study import Study
from diffing.whitebox.plan import Options
from diffing.whitebox.shares import cell

PLAN, CELL, JOIN = "plan", "cell", "join"
"""What a worker can be asked to do."""


def told(study: Study, options: Options) -> dict[str, Any]:
    """What each worker is told."""
    kept = options.model_dump(mode="json", exclude={"on", "gpus_each", "join", "device"})
    return {"study": study.name, "options": kept}


def run(study: Study, runner: Runner, options: Options, progress: Progress) -> Result:
    """Have what is missing done by a runner whose work is `inside.worker`, and joined."""
    began = time.monotonic()
    progress.update(0, 0, note="waiting for workers")
    root = cell.root_of(study, *study.sides(options.base, options.variant))
    with runner:
        plan = asked(runner, {"do": PLAN}, progress.check)
        progress.log(plan["told"])
        parts = [Part(name, {"do": CELL, "cell": name, "methods": each}) for name, each in plan["cells"].items()]
        workers, done = Told(root / BEATS, "cells", len(parts)), 0
        faults = []
        progress.update(0, len(parts), "cells")
        for outcome in runner.run(parts, progress.check):
            done += 1
            workers.tell(outcome, 1, {why: 1 for why in outcome.result.get("refused", {}).values()})
            progress.update(done, len(parts), "cells", note=outcome.key)
            if outcome.fault:
                faults.append(f"{outcome.key}: {outcome.fault}")
        counts = workers.end(progress.log)
        if faults:
            raise UserError(f"{'; '.join(faults)}. What was done is stored; the same command goes on from there.")
        progress.update(done, len(parts), "cells", note="joining")
        joined = asked(runner, {"do": JOIN}, progress.check)
    for line in joined["lines"]:
        progress.log(line)
    result: Result = joined["result"]
    return result | counts | {"parts": len(parts), "seconds": round(time.monotonic() - began, 1)}
