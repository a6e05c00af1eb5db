"""One share of `inside`: the cells that fall to it, done by a process that knows of no other."""

from diffing.common.step import Progress, Result
from diffing.jobs.machines.sealing import unlike
from diffing.jobs.machines.seen import BEATS, posted
from diffing.jobs.machines.share import Share
from diffing.study.study import Study
from diffing.whitebox.plan import Options, planned
from diffing.whitebox.shares import cell


def run(study: Study, options: Options, share: Share, progress: Progress) -> Result:
    """Do the share's cells, as far as neither the study has them nor anybody has sealed them."""
    base, variant = study.sides(options.base, options.variant)
    root = cell.root_of(study, base, variant)
    name, part = unlike(f"share-{share.number}-of-{share.of}"), f"inside {share}"
    with posted(root / BEATS, name, part, options.device) as post:
        progress.update(0, 0, note="opening the pair")
        plan = planned(study, options, progress.check, progress.log)
        mine = share.cards(cell.all_of(plan))
        left = {name: methods for name, methods in cell.lacking(plan, root).items() if name in mine}
        read, total = 0, len(left) * len(plan.documents)
        refused: dict[str, str] = {}
        for name, methods in left.items():

            def told(number: int, now: str = name) -> None:
                nonlocal read
                read += number
                # A method that works by itself counts its texts once more.
                post.update(min(read, total), total, "texts")
                progress.update(min(read, total), total, "texts", note=now)

            told(0)
            refused |= cell.do(plan, name, methods, root, str(share), progress.check, told)
        post.failed({why: 1 for why in refused.values()})
    return {"share": str(share), "cells": len(mine), "done": len(left), "names": mine, "left_out": refused}
